"""The handshake of one WebSocket: from the upgrade request to an open session.

Admission and negotiation are asked, the gateway decides; this turns their verdicts
into HTTP answers.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as HttpRequest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from hubbub.actors.messages import requests
from hubbub.actors.messages.events import Reject
from hubbub.transport import admission, server_admission
from hubbub.transport.handshake import offered
from hubbub.transport.outlet import PatientOutlet, SocketOutlet
from hubbub.transport.server_admission import ServerAdmission
from hubbub.transport.session import Session
from hubbub.transport.subprotocols import SIMPLE, Agreed
from hubbub.transport.terms import Terms

if TYPE_CHECKING:
    from websockets.http11 import Response

    from hubbub.actors.messages.requests import Request
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Socket
    from hubbub.transport.front import Front
    from hubbub.transport.handshake import Handshake

_Admitted: TypeAlias = admission.Admission | admission.Return | ServerAdmission

logger = logging.getLogger(__name__)
_quiet = logging.getLogger("hubbub.websockets")
_quiet.setLevel(logging.WARNING)  # our own records name the connection

_UPGRADED = HTTPStatus.SWITCHING_PROTOCOLS
_RETRY_AFTER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

# Without context takeover a compressed frame can be shared by all recipients, and an
# idle connection keeps no window in memory (RFC 7692 7.1.1).
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
)


class Door(asyncio.Protocol):
    """Someone at the door; reading is paused until they are let in."""

    def __init__(self, front: Front, transport: asyncio.Transport) -> None:
        self._front = front
        self._transport = transport
        extensions = [_DEFLATE] if front.live.settings.compression else None
        self._handshake = ServerProtocol(extensions=extensions, logger=_quiet)
        self._response: Response | None = None
        self._admission: _Admitted | None = None
        self._offered: tuple[str, ...] = ()
        self._connection: Ref[Any] | None = None
        self._early = b""
        self._impatient = False
        self._gone = False
        peer = transport.get_extra_info("peername")
        self._label = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"

    def open(self, handshake: Handshake, early: bytes) -> None:
        """Check an upgrade request and let the gateway decide.

        Args:
            handshake: The request.
            early: Bytes that came behind the request in the same packet.
        """
        self._transport.pause_reading()
        self._early = early
        self._impatient = _answers_are_lost_on(handshake)
        headers = Headers()
        for name, value in handshake.headers:
            headers[name] = value
        response = self._handshake.accept(HttpRequest(handshake.target, headers))
        if response.status_code != _UPGRADED:
            self.reject(400, "This is not a valid WebSocket handshake.")
            return
        self._response = response
        front = self._front
        settings = front.live.settings
        if front.stats.open >= settings.limits.connections:
            self.reject(429, "The gateway has no room for another connection.")
            return
        for_servers = server_admission.stands_there(handshake.target)
        admit = server_admission.admit if for_servers else admission.admit
        match admit(handshake, settings, front.clock()):
            case Reject(status=status, reason=reason):
                self.reject(status, reason)
            case admission.LostSession(reason=reason):
                self._offered = offered(handshake)
                self.lose(reason)
            case (
                admission.Admission() | admission.Return() | ServerAdmission()
            ) as admitted:
                self._offered = offered(handshake)
                self._admission = admitted
                front.gateway.post(admitted.knock(self))

    def attach(self, connection: Ref[Any], label: str) -> None:
        """Learn where requests will go."""
        self._connection = connection
        self._label = f"{label} from {self._label}"
        if self._gone:
            connection.post(_LEFT)

    def accept(self, subprotocol: str | None) -> Socket | Reject:
        """Finish the handshake with the negotiated subprotocol."""
        admitted = self._admission
        if self._gone or admitted is None:
            return Reject(500, "The client left during the handshake.")
        agreed = admitted.agree(subprotocol)
        if isinstance(agreed, Reject):
            return agreed
        interval = admitted.settings.keep_alive
        if interval is None:
            interval = self._front.live.settings.keep_alive
        session = self._let_in(self._terms(agreed, admitted))
        session.begin(interval, self._early)
        self._front.stats.recovered += isinstance(admitted, admission.Return)
        return session

    def reject(self, status: int, reason: str) -> None:
        """Refuse the handshake."""
        if self._gone:
            return
        self._gone = True
        self._front.stats.refused[status] += 1
        logger.info("refused %s: %d %s", self._label, status, reason)
        body = f"{reason}\n".encode()
        self._transport.write(_head(status, len(body)) + body)
        self._transport.close()

    def lose(self, reason: str) -> None:
        """Tell a client that there is no session to recover: 101, then 1008.

        An HTTP error would mean "try again" to every official client (client
        protocols, recovery answer).
        """
        if self._gone:
            return
        self._front.stats.lost += 1
        name = self._offered[0] if self._offered else None
        limits = self._front.live.settings.limits
        session = self._let_in(Terms(Agreed(name, SIMPLE, _nothing), limits))
        session.begin(self._front.live.settings.keep_alive, b"")
        session.close(1008, f"The connection could not be recovered. {reason}")

    @property
    def label(self) -> str:
        """Who stands here, or has come in here: hub, id and address."""
        return self._label

    @property
    def is_open(self) -> bool:
        """Whether the socket is still there."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """Cut the socket without a word, whoever uses it by now."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the client did not wait (asyncio's protocol)."""
        del exc
        if not self._gone and self._connection is not None:
            self._connection.post(_LEFT)
        self._gone = True

    def _terms(self, agreed: Agreed, admitted: _Admitted) -> Terms:
        limits = self._front.live.settings.limits
        if isinstance(admitted, ServerAdmission):
            return Terms(agreed, limits.of_servers(), is_server=True)
        return Terms(agreed, limits, PatientOutlet if self._impatient else SocketOutlet)

    def _let_in(self, terms: Terms) -> Session:
        """Answer 101 and hand the transport to a session."""
        response = self._response
        if response is None:
            raise AssertionError("let in before the handshake was checked")
        if terms.agreed.name is not None:
            response.headers["Sec-WebSocket-Protocol"] = terms.agreed.name
        # A fresh one: the first still waits to parse the request that we had parsed.
        protocol = ServerProtocol(
            state=OPEN,
            max_size=terms.limits.message_size,
            logger=_quiet,
        )
        protocol.extensions = self._handshake.extensions
        session = Session(
            self._front,
            self._transport,
            protocol,
            terms,
            self._connection,
            self._label,
        )
        session.outlet.append(response.serialize(), 0)
        self._transport.set_protocol(session)
        self._gone = True  # nobody stands here any more
        return session


_LEFT = requests.SocketClosed(1006, "the client left during the handshake")


def _answers_are_lost_on(handshake: Handshake) -> bool:
    """Recognise the sync Python client; the aio one sends no Origin, and waits well."""
    agents = handshake.values("user-agent")
    return bool(handshake.values("origin")) and any(
        agent.startswith("azsdk-python-webpubsub-client") for agent in agents
    )


def _nothing(data: bytes, text: bool) -> Request:
    """Read the frames of a client that is being sent away."""
    del data, text
    return requests.Ping()


def _head(status: int, length: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Refused"
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {length}",
        "Connection: close",
    ]
    if status == HTTPStatus.UNAUTHORIZED:
        lines.append("WWW-Authenticate: Bearer")
    if status in _RETRY_AFTER:
        lines.append("Retry-After: 1")
    return "\r\n".join([*lines, "", ""]).encode()
