"""One connection of a server: from an open socket to its end.

Frames that are ready in the same round of the loop leave in as few writes. Matches
results with requests. Does not know that another connection may follow.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from websockets.exceptions import ConnectionClosed, InvalidState

from hubbub.sdk.closing import why
from hubbub.sdk.errors import AckError, ConnectionLost, ProtocolError
from hubbub.sdk.server import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.server.connection import ServerSocket
    from hubbub.sdk.server.dialing import ServerDialer

logger = logging.getLogger(__name__)

Value: TypeAlias = bool | frames.Page | None
"""What a request is answered with."""

Reply: TypeAlias = "asyncio.Future[frames.Result | frames.Error | None]"
"""The answer to a request; None when the connection ended before it came."""

_BUFFER: Final = 64 << 10
"""Bytes in the socket's buffer at which writing waits until it takes more."""
_ENOUGH: Final = 4 << 20
"""Bytes waiting to be sent at which new requests wait."""
_GARBAGE: Final = 1002
"""The close code for a peer that breaks the protocol (RFC 6455 7.4.1)."""
_BROKEN: Final = 1011
"""The close code for our own mistakes."""


class Session:
    """A socket with requests under way.

    Args:
        socket: An open socket.
        dialer: Knows how frames are written, and how large they may be.
        take: Takes what is no answer to a request; what it raises as ProtocolError
            ends the connection.
    """

    def __init__(
        self,
        socket: ServerSocket,
        dialer: ServerDialer,
        take: Callable[[Session, frames.Frame, Payload | None], None],
    ) -> None:
        self._socket = socket
        self._codec = dialer.codec
        self._largest = dialer.largest
        self._take = take
        self._code = 1000
        self._closing = False
        self._last_id = 0
        self._asked: dict[int, Reply] = {}
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._flushing = False
        self._room = asyncio.Event()
        self._room.set()
        self._written = asyncio.Event()
        self._written.set()
        self._loop = loop = asyncio.get_running_loop()
        self.welcome: asyncio.Future[frames.Welcome | None] = loop.create_future()
        """Who we are; None when the connection ended before it was said."""
        self.ended: asyncio.Future[str] = loop.create_future()
        """Why the connection has ended."""
        self._watching = loop.create_task(self._watch())
        self._writing: asyncio.Task[None] | None = None
        socket.hear(self._hear)

    # Out.

    def send(self, frame: frames.Map, payload: Payload | None = None) -> None:
        """Send a frame soon; nothing happens when the connection has ended.

        Raises:
            ValueError: It cannot be written, or it is too large.
        """
        if self.ended.done():
            return
        data = self._codec.encode(frame, payload)
        if len(data) > self._largest:
            raise ValueError(
                f"a frame of {len(data)} bytes is more than the {self._largest} that "
                "the gateway takes"
            )
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        if not self._flushing:
            self._flushing = True
            self._written.clear()
            self._loop.call_soon(self._flush)
        if self._outgoing_bytes > _ENOUGH:
            self._room.clear()

    def request(self, frame: frames.Map, payload: Payload | None = None) -> Reply:
        """Send a request soon; its answer follows."""
        reply: Reply = self._loop.create_future()
        self._last_id = number = self._last_id + 1
        frame["id"] = number
        self.send(frame, payload)
        if self.ended.done():
            reply.set_result(None)
        else:
            self._asked[number] = reply
            reply.add_done_callback(lambda _: self._asked.pop(number, None))
        return reply

    async def ask(self, frame: frames.Map, payload: Payload | None = None) -> Value:
        """Send a request and wait for its answer.

        Raises:
            AckError: The answer is no.
            ConnectionLost: The connection ended before the answer came.
        """
        while not self._room.is_set():
            await self._room.wait()  # which lets everybody go on at the same time
        return self.value(await self.request(frame, payload))

    def value(self, answer: frames.Result | frames.Error | None) -> Value:
        """Read the answer to a request.

        Raises:
            AckError: It is no.
            ConnectionLost: There was none.
        """
        match answer:
            case frames.Result(value=value):
                return value
            case frames.Error(name=name, message=message):
                raise AckError(name, message)
            case None:
                raise ConnectionLost(self.ended.result())

    def _flush(self) -> None:
        """Write what this round has brought, in one call if the socket takes it."""
        transport = self._socket.transport
        if self.ended.done() or transport.is_closing():
            return  # the end is known, or about to be
        if transport.get_write_buffer_size() > _BUFFER:
            self._writing = self._loop.create_task(self._write())
            return
        try:
            self._put(self._outgoing)
        except InvalidState:
            return  # as above
        transport.write(b"".join(self._socket.protocol.data_to_send()))
        self._flushed()

    async def _write(self) -> None:
        """Write as the socket takes it."""
        try:
            while self._outgoing:
                *several, last = self._outgoing
                self._outgoing, self._outgoing_bytes = [], 0
                self._put(several)
                await self._socket.send(last, text=self._codec.text)
        except (ConnectionClosed, InvalidState):
            return  # as above
        self._flushed()

    def _put(self, batch: list[bytes]) -> None:
        protocol = self._socket.protocol
        put = protocol.send_text if self._codec.text else protocol.send_binary
        for data in batch:
            put(data)

    def _flushed(self) -> None:
        self._outgoing, self._outgoing_bytes, self._flushing = [], 0, False
        self._room.set()
        self._written.set()

    # In.

    async def _watch(self) -> None:
        """Wait for the end."""
        reason = "the server was closed"
        try:
            await self._socket.recv()  # gives nothing: messages go to _hear
        except ConnectionClosed as closed:
            if not self._closing:
                reason = why(closed)
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._end(reason)

    def _hear(self, data: bytes) -> None:
        if self.ended.done():
            return
        try:
            arrival = self._codec.decode(data)
            if arrival is not None:
                self._arrived(*arrival)
        except ProtocolError as error:
            self._break(_GARBAGE, str(error))
        except Exception as error:
            logger.exception("a frame could not be handled")
            kind = type(error).__name__
            self._break(_BROKEN, f"a frame could not be handled: {kind}")

    def _break(self, code: int, reason: str) -> None:
        """End the connection, as whatever comes now makes no sense."""
        self._code = code
        self._end(reason)

    def _arrived(self, frame: frames.Frame, payload: Payload | None) -> None:
        match frame:
            case frames.Result(id=number) | frames.Error(id=int(number)):
                reply = self._asked.get(number)
                if reply is not None and not reply.done():
                    reply.set_result(frame)
            case frames.Welcome():
                if not self.welcome.done():
                    self.welcome.set_result(frame)
            case _:
                self._take(self, frame, payload)

    # The end.

    async def close(self, seconds: float) -> None:
        """Close politely, but in time; when cancelled, at once."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._written.wait()
                await self._socket.close(self._code)
                await asyncio.wait([self._watching])
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the socket; harmless when it is closed."""
        self._socket.transport.abort()

    def _end(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        if self._writing is not None:
            self._writing.cancel()
        self._outgoing.clear()
        self._room.set()
        self._written.set()
        if not self.welcome.done():
            self.welcome.set_result(None)
        for reply in tuple(self._asked.values()):
            if not reply.done():
                reply.set_result(None)
