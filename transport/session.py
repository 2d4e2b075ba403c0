"""One WebSocket: from the upgrade request to the closed socket.

Turns bytes into requests for its connection actor and closes into records. Decides
nothing about hubs: admission, negotiation and codecs are asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Opcode
from websockets.http11 import Request as HttpRequest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from hubbub.actors.messages import internal, requests
from hubbub.actors.messages.events import Reject
from hubbub.transport import admission
from hubbub.transport.outlet import SocketOutlet
from hubbub.transport.reader import Control, Reader
from hubbub.transport.subprotocols import codec, negotiate
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.http11 import Response

    from hubbub.actors.messages.requests import Request
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.dispatcher import Dispatcher
    from hubbub.actors.runtime.ports import Outlet
    from hubbub.transport.keepalive import Keepalive
    from hubbub.transport.metrics import Stats
    from hubbub.transport.settings import Live
    from hubbub.transport.subprotocols import Decode

logger = logging.getLogger(__name__)

MESSAGES_PER_TURN = 128
"""Messages read from one socket before others get a turn: a read may bring 30,000."""

_BEHIND, _CONGESTED, _SLICED = 1, 2, 4
"""Reasons to stop reading: this connection's stash, the gateway, a full turn."""

_LINGER = 0.5
"""Seconds to read on after a client broke the protocol, before closing the socket.

Closing at once with unread bytes would reset the connection, and the client would
never see the close frame that says what was wrong.
"""

_MOST_REASON = 123
"""Bytes of a close reason that fit a control frame (RFC 6455 5.5)."""

_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
)


class Front(msgspec.Struct, frozen=True):
    """What the sessions of a gateway share."""

    gateway: Ref[internal.Admit]
    dispatcher: Dispatcher
    live: Live
    stats: Stats
    keepalive: Keepalive
    clock: Callable[[], float] = time.time


