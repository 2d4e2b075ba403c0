"""One open WebSocket: bytes to requests, pushes to bytes, closes to records.

Decides nothing about hubs; its connection actor does. Reading stops for three reasons:
the connection is behind, the gateway is, or this socket has had its turn.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.frames import Opcode
from websockets.protocol import OPEN

from hubbub.actors.messages import requests
from hubbub.transport.reader import Control, Reader, window_bits
from hubbub.transport.subprotocols import codec
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire import reconnection
from hubbub.transport.wire.frames import close_of, close_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.server import ServerProtocol

    from hubbub.actors.runtime.address import Ref
    from hubbub.transport.front import Front
    from hubbub.transport.terms import Terms

logger = logging.getLogger(__name__)

MESSAGES_PER_TURN = 128
"""Messages read from one socket before others get a turn: a read may bring 30,000."""

_BEHIND, _CONGESTED, _SLICED = 1, 2, 4
_NORMAL, _POLICY = 1000, 1008

_LINGER = 0.5
"""Seconds to read on after a client broke the protocol, before closing the socket.

Closing at once with unread bytes would reset the connection, and the client would
never see the close frame that says what was wrong.
"""


class Session(asyncio.Protocol):
    """A socket port for the actor of one client or attached server."""

    __slots__ = (
        "_closing",
        "_connection",
        "_decode",
        "_expects_pong",
        "_front",
        "_is_server",
        "_label",
        "_paused",
        "_protocol",
        "_reader",
        "_recorded",
        "_timer",
        "_transport",
        "outlet",
    )

    def __init__(
        self,
        front: Front,
        transport: asyncio.Transport,
        protocol: ServerProtocol,
        terms: Terms,
        connection: Ref[Any] | None,
        label: str,
    ) -> None:
        agreed, limits = terms.agreed, terms.limits
        self._front = front
        self._transport = transport
        self._protocol = protocol
        self._connection = connection
        self._label = label
        self._reader = Reader(protocol, limits.message_size)
        self._decode: Callable[[bytes, bool], Any] | None = agreed.decode
        self._closing = False
        self._expects_pong = False
        self._recorded = False
        self._paused = _SLICED  # until the connection has entered its hub
        self._timer: asyncio.TimerHandle | None = None
        self._is_server = terms.is_server
        self.outlet = terms.outlet(
            transport,
            codec(agreed.composer, window_bits(protocol)),
            agreed.name,
            front.dispatcher,
            limits,
            self._too_slow,
        )

    def begin(self, keep_alive: float, early: bytes) -> None:
        """Read from the next round on, and ping every so many seconds."""
        stats = self._front.stats
        stats.open += 1
        stats.servers += self._is_server
        stats.accepted += 1
        self._front.keepalive.watch(self, keep_alive)
        if early:
            self._reader.feed(early)
        asyncio.get_running_loop().call_soon(self._unpause, _SLICED)

    def token(self, connection_id: str) -> str:
        """Sign a reconnection token for a connection."""
        keys = self._front.live.settings.keys
        return reconnection.sign(keys, connection_id, self._front.clock())

    # Bytes in.

    def data_received(self, data: bytes) -> None:
        """Read what the socket brings (asyncio's protocol)."""
        self._reader.feed(data)
        if not self._paused:
            self._read()

    def _read(self) -> None:
        connection, decode = self._connection, self._decode
        if self._closing:
            self._await_close()
            return
        if connection is None or decode is None:
            self._reader.drop()
            return
        messages = self._reader.read(MESSAGES_PER_TURN)
        received = 0
        try:
            for message in messages:
                if isinstance(message, Control):
                    self._control(message)
                    continue
                data, text = message
                received += 1
                if text and not data.isascii():
                    data.decode()  # a payload is relayed untouched, so check it here
                connection.post(decode(data, text))
        except ProtocolViolation as violation:
            self._break(violation.code, violation.reason)
        except UnicodeDecodeError:
            self._break(1007, "a text message is not valid UTF-8")
        self._front.stats.received += received
        if len(messages) == MESSAGES_PER_TURN:
            self._pause(_SLICED)
            asyncio.get_running_loop().call_soon(self._unpause, _SLICED)
        dispatcher = self._front.dispatcher
        if dispatcher.congested:
            self._pause(_CONGESTED)
            dispatcher.when_relieved(partial(self._unpause, _CONGESTED))

    def _control(self, control: Control) -> None:
        protocol = self._protocol
        match control.opcode:
            case Opcode.PONG:
                self._expects_pong = False
            case Opcode.CLOSE:
                code, reason = close_of(protocol.close_rcvd, 1005)
                self._gone(code, reason, final=code == _NORMAL)
                self._finish()
            case None:
                self._break(*close_of(protocol.close_sent, 1002))
            case _:
                self.outlet.append(control.answer, 0)

    def _break(self, code: int, reason: str) -> None:
        """Read no more; the connection ends after what came before."""
        self._decode = None
        if self._connection is not None:
            self._connection.post(requests.Broken(code, reason))

    # Reading pauses.

    def pause(self) -> None:
        """Stop reading, because the connection is behind."""
        self._pause(_BEHIND)

    def resume(self) -> None:
        """Read again, if nothing else stands against it."""
        self._unpause(_BEHIND)

    def _pause(self, cause: int) -> None:
        if not self._paused and not self._closing:
            self._transport.pause_reading()
        self._paused |= cause

    def _unpause(self, cause: int) -> None:
        if not self._paused & cause:
            return
        self._paused &= ~cause
        if not self._paused:
            self._transport.resume_reading()
            self._read()

    # Bytes out.

    def pause_writing(self) -> None:
        """Hold back: the transport's buffer is full (asyncio's protocol)."""
        self.outlet.block()

    def resume_writing(self) -> None:
        """Write again (asyncio's protocol)."""
        self.outlet.unblock()

    def beat(self) -> bool:
        """Ping, unless the last ping was not answered."""
        if self._closing:
            return False
        if self._paused & _BEHIND:
            return True  # we do not read, so we cannot have seen a pong
        if self._expects_pong:
            self._abandon(1011, "ping timeout: no pong came")
            return False
        self._expects_pong = True
        self._protocol.send_ping(b"")
        self.outlet.append(b"".join(self._protocol.data_to_send()), 0)
        return True

    def _too_slow(self) -> None:
        self._front.stats.slow += 1
        self._abandon(_POLICY, "slow client: too many messages wait for it")

    def _abandon(self, code: int, reason: str) -> None:
        """Close without the connection's asking."""
        self.outlet.end()
        self._gone(code, reason, final=code == _POLICY)
        self.close(code, reason)

    # The end.

    @property
    def gone(self) -> bool:
        """Whether nothing more comes from it."""
        return self._connection is None or self._decode is None

    def displace(self) -> None:
        """Cut the socket, silently: another one has taken its place."""
        self._connection = None
        self._record(1006, "another socket took its place")
        self.outlet.end()
        self._transport.abort()

    def close(self, code: int, reason: str) -> None:
        """Flush, then close with a code and a reason; harmless when closed."""
        protocol = self._protocol
        if self._closing:
            return
        self._record(code, reason)
        if protocol.state is OPEN:
            protocol.send_close(code, close_reason(reason))
        self._finish()

    def _finish(self) -> None:
        """Send the library's last words, then wait a bounded time for the client's."""
        self._closing = True
        last = b"".join(self._protocol.data_to_send())
        if self.outlet.dead:
            self._transport.write(last)
        else:
            self.outlet.append(last, 0)
            self.outlet.seal()
        loop = asyncio.get_running_loop()
        seconds = self._front.live.settings.limits.close_seconds
        self._timer = loop.call_later(seconds, self._transport.abort)
        if self._protocol.close_rcvd is not None:
            self._transport.close()
            return
        if self._protocol.parser_exc is not None:
            loop.call_later(_LINGER, self._transport.close)
        self._paused = 0
        self._transport.resume_reading()

    def _await_close(self) -> None:
        """Drop what the client still sends, up to its close frame."""
        if self._protocol.parser_exc is not None:
            self._reader.drop()
            return
        while messages := self._reader.read(MESSAGES_PER_TURN):
            last = messages[-1]
            if isinstance(last, Control) and last.opcode in {Opcode.CLOSE, None}:
                self._transport.close()
                return

    def eof_received(self) -> bool:
        """Let the transport close (asyncio's protocol)."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the socket is closed (asyncio's protocol)."""
        if self._timer is not None:
            self._timer.cancel()
        self.outlet.end()
        self._gone(1006, "the connection was lost" if exc is None else str(exc))
        self._closing = True
        self._front.stats.open -= 1
        self._front.stats.servers -= self._is_server

    def _gone(self, code: int, reason: str, *, final: bool = False) -> None:
        """Tell the connection, once, that nothing more will come.

        Only a client that says goodbye (1000), or is too slow, gives up its session
        (client protocols, 5.3).
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self._record(code, reason)
            connection.post(requests.SocketClosed(code, reason, final))

    def _record(self, code: int, reason: str) -> None:
        if not self._recorded:
            self._recorded = True
            self._front.stats.closed[code] += 1
            cause = reason or "by the client"
            logger.info("closed %s: %d %s", self._label, code, cause)
