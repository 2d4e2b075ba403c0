"""Makes the connections of a client: asks for a URL, opens a socket, awaits a welcome.

A connection that recovers a session goes to the address where that began.

The URL holds a token: it is in no exception, no log record and no repr.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from hubbub.actors.messages import pushes
from hubbub.sdk.client.protocols import ClientProtocol
from hubbub.sdk.client.session import Session
from hubbub.sdk.errors import (
    ConnectError,
    DeadlineError,
    ProtocolError,
    RefusedError,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from hubbub.sdk.client.delivery import Delivery

Provider: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A client URL, or what gives a fresh one for each connection."""

_LARGEST = 16 << 20
"""Bytes of the largest message taken, which is base64 of what a client may send."""

_FAREWELL = 1.0
"""Seconds for the close handshake with a gateway that answers no pings."""

_quiet = logging.getLogger("hubbub.sdk.websockets")
_quiet.setLevel(logging.WARNING)  # at debug, the library would log the URL


class Dialer(msgspec.Struct, frozen=True):
    """What it takes to make a connection."""

    url: Provider
    protocol: ClientProtocol
    tls: ssl.SSLContext | None
    seconds: float
    keep_alive: float

    def __repr__(self) -> str:
        return f"Dialer({self.protocol.name})"

    async def dial(self, delivery: Delivery) -> tuple[Session, pushes.Connected]:
        """Make a connection, and a session with it.

        Args:
            delivery: Takes what arrives.

        Returns:
            The connection, and who we are there.

        Raises:
            ConnectError: There is none; RefusedError when a status said so.
            DeadlineError: It took too long.
            ProtocolError: What is there does not speak the subprotocol.
        """
        try:
            async with asyncio.timeout(self.seconds):
                url = delivery.continuity.url = await self._address()
                session, welcome = await self._enter(url, delivery)
        except TimeoutError:
            raise DeadlineError("a connection", self.seconds) from None
        if welcome is None:
            session.abort()
            raise ConnectError(f"not let in: {session.ended.result()}")
        return session, welcome

    async def recover(
        self, delivery: Delivery, seconds: float
    ) -> tuple[Session, pushes.Connected] | str:
        """Make a connection to the session that there was.

        Args:
            delivery: Takes what arrives, and knows the session.
            seconds: How long that may take; not longer than any connection.

        Returns:
            The connection, and who we are there; or why there is no session any more.

        Raises:
            ConnectError: There is no connection, but another attempt may succeed.
            DeadlineError: It took too long.
            ProtocolError: What is there does not speak the subprotocol.
        """
        continuity, seconds = delivery.continuity, min(seconds, self.seconds)
        known = pushes.Connected(continuity.connection_id, continuity.user_id)
        try:
            async with asyncio.timeout(seconds):
                url = continuity.way_back()
                session, welcome = await self._enter(url, delivery, known)
        except TimeoutError:
            raise DeadlineError("a connection", seconds) from None
        if welcome is not None and continuity.connection_id == known.connection_id:
            return session, welcome
        session.abort()
        if welcome is not None:
            return "the service gave another session"
        if session.final:
            return session.ended.result()
        raise ConnectError(f"not let in: {session.ended.result()}")

    async def _enter(
        self, url: str, delivery: Delivery, known: pushes.Connected | None = None
    ) -> tuple[Session, pushes.Connected | None]:
        session = Session(await self._open(url), self.protocol, delivery, known)
        if known is not None:
            session.knock()
        try:
            return session, await session.welcome
        except BaseException:
            # A session of others' is not ended by one attempt that took too long.
            session.hang_up() if known is None else session.abort()
            raise

    async def _address(self) -> str:
        url = self.url if isinstance(self.url, str) else self.url()
        if inspect.isawaitable(url):
            url = await url
        if not isinstance(url, str):
            raise TypeError("the provider of client URLs gave something else")
        return url

    async def _open(self, url: str) -> ClientConnection:
        name = self.protocol.name
        place, secure, local = _read(url)
        try:
            socket = await connect(
                url,
                subprotocols=[Subprotocol(name)],
                proxy=None if local else True,
                open_timeout=None,
                ping_interval=self.keep_alive,
                ping_timeout=self.keep_alive,
                close_timeout=_FAREWELL,
                max_size=_LARGEST,
                logger=_quiet,
                ssl=(self.tls or True) if secure else None,
            )
        except InvalidStatus as error:
            raise RefusedError(error.response.status_code) from None
        except OSError as error:
            why = error.strerror or error
            raise ConnectError(f"cannot connect to {place}: {why}") from error
        except WebSocketException as error:
            kind = type(error).__name__
            raise ConnectError(f"{place} made no connection: {kind}") from None
        if socket.subprotocol != name:
            socket.transport.abort()
            raise ProtocolError(f"{place} does not speak {name}")
        return socket


def _read(url: str) -> tuple[str, bool, bool]:
    """Give what may be said of a URL: host and port; is it secure, is it loopback.

    Raises:
        ConnectError: It is not a WebSocket address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if host is None or parts.scheme not in {"ws", "wss"}:
        raise ConnectError("the client URL is not a ws:// or wss:// address")
    place = host if port is None else f"{host}:{port}"
    return place, parts.scheme == "wss", _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
