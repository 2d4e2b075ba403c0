"""The HTTP side of the one port: uvicorn's protocol, stricter, and the upgrades.

A head must arrive in time and within a size; a body that nobody reads ends the
connection. Upgrades go to a door with the headers already parsed.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hubbub.actors.messages.events import Certificate
from hubbub.transport.door import Door
from hubbub.transport.handshake import Handshake

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from hubbub.transport.front import Front


_LINGER = 0.5
"""Seconds to read on after an answer that did not wait for the body."""


class FrontDoor(HttpToolsProtocol):
    """One TCP connection until it is closed or becomes a WebSocket."""

    def __init__(
        self,
        front: Front,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._front = front
        self.timeout_keep_alive = front.live.settings.limits.idle_seconds  # type: ignore[assignment] # seconds, whole or not
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._lingering = False
        self._head_size = 0
        self._names: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await a request head (asyncio's protocol)."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up (asyncio's protocol)."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what the socket brings (asyncio's protocol)."""
        if self._lingering:
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            if self._deadline is None:
                self._await_head()
            self._head_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(data[upgrade.args[0] :])
            return  # any other upgrade is ignored: an ordinary answer is on its way
        except httptools.HttpParserError:
            if self._head_size > self._front.live.settings.limits.head_size:
                self._turn_away(431, "The request head is too large.")
            else:
                self._turn_away(400, "This is not a valid HTTP request.")
            return
        if (
            self._in_head
            and self._head_size > self._front.live.settings.limits.head_size
        ):
            self._turn_away(431, "The request head is too large.")

    def on_message_begin(self) -> None:
        """Begin a head (httptools' callback)."""
        super().on_message_begin()
        self._in_head = self._in_body = True
        self._names = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the client's spelling; event handlers get to see it."""
        super().on_header(name, value)
        self._names.append(name)

    def on_headers_complete(self) -> None:
        """End a head (httptools' callback).

        Raises:
            ValueError: It is too large; the parser stops.
        """
        self._disarm()
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._head_size = len(self.url) + fields
        if self._head_size > self._front.live.settings.limits.head_size:
            raise ValueError("the request head is too large")
        self._in_head = False
        self._head_size = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request (httptools' callback)."""
        self._in_body = False
        self._in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End a response; a body that is still under way ends the connection.

        Not at once: closing with unread bytes resets the connection, and the client
        might never read the answer that says why.
        """
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._lingering = True
            self.loop.call_later(_LINGER, self.transport.close)

    def _should_upgrade_to_ws(self) -> bool:
        return True  # to a door of ours, not to a protocol class of uvicorn's

    def _await_head(self) -> None:
        seconds = self._front.live.settings.limits.head_seconds
        self._deadline = self.loop.call_later(
            seconds, self._turn_away, 408, "The request head did not arrive in time."
        )

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _turn_away(self, status: int, reason: str) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        self._front.stats.refused[status] += 1
        phrase = {400: "Bad Request", 408: "Request Timeout"}.get(
            status, "Request Header Fields Too Large"
        )
        body = f"{reason}\n".encode()
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _upgrade(self, early: bytes) -> None:
        self._disarm()
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method != b"GET" or version != "1.1":
            self._turn_away(400, "A WebSocket handshake is a GET over HTTP/1.1.")
            return
        self.connections.discard(self)
        secure = self.scheme == "https"
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, (_, value) in zip(self._names, self.headers, strict=True)
        )
        handshake = Handshake(
            self.url.decode("latin-1"),
            headers,
            secure,
            _certificates(self.transport) if secure else (),
        )
        door = Door(self._front, self.transport)
        self.transport.set_protocol(door)
        # This object lives until it is collected: do not keep the head with it.
        self.parser = self.scope = self.headers = None  # type: ignore[assignment]
        self._names = []
        door.open(handshake, early)


def _certificates(transport: asyncio.Transport) -> tuple[Certificate, ...]:
    """Give the client's certificate, where one was asked for and sent."""
    connection = transport.get_extra_info("ssl_object")
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    if not der:
        return ()
    # The service's thumbprint is SHA-1 (event handlers, connect body).
    thumbprint = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    return (Certificate(thumbprint, ssl.DER_cert_to_PEM_cert(der)),)
