"""One connection of a client: from an open socket to its end.

Matches answers with requests. Does not know that another connection may follow.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from hubbub.actors.messages import pushes
from hubbub.sdk.client.protocols import Answer
from hubbub.sdk.closing import why
from hubbub.sdk.errors import AckError, ConnectionLost, ProtocolError
from hubbub.sdk.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from hubbub.sdk.client.protocols import Arrival, ClientProtocol, Said

_DUPLICATE = "Duplicate"
"""The gateway has carried it out before: what a repeated request hopes for."""

_GARBAGE = 1002
"""The close code for a peer that breaks the protocol (RFC 6455 7.4.1)."""


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


class Session:
    """A socket with requests under way.

    Args:
        connection: An open WebSocket that speaks the subprotocol.
        protocol: The subprotocol.
        hear: Takes each message.
    """

    def __init__(
        self,
        connection: ClientConnection,
        protocol: ClientProtocol,
        hear: Callable[[Message], None],
    ) -> None:
        self._socket = connection
        self._protocol = protocol
        self._hear = hear
        self._code = 1000
        self._closing = False
        self._asked: dict[int, asyncio.Future[Answer | None]] = {}
        loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[pushes.Connected | None] = loop.create_future()
        """Who we are; None when the connection ended before it was said."""
        self.ended: asyncio.Future[str] = loop.create_future()
        """Why the connection has ended."""
        self._reading = loop.create_task(self._read())

    async def send(self, request: Said) -> None:
        """Send a request.

        Raises:
            ConnectionLost: The connection has ended.
        """
        frame = self._protocol.encode(request)
        if self.ended.done():
            raise ConnectionLost(self.ended.result())
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise ConnectionLost(why(closed)) from None

    async def ask(self, request: Said, ack_id: int) -> None:
        """Send a request and wait for its answer.

        Raises:
            AckError: The answer is no.
            ConnectionLost: The connection ended before the answer came.
            ValueError: A request with this number is under way.
        """
        if ack_id in self._asked:
            raise ValueError(f"the request {ack_id} is still under way")
        answered: asyncio.Future[Answer | None]
        answered = asyncio.get_running_loop().create_future()
        self._asked[ack_id] = answered
        try:
            await self.send(request)
            answer = await answered
        except ConnectionLost as lost:
            raise ConnectionLost(lost.reason, ack_id) from None
        finally:
            del self._asked[ack_id]
        if answer is None:
            raise ConnectionLost(self.ended.result(), ack_id)
        if answer.name is not None and answer.name != _DUPLICATE:
            raise AckError(answer.name, answer.message, ack_id)

    async def close(self, seconds: float) -> None:
        """Close politely, but in time; when cancelled, at once."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._socket.close(self._code)
                await asyncio.wait([self._reading])
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
            self._code = _GARBAGE
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._end(reason)

    def _take(self, arrival: Arrival | None) -> None:
        match arrival:
            case Message():
                self._hear(arrival)
            case Answer(ack_id=ack_id):
                answered = self._asked.get(ack_id)
                if answered is not None and not answered.done():
                    answered.set_result(arrival)
            case pushes.Connected():
                if not self.welcome.done():
                    self.welcome.set_result(arrival)
            case _:
                pass  # a pong, or a kind of message that is newer than this client

    def _end(self, reason: str) -> None:
        self.ended.set_result(reason)
        if not self.welcome.done():
            self.welcome.set_result(None)
        for answered in self._asked.values():
            if not answered.done():
                answered.set_result(None)
