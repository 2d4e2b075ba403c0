"""Opens the socket of a server: signs a token, connects, says what went wrong.

The token travels in a header. Neither it nor the key is in an exception, a log record
or a repr.
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
import time
from typing import Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from hubbub.sdk.errors import ConnectError, ProtocolError
from hubbub.sdk.server.codecs import Codec
from hubbub.sdk.server.connection import ServerSocket
from hubbub.sdk.server.errors import ServerRefusedError
from hubbub.transport.wire.audience import SERVER_PATH, client_audience_url
from hubbub.transport.wire.connection_string import ConnectionString
from hubbub.transport.wire.tokens import mint

LARGEST: Final = 32 << 20
"""Bytes of the largest frame taken."""

_LIFETIME: Final = 300.0
"""Seconds a token is good for: it is made for one attempt."""

_quiet = logging.getLogger("hubbub.sdk.websockets")
_quiet.setLevel(logging.WARNING)  # at debug, the library would log the token


class ServerDialer(msgspec.Struct, frozen=True):
    """What it takes to open the socket of a server."""

    place: ConnectionString
    hub: str
    roles: tuple[str, ...]
    codec: Codec
    largest: int
    """Bytes of the largest frame that the gateway takes."""
    keep_alive: float
    tls: ssl.SSLContext | None

    def __repr__(self) -> str:
        return f"ServerDialer({self.place.endpoint!r}, {self.hub!r})"

    async def open(self) -> ServerSocket:
        """Open a socket that speaks the subprotocol.

        Raises:
            ConnectError: There is none; ServerRefusedError when a status said so.
            ProtocolError: What is there does not speak the subprotocol.
        """
        name = self.codec.name
        audience = client_audience_url(self.place.endpoint, self.hub, SERVER_PATH)
        scheme, rest = audience.split("://", 1)
        secure = scheme == "https"
        try:
            socket = await connect(
                f"{'wss' if secure else 'ws'}://{rest}",
                subprotocols=[Subprotocol(name)],
                additional_headers={"Authorization": f"Bearer {self._token(audience)}"},
                proxy=None if _is_loopback(audience) else True,
                compression=None,
                open_timeout=None,
                ping_interval=self.keep_alive,
                ping_timeout=self.keep_alive,
                max_size=LARGEST,
                create_connection=ServerSocket,
                logger=_quiet,
                ssl=(self.tls or True) if secure else None,
            )
        except InvalidStatus as error:
            raise ServerRefusedError(error.response.status_code) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConnectError(f"cannot connect to {scheme}://{rest}: {why}") from None
        except WebSocketException as error:
            kind = type(error).__name__
            raise ConnectError(
                f"{scheme}://{rest} made no connection: {kind}"
            ) from None
        if socket.subprotocol != name:
            socket.transport.abort()
            raise ProtocolError(f"{scheme}://{rest} does not speak {name}")
        if not isinstance(socket, ServerSocket):
            raise AssertionError("the library made another socket")  # noqa: TRY004
        return socket

    def _token(self, audience: str) -> str:
        return mint(
            self.place.access_key,
            audience=audience,
            now=time.time(),
            lifetime=_LIFETIME,
            roles=self.roles,
        )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
