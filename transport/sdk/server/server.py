"""An application process that attaches to a gateway: handles events, listens, commands.

What is here is what its owner calls; ``link`` keeps it attached.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Self

import msgspec

from hubbub.sdk.backoff import Backoff
from hubbub.sdk.errors import ConnectionLost, DeadlineError, HubbubError
from hubbub.sdk.server import frames
from hubbub.sdk.server.arguments import read_hub, read_protocol, read_roles, within
from hubbub.sdk.server.declarations import Declarations
from hubbub.sdk.server.declaring import DeclaringServer
from hubbub.sdk.server.dialing import ServerDialer
from hubbub.sdk.server.handlers import Registry
from hubbub.sdk.server.link import Link
from hubbub.sdk.server.listening import Listening
from hubbub.sdk.server.orders import Orders
from hubbub.sdk.server.running import Runner
from hubbub.sdk.server.sending import SendingServer
from hubbub.sdk.server.threads import Threads
from hubbub.transport.wire.connection_string import parse_connection_string

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.server.session import Session

logger = logging.getLogger(__name__)

_BACKOFF: Final = Backoff(first=0.2, most=5.0)
_FAREWELL: Final = 5.0
"""Seconds to wait for the gateway's goodbye before hanging up."""
EVERYTHING: Final = "publisher+subscriber+manager"


class WebPubSubServer(DeclaringServer, SendingServer):
    """A server of one hub; use it as ``async with WebPubSubServer(...) as server:``.

    Handlers and subscriptions can be set before it is connected and after. A lost
    connection is replaced by a new one after a pause, for ever, and everything that
    was declared is declared again before a call may use it. Calls made meanwhile wait,
    within their timeout. A call that is under way when the connection is lost raises
    ConnectionLost: whether it was carried out nobody knows, and it is not repeated.

    Functions it calls may be async, or run in a thread and may block. Their
    exceptions fail one event, or lose one message, and are logged.

    Args:
        connection_string: Where the gateway is, and the key to it.
        hub: The hub's name.
        roles: What the server may do: ``publisher``, ``subscriber``, ``manager``,
            joined by ``+`` or as a list.
        protocol: ``cbor``, or ``json`` for those who want to read along.
        window: Events that the gateway may give it before it has answered some.
        supersede: Whether, while this server is attached, events are expected to be
            taken by attached servers only: what those took that are gone is forgotten.
        timeout: Seconds a call waits for a connection and an answer, unless it says
            otherwise.
        connect_timeout: Seconds an attempt to connect may take, and all first ones.
        drain_timeout: Seconds that closing waits for events under way.
        backoff: The pauses before new connections; there is no limit to attempts.
        threads: How many functions that are not async may run at a time.
        message_size: Bytes of the largest message; the gateway's setting
            ``server_message_size``.
        inbox: Messages that wait for a slow function before the oldest are dropped.
        keep_alive: Seconds between pings; a pong must come within as many.
        tls: What to trust, for https and an authority of one's own.

    Raises:
        ValueError: An argument makes no sense.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults that seldom need another
        self,
        connection_string: str,
        hub: str,
        roles: str | Iterable[str] = EVERYTHING,
        *,
        protocol: str = "cbor",
        window: int = 1000,
        supersede: bool = False,
        timeout: float = 10.0,
        connect_timeout: float = 10.0,
        drain_timeout: float = 10.0,
        backoff: Backoff = _BACKOFF,
        threads: int = 32,
        message_size: int = 4 << 20,
        inbox: int = 10_000,
        keep_alive: float = 20.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        place, hub = parse_connection_string(connection_string), read_hub(hub)
        may, codec = read_roles(roles), read_protocol(protocol)
        self._threads = Threads(within(threads, "threads", 1000))
        registry = Registry(within(window, "window", 10_000), supersede=supersede)
        declarations = Declarations(timeout)
        self._runner = Runner(registry, self._threads, window, hub)
        self._link = Link(
            ServerDialer(place, hub, may, codec, message_size, keep_alive, tls),
            msgspec.structs.replace(backoff, attempts=None),
            declarations,
            self._take,
            timeout,
            connect_timeout,
        )
        listening = Listening(
            declarations, self._threads, within(inbox, "inbox", 10**6)
        )
        DeclaringServer.__init__(self, may, declarations, listening, registry)
        SendingServer.__init__(self, place, hub, Orders(self._link))
        self._drain_timeout = drain_timeout
        self._entered = self._closing = False
        self._closed = asyncio.Event()

    def __repr__(self) -> str:
        name = self._link.server_id or "new"
        return f"<WebPubSubServer {name} of {self.hub} at {self._place.endpoint}>"

    @property
    def server_id(self) -> str | None:
        """What the gateway calls this server; while it is away, what it last did."""
        return self._link.server_id

    @property
    def attached(self) -> bool:
        """Whether it is connected, with everything declared in force."""
        return self._link.attached

    # Beginning and end.

    async def start(self) -> None:
        """Connect, and declare everything.

        Raises:
            ServerRefusedError: The gateway does not let us in; the text says why.
            HubbubError: There was no connection in time.
        """
        if self._entered:
            raise RuntimeError("a server starts once: make another")
        self._entered = True
        try:
            await self._link.begin()
        except BaseException:
            await self._end(0)
            raise

    async def wait(self) -> None:
        """Wait until it is closed."""
        await self._closed.wait()

    async def wait_attached(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - shorter for callers
        """Wait until it is connected, with everything declared in force.

        Raises:
            DeadlineError: That did not happen in time.
            ClosedError: It is closed.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._link.wait_attached()
        except TimeoutError:
            raise DeadlineError("a connection", timeout) from None

    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - shorter for callers
        """Take no more events, for good, and wait until those under way are answered.

        Args:
            timeout: Seconds to wait; None for the server's ``drain_timeout``.

        Raises:
            DeadlineError: Some are still under way.
        """
        self._retire()
        seconds = self._drain_timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                if self.attached:
                    await self._link.call({"type": "drain"}, timeout=seconds)
                await self._runner.quiet()
        except ConnectionLost:
            pass  # and with it the events that were under way
        except TimeoutError:
            raise DeadlineError("the end of events under way", seconds) from None

    async def close(self) -> None:
        """Drain, but in time, and detach for good; harmless when it is closed."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        try:
            await self.drain()
        except HubbubError as error:
            logger.warning("the server closes nevertheless: %s", error)
        finally:
            await self._end(_FAREWELL)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _end(self, seconds: float) -> None:
        self._closing = True
        try:
            await self._link.close(seconds)
        finally:
            self._runner.stop()
            self._listening.stop()
            self._threads.close()
            self._closed.set()

    def _take(
        self, session: Session, frame: frames.Frame, payload: Payload | None
    ) -> None:
        match frame:
            case frames.Event():
                self._runner.take(session, frame, payload)
            case frames.Message() if payload is not None:
                self._listening.hear(frame, payload)
            case frames.Presence():
                self._listening.see(frame)
            case frames.Cancel(event_id=number):
                self._runner.cancel(session, number)
            case frames.Error(name=name, message=message):
                logger.error("the gateway refuses a frame: %s: %s", name, message)
            case frames.Draining():
                logger.info("the gateway is about to end")
            case _:
                pass  # a pong, or a message without data