class Session(asyncio.Protocol):
    """A socket port for one connection actor."""

    __slots__ = (
        "_accepted",
        "_answering",
        "_closing",
        "_connection",
        "_decode",
        "_expects_pong",
        "_front",
        "_label",
        "_lingering",
        "_offered",
        "_outlet",
        "_paused",
        "_protocol",
        "_reader",
        "_recorded",
        "_response",
        "_settings",
        "_simple_decode",
        "_timer",
        "_transport",
    )

    def __init__(self, front: Front, transport: asyncio.Transport) -> None:
        self._front = front
        self._transport = transport
        limits = front.live.settings.limits
        self._protocol = ServerProtocol(
            max_size=limits.message_size,
            extensions=[_DEFLATE] if front.live.settings.compression else None,
            logger=logger,
        )
        self._reader = Reader(self._protocol, limits.message_size)
        self._response: Response | None = None
        self._settings: admission.HubSettings | None = None
        self._simple_decode: Decode | None = None
        self._decode: Decode | None = None
        self._offered: tuple[str, ...] = ()
        self._outlet: SocketOutlet | None = None
        self._connection: Ref[Request] | None = None
        self._accepted = False
        self._answering = True
        self._closing = False
        self._expects_pong = False
        self._lingering = False
        self._recorded = False
        self._paused = _SLICED  # until the handshake is finished
        self._timer: asyncio.TimerHandle | None = None
        peer = transport.get_extra_info("peername")
        self._label = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"

    # The handshake.

    def open(self, handshake: admission.Handshake, early: bytes) -> None:
        """Check an upgrade request and let the gateway decide.

        Args:
            handshake: The request.
            early: Bytes that came behind the request in the same packet.
        """
        self._transport.pause_reading()
        if early:
            self._reader.feed(early)
        headers = Headers()
        for name, value in handshake.headers:
            headers[name] = value
        response = self._protocol.accept(HttpRequest(handshake.target, headers))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(400, "This is not a valid WebSocket handshake.")
            return
        self._response = response
        settings = self._front.live.settings
        if self._front.stats.open >= settings.limits.connections:
            self._refuse(429, "The gateway has no room for another connection.")
            return
        verdict = admission.admit(handshake, settings, self._front.clock())
        match verdict:
            case Reject(status=status, reason=reason):
                self._refuse(status, reason)
            case admission.LostSession():
                self._lose(handshake)
            case admission.Admission(hub=hub, applicant=applicant):
                self._settings = verdict.settings
                self._simple_decode = verdict.simple_decode
                self._offered = applicant.subprotocols
                self._front.gateway.post(internal.Admit(hub, applicant, self))

    def attach(self, connection: Ref[Request], label: str) -> None:
        """Learn where requests go, and the name of the connection in the log."""
        self._connection = connection
        self._label = f"{label} from {self._label}"
        if self._closing:
            connection.post(requests.SocketClosed(1006, "The client left."))

    def accept(self, subprotocol: str | None) -> Outlet | Reject:
        """Finish the handshake with the negotiated subprotocol."""
        if self._closing or self._response is None or self._simple_decode is None:
            return Reject(500, "The client left during the handshake.")
        agreed = negotiate(self._offered, subprotocol, self._simple_decode)
        if isinstance(agreed, Reject):
            return agreed
        front = self._front
        self._decode = agreed.decode
        self._outlet = outlet = SocketOutlet(
            self._transport,
            codec(agreed.composer, _window_bits(self._protocol)),
            agreed.name,
            front.dispatcher,
            front.live.settings.limits,
            self._too_slow,
        )
        self._send_response(agreed.name)
        self._accepted = True
        front.stats.open += 1
        front.stats.accepted += 1
        interval = front.live.settings.keep_alive
        if self._settings is not None and self._settings.keep_alive is not None:
            interval = self._settings.keep_alive
        front.keepalive.watch(self, interval)
        # Reading begins in a later round, after the connection has entered.
        asyncio.get_running_loop().call_soon(self._unpause, _SLICED)
        return outlet

    def reject(self, status: int, reason: str) -> None:
        """Refuse the handshake."""
        if self._answering and not self._closing:
            self._refuse(status, reason)

    def _refuse(self, status: int, reason: str) -> None:
        self._front.stats.refused[status] += 1
        logger.info("refused %s: %d %s", self._label, status, reason)
        self._answering = False
        self._closing = True
        body = f"{reason}\n".encode()
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Refused"
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n"
        )
        if status == HTTPStatus.UNAUTHORIZED:
            head += "WWW-Authenticate: Bearer\r\n"
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            head += "Retry-After: 1\r\n"
        self._transport.write(f"{head}\r\n".encode() + body)
        self._transport.close()

    def _lose(self, handshake: admission.Handshake) -> None:
        """Tell a client that there is no session to recover: 101, then 1008."""
        offered = handshake.values("sec-websocket-protocol")
        self._send_response(offered[0].split(",")[0].strip() if offered else None)
        self._unpause(_SLICED)
        self.close(1008, "The connection could not be recovered.")

    def _send_response(self, subprotocol: str | None) -> None:
        response = self._response
        if response is None:
            raise AssertionError("accepted before the handshake was checked")
        if subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._protocol.send_response(response)
        self._answering = False
        self._response = None
        self._transport.write(b"".join(self._protocol.data_to_send()))

    # Bytes in.

    def data_received(self, data: bytes) -> None:
        """Read what the socket brings (asyncio's protocol)."""
        if self._lingering:
            return  # a broken stream; read on, so that our close frame is not reset
        self._reader.feed(data)
        if self._paused == 0:
            self._read()

    def _read(self) -> None:
        connection, decode = self._connection, self._decode
        if self._closing:
            self._await_close()
            return
        if connection is None or decode is None:
            return
        messages = self._reader.read(MESSAGES_PER_TURN)
        try:
            for message in messages:
                if type(message) is Control:
                    self._control(message)
                    continue
                data, text = message
                if text and not data.isascii():
                    data.decode()  # a payload is relayed untouched, so check it here
                connection.post(decode(data, text))
        except ProtocolViolation as violation:
            self._break(violation.code, violation.reason)
        except UnicodeDecodeError:
            self._break(1007, "a text message is not valid UTF-8")
        count = len(messages)
        self._front.stats.received += count
        if count == MESSAGES_PER_TURN:
            self._slice()
        dispatcher = self._front.dispatcher
        if dispatcher.congested:
            self._pause(_CONGESTED)
            dispatcher.when_relieved(self._relieved)

    def _control(self, control: Control) -> None:
        protocol = self._protocol
        match control.opcode:
            case Opcode.PONG:
                self._expects_pong = False
            case Opcode.CLOSE:
                close = protocol.close_rcvd
                code = 1005 if close is None else int(close.code)
                self._gone(code, "" if close is None else close.reason)
                self._finish()
            case None:
                close = protocol.close_sent
                code = 1002 if close is None else int(close.code)
                self._break(code, "" if close is None else close.reason)
            case _:
                self._answer()

    def _answer(self) -> None:
        """Send what the library wants to say (a pong)."""
        outlet = self._outlet
        for data in self._protocol.data_to_send():
            if data and outlet is not None:
                outlet.append(data, 0)

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

    def _slice(self) -> None:
        self._pause(_SLICED)
        asyncio.get_running_loop().call_soon(self._unpause, _SLICED)

    def _relieved(self) -> None:
        self._unpause(_CONGESTED)

    def _pause(self, cause: int) -> None:
        if not self._paused and not self._closing:
            self._transport.pause_reading()
        self._paused |= cause

    def _unpause(self, cause: int) -> None:
        if not self._paused & cause:
            return
        self._paused &= ~cause
        if not self._paused and not self._closing:
            self._transport.resume_reading()
            self._read()

    # Bytes out.

    def pause_writing(self) -> None:
        """Hold back: the transport's buffer is full (asyncio's protocol)."""
        if self._outlet is not None:
            self._outlet.block()

    def resume_writing(self) -> None:
        """Write again (asyncio's protocol)."""
        if self._outlet is not None:
            self._outlet.unblock()

    def beat(self) -> bool:
        """Ping, unless the last ping was not answered."""
        if self._closing or not self._accepted:
            return False
        if self._paused & _BEHIND:
            return True  # we do not read, so we cannot have seen a pong
        if self._expects_pong:
            self._abandon(1011, "ping timeout")
            return False
        self._expects_pong = True
        self._protocol.send_ping(b"")
        self._answer()
        return True

    def _too_slow(self) -> None:
        self._front.stats.slow += 1
        self._abandon(1008, "slow client: too many messages wait for it")

    def _abandon(self, code: int, reason: str) -> None:
        """Close without the connection's asking; the outlet may be dead already."""
        if self._closing:
            return
        if self._outlet is not None:
            self._outlet.end()
        self._gone(code, reason)
        self.close(code, reason)

    # The end.

    def close(self, code: int, reason: str) -> None:
        """Flush, then close with a code and a reason; harmless when closed."""
        protocol = self._protocol
        if self._closing and protocol.state is not OPEN:
            return
        self._record(code, reason)
        if protocol.state is OPEN:
            protocol.send_close(code, _short(reason))
        self._finish()

    def _finish(self) -> None:
        """Send the library's last words, then wait a bounded time for the client's."""
        self._closing = True
        last = b"".join(self._protocol.data_to_send())
        outlet = self._outlet
        if outlet is None or outlet.dead:
            self._transport.write(last)
        else:
            outlet.append(last, 0)
            outlet.flush()
        if self._protocol.close_rcvd is not None:
            self._transport.close()
        self._paused = 0
        self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        seconds = self._front.live.settings.limits.close_seconds
        self._timer = loop.call_later(seconds, self._transport.abort)
        if self._protocol.parser_exc is not None:
            self._lingering = True
            loop.call_later(_LINGER, self._transport.close)

    def _await_close(self) -> None:
        """Drop what the client still sends, up to its close frame."""
        for message in self._reader.read(MESSAGES_PER_TURN):
            if type(message) is Control and message.opcode in {Opcode.CLOSE, None}:
                self._transport.close()

    def eof_received(self) -> bool:
        """Let the transport close (asyncio's protocol)."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that the socket is closed (asyncio's protocol)."""
        if self._timer is not None:
            self._timer.cancel()
        if self._outlet is not None:
            self._outlet.end()
        reason = "the connection was lost" if error is None else str(error)
        self._gone(1006, reason)
        self._closing = True
        if self._accepted:
            self._accepted = False
            self._front.stats.open -= 1

    def _gone(self, code: int, reason: str) -> None:
        """Tell the connection, once, that nothing more will come."""
        connection, self._connection = self._connection, None
        self._decode = None
        if connection is not None:
            self._record(code, reason)
            connection.post(requests.SocketClosed(code, reason))

    def _record(self, code: int, reason: str) -> None:
        if not self._recorded:
            self._recorded = True
            self._front.stats.closed[code] += 1
            logger.info("closed %s: %d %s", self._label, code, reason)


def _short(reason: str) -> str:
    return reason.encode()[:_MOST_REASON].decode(errors="ignore")


def _window_bits(protocol: ServerProtocol) -> int | None:
    for extension in protocol.extensions:
        if isinstance(extension, PerMessageDeflate):
            return extension.local_max_window_bits
    return None
