"""A WebSocket handshake request, and what can be read off any of them.

Pure. Which token counts, which origins and subprotocols: the same for clients and
servers (client protocols, order of checks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from hubbub.actors.messages.events import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.transport.settings import HubSettings, Settings


class Handshake(msgspec.Struct, frozen=True):
    """A handshake request: target as sent, headers in order and spelling, origin side.

    ``secure`` tells whether it came over TLS.
    """

    target: str
    headers: tuple[tuple[str, str], ...]
    secure: bool = False
    certificates: tuple[Certificate, ...] = ()

    def values(self, name: str) -> list[str]:
        """Give the values of a header, by lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]


def token_of(handshake: Handshake, query: dict[str, list[str]]) -> str | None:
    """Find the token; the query wins over the header."""
    for token in query.get("access_token", ()):
        if token:
            return token
    for value in handshake.values("authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


def endpoints_of(handshake: Handshake, settings: Settings) -> Sequence[str]:
    """Give the URLs that this service goes by; without settings, the request's Host."""
    if settings.endpoints:
        return settings.endpoints
    scheme = "https" if handshake.secure else "http"
    return [f"{scheme}://{host}" for host in handshake.values("host")]


def origin_allowed(
    handshake: Handshake, settings: Settings, hub_settings: HubSettings
) -> bool:
    """Check a browser's Origin against the allow-list (cross-site hijacking).

    The service's own origin is no other site, and its own Python client sends it.
    """
    if "*" in hub_settings.origins:
        return True
    own = endpoints_of(handshake, settings)
    allowed = {_origin(url) for url in (*hub_settings.origins, *own)}
    return all(_origin(value) in allowed for value in handshake.values("origin"))


def _origin(url: str) -> str:
    """Reduce a URL to scheme, host and port, as browsers write an origin."""
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port
    except ValueError:
        return ""
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if port == {"http": 80, "https": 443}.get(scheme):
        port = None
    return f"{scheme}://{parts.hostname}" + ("" if port is None else f":{port}")


def offered(handshake: Handshake) -> tuple[str, ...]:
    """Give the subprotocols a handshake offers, in its order and spelling."""
    return tuple(
        name.strip()
        for value in handshake.values("sec-websocket-protocol")
        for name in value.split(",")
        if name.strip()
    )
