"""One connection of a client: from an open socket to its end.

Matches answers with requests. Does not know that another connection may follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from hubbub.actors.messages import pushes, requests
from hubbub.sdk.client.acknowledging import Acknowledger
from hubbub.sdk.client.protocols import Answer, Numbered, Outcome
from hubbub.sdk.client.questions import Pings, Questions
from hubbub.sdk.closing import why
from hubbub.sdk.errors import AckError, ConnectionLost, ProtocolError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from hubbub.sdk.client.protocols import Arrival, ClientProtocol, Said

_DUPLICATE = "Duplicate"
"""The gateway has carried it out before: what a repeated request hopes for."""

_GOODBYE, _AWAY = 1000, 1001
_GARBAGE = 1002
"""The close code for a peer that breaks the protocol (RFC 6455 7.4.1)."""
_NO_WAY_BACK = 1008
"""The service's close code for a session that is over (client protocols, 3.7)."""


class AckIds:
    """The numbers of one client's requests; none is given twice.

    The gateway takes a number that it knows for a repetition, and does not carry it
    out: so only a request may have it that had it before.
    """

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> int:
        """Give a number that no request has had."""
        self._last += 1
        return self._last

    def again(self, ack_id: int) -> int:
        """Check the number of a request that is repeated.

        Raises:
            ValueError: No request has had it.
        """
        if not 0 < ack_id <= self._last:
            raise ValueError(f"no request had the ack id {ack_id}: leave it out")
        return ack_id


class Ear(Protocol):
    """What hears everything that is no answer."""

    def hear(self, arrival: Arrival) -> None:
        """Take what has come."""

    def last(self) -> int:
        """Give the highest sequence id that has been heard."""


