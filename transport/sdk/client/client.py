"""A client: joins groups, publishes, sends events, and comes back when it is cut off.

What its owner calls is here, in ``requests``, ``invocations``, ``streams`` and
``state_requests``; ``upkeep`` keeps it connected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from hubbub.sdk.backoff import Backoff
from hubbub.sdk.client.delivery import Delivery
from hubbub.sdk.client.dialing import Dialer
from hubbub.sdk.client.invocations import ClientInvocations
from hubbub.sdk.client.json_v1 import JSON_RELIABLE_V1
from hubbub.sdk.client.requests import ClientRequests
from hubbub.sdk.client.session import AckIds
from hubbub.sdk.client.spoken import protocol_of
from hubbub.sdk.client.state_requests import ClientStates
from hubbub.sdk.client.streams import ClientStreams
from hubbub.sdk.client.upkeep import Upkeep
from hubbub.sdk.errors import ClosedError

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from hubbub.sdk.client.dialing import Provider
    from hubbub.sdk.client.inbox import Inbox
    from hubbub.sdk.client.protocols import ClientProtocol
    from hubbub.sdk.client.states import Online, State
    from hubbub.sdk.messages import Message


class WebPubSubClient(ClientRequests, ClientInvocations, ClientStreams, ClientStates):
    """A client of one hub; use it as ``async with WebPubSubClient(url) as client:``.

    Entering connects. With a reliable subprotocol, which is the default, a connection
    that is lost later is recovered: the same session, at whichever gateway the address
    leads to, and everything that was published meanwhile, each message once. When the
    session is gone, or the subprotocol knows no recovery, a new connection takes its
    place after a pause, and the groups that were joined through this client are joined
    again before a request may use it; what was published while it was away is lost.
    ``states`` tells what happened. Requests made meanwhile wait, within their timeout.

    A request that is under way when the connection is lost raises ConnectionLost:
    whether it was carried out nobody knows. It is not repeated by itself. In a session
    that was recovered it can be, with its ack id, and is not carried out twice.

    Args:
        url: The client URL with its token; or a function, sync or async, that gives
            a fresh one for each new session, so that it can outlive its token.
        protocol: The subprotocol, or its name.
        timeout: Seconds a request waits for its answer, unless it says otherwise.
        connect_timeout: Seconds a connection may take.
        recovery: Seconds in which a lost session is looked for, each second, before a
            new one is made. The gateway keeps it for 60, unless set otherwise.
        backoff: The pauses before new connections.
        keep_alive: Seconds between pings; a pong must come within as many.
        inbox: Messages that wait for a slow reader before the oldest are dropped.
        tls: What to trust, for wss and an authority of one's own.

    Raises:
        ValueError: There is no such subprotocol, or ``recovery`` is negative.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults that seldom need another
        self,
        url: Provider,
        protocol: ClientProtocol | str = JSON_RELIABLE_V1,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        recovery: float = 30.0,
        backoff: Backoff | None = None,
        keep_alive: float = 20.0,
        inbox: int = 1000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if recovery < 0:
            raise ValueError("recovery must not be negative")
        ids, self._delivery = AckIds(), Delivery(inbox)
        spoken = protocol_of(protocol)
        dialer = Dialer(url, spoken, tls, connect_timeout, keep_alive)
        pauses = backoff or Backoff()
        upkeep = Upkeep(dialer, pauses, recovery, self._delivery, ids)
        super().__init__(upkeep, ids, timeout)
        self._entered = False

    # Who we are.

    @property
    def connection_id(self) -> str:
        """The id of the connection; while there is none, of the last.

        A recovery keeps it.

        Raises:
            ClosedError: There was none yet.
        """
        return self._online().connection_id

    @property
    def user_id(self) -> str | None:
        """The user the token names; None for an anonymous one.

        Raises:
            ClosedError: There was no connection yet.
        """
        return self._online().user_id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        session = self._upkeep.current.session
        return session is not None and not session.ended.done()

    @property
    def groups(self) -> frozenset[str]:
        """The groups joined through this client, which it joins again by itself."""
        return frozenset(self._upkeep.groups)

    # What arrives.

    def messages(self) -> Inbox[Message]:
        """Give an iterator over the messages that arrive from now on.

        Each has every message. The first one made also has those that have arrived
        before. It ends when the client is closed; it raises MessagesLost when it was
        not read in time, and can be read on; it raises ClosedError when the client
        has ended because it was refused.
        """
        return self._delivery.inboxes.new()

    async def next(self, timeout: float | None = None) -> Message:  # noqa: ASYNC109 - shorter for callers
        """Wait for one message of those that nobody has taken by ``next``.

        Args:
            timeout: Seconds to wait; None for no limit.

        Raises:
            DeadlineError: None came in time.
            MessagesLost: Some were dropped before; the next call goes on.
            ClosedError: The client is closed, and there are no more.
        """
        return await self._delivery.inboxes.own.next(timeout)

    def states(self) -> Inbox[State]:
        """Give an iterator over what happens to the connection.

        It begins with what is the case: ``Online`` or ``Offline``. It ends as
        ``messages`` does.
        """
        return self._upkeep.states.new()

    # Beginning and end.

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            RefusedError: The gateway's answer was an HTTP status.
            ConnectError: There is no connection for another reason.
            DeadlineError: It took too long.
            ProtocolError: What is there does not speak the subprotocol.
        """
        if self._entered:
            raise RuntimeError("a client connects once: make another")
        self._entered = True
        await self._upkeep.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - shorter for callers
        """Close the connection for good; harmless when it is closed.

        Args:
            timeout: Seconds to wait for the gateway's goodbye before hanging up.
        """
        await self._upkeep.close(timeout)

    def abort(self) -> None:
        """Cut the connection for good, at once: the gateway is told, not awaited."""
        self._upkeep.abort()

    def __repr__(self) -> str:
        online = self._upkeep.states.last
        name = "new" if online is None else online.connection_id
        return f"<WebPubSubClient {name}>"

    def _online(self) -> Online:
        online = self._upkeep.states.last
        if online is None:
            raise ClosedError("the client was never connected")
        return online