class Session:
    """A socket with requests under way.

    Args:
        connection: An open WebSocket that speaks the subprotocol.
        protocol: The subprotocol.
        ear: Takes what is no answer.
        known: Who we are, for one who comes back to its session: then whatever comes
            first is a welcome, because a service need not say it again.
    """

    def __init__(
        self,
        connection: ClientConnection,
        protocol: ClientProtocol,
        ear: Ear,
        known: pushes.Connected | None = None,
    ) -> None:
        self._socket = connection
        self._protocol = protocol
        self._ear = ear
        self._known = known
        self._closing = self._raves = False
        self._acks: Questions[Answer] = Questions()
        self._outcomes: Questions[Outcome] = Questions()
        self._pings = Pings()
        self._errands: set[asyncio.Task[None]] = set()
        self._acknowledger = Acknowledger(ear.last, self.post)
        loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[pushes.Connected | None] = loop.create_future()
        """Who we are; None when the connection ended before it was said."""
        self.ended: asyncio.Future[str] = loop.create_future()
        """Why the connection has ended."""
        self._reading = loop.create_task(self._read())

    @property
    def final(self) -> bool:
        """Whether nobody need ask for the session again, once this has ended."""
        close = self._socket.protocol.close_rcvd
        return self._raves or (close is not None and close.code == _NO_WAY_BACK)

    # Requests.

    async def send(self, request: Said) -> None:
        """Send a request.

        Raises:
            ConnectionLost: The connection has ended.
            ProtocolError: The subprotocol cannot say it.
        """
        frame = self._protocol.encode(request)
        if self.ended.done():
            raise ConnectionLost(self.ended.result())
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise ConnectionLost(why(closed)) from None

    def post(self, request: Said) -> asyncio.Task[None]:
        """Send a request as soon as the socket takes it; nobody need wait for that."""
        task = asyncio.get_running_loop().create_task(self._post(request))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def ask(self, request: Said, ack_id: int) -> None:
        """Send a request and wait for its answer.

        Raises:
            AckError: The answer is no.
            ConnectionLost: The connection ended before the answer came.
            ProtocolError: The subprotocol cannot say it.
            ValueError: A request with this number is under way.
        """
        if ack_id in self._acks:
            raise ValueError(f"the request {ack_id} is still under way")
        answered = self._acks.ask(ack_id)
        try:
            await self.send(request)
            answer = await answered
        except ConnectionLost as lost:
            raise ConnectionLost(lost.reason, ack_id) from None
        finally:
            self._acks.drop(ack_id)
        if answer is None:
            raise ConnectionLost(self.ended.result(), ack_id)
        if answer.name is not None and answer.name != _DUPLICATE:
            raise AckError(answer.name, answer.message, ack_id)

    async def invoke(self, request: requests.Invoke) -> Outcome:
        """Call a server and wait for its outcome; when cancelled, tell it so.

        Raises:
            ConnectionLost: The connection ended before the outcome came.
            ProtocolError: The subprotocol cannot say it.
        """
        number = request.invocation_id
        answered = self._outcomes.ask(number)
        try:
            await self.send(request)
            outcome = await answered
        except asyncio.CancelledError:
            self.post(requests.CancelInvocation(number))
            raise
        finally:
            self._outcomes.drop(number)
        if outcome is None:
            raise ConnectionLost(self.ended.result())
        return outcome

    async def ping(self) -> None:
        """Wait for a sign of life.

        Raises:
            ConnectionLost: The connection ended before it came.
        """
        answered = self._pings.ask()
        await self.send(requests.Ping())
        if not await answered:
            raise ConnectionLost(self.ended.result())

    def knock(self) -> None:
        """Let the service say anything at all."""
        self._pings.ask()
        self.post(requests.Ping())

    # The end.

    async def close(self, seconds: float, *, for_good: bool = True) -> None:
        """Close politely, but in time; when cancelled, at once.

        Args:
            seconds: How long that may take.
            for_good: Whether nobody comes back for the session.
        """
        self._closing = True
        self._socket.close_timeout = seconds
        code = _GARBAGE if self._raves else _GOODBYE if for_good else _AWAY
        try:
            async with asyncio.timeout(seconds):
                await self._socket.close(code)
                await asyncio.wait([self._reading, *self._errands])
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the socket; harmless when it is closed."""
        transport = self._socket.transport
        try:
            transport.abort()
        except RuntimeError:  # its loop is closed, so nobody else will see to it
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Cut the socket; the service is told that nobody comes back, and not awaited.

        Otherwise it would keep the session for a client that does.
        """
        protocol = self._socket.protocol
        if protocol.state is State.OPEN:
            protocol.send_close(_GOODBYE)
            with contextlib.suppress(RuntimeError):  # its loop may be closed
                self._socket.transport.write(b"".join(protocol.data_to_send()))
        self.abort()

    # Inside.

    async def _post(self, request: Said) -> None:
        with contextlib.suppress(ConnectionLost):  # nobody waits for it
            await self.send(request)

    async def _read(self) -> None:
        reason = "the client was closed"
        try:
            while not self.ended.done():
                arrival = self._protocol.decode(await self._socket.recv())
                if isinstance(arrival, pushes.Disconnected):
                    reason = arrival.message or "the gateway said goodbye"
                    break
                self._take(arrival)
        except ConnectionClosed as closed:
            if not self._closing:
                reason = why(closed)
        except ProtocolError as error:
            reason = str(error)
            self._raves = True
        except asyncio.CancelledError:  # the loop ends, and the client with it
            self.hang_up()
            raise
        finally:
            self._end(reason)

    def _take(self, arrival: Arrival | None) -> None:
        if self._known is not None and not self.welcome.done():
            self.welcome.set_result(self._known)
        match arrival:
            case None:
                pass  # a kind of message that is newer than this client
            case Numbered():
                self._ear.hear(arrival)
                self._acknowledger.owe()
            case Answer(ack_id=ack_id):
                self._acks.answer(ack_id, arrival)
            case Outcome(invocation_id=invocation_id):
                self._outcomes.answer(invocation_id, arrival)
            case pushes.Pong():
                self._pings.answer()
            case pushes.Connected():
                self._ear.hear(arrival)
                if not self.welcome.done():
                    self.welcome.set_result(arrival)
            case _:
                self._ear.hear(arrival)

    def _end(self, reason: str) -> None:
        self.ended.set_result(reason)
        self._acknowledger.stop()
        if not self.welcome.done():
            self.welcome.set_result(None)
        self._acks.end()
        self._outcomes.end()
        self._pings.end()
