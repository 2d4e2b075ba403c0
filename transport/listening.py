"""The port that a gateway serves, and the URLs under which it is known."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from hubbub.transport.config_mesh_rules import is_loopback

if TYPE_CHECKING:
    from hubbub.transport.settings import Settings

_ANY_HOST = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


class PortError(Exception):
    """The port cannot be opened; the text says why, for people."""


def take_port(settings: Settings) -> socket.socket:
    """Bind the port of a gateway, for this process alone.

    Raises:
        PortError: It cannot be had.
    """
    try:
        return _bound(settings.host, settings.port, socket.SO_REUSEADDR)
    except OSError as error:
        raise _refusal(settings, error) from error


def reserve_port(settings: Settings) -> socket.socket:
    """Bind the port for workers to share; as nobody listens here, nothing arrives.

    Raises:
        PortError: It cannot be had.
    """
    try:
        # Alone at first: who listens there already must not become one of ours.
        _bound(settings.host, settings.port, socket.SO_REUSEADDR).close()
        return _bound(
            settings.host, settings.port, socket.SO_REUSEADDR, socket.SO_REUSEPORT
        )
    except OSError as error:
        raise _refusal(settings, error) from error


def share_port(settings: Settings) -> socket.socket:
    """Bind a port that is reserved, beside the other workers.

    Raises:
        PortError: It cannot be had.
    """
    try:
        return _bound(
            settings.host, settings.port, socket.SO_REUSEADDR, socket.SO_REUSEPORT
        )
    except OSError as error:
        raise _refusal(settings, error) from error


def _bound(host: str, port: int, *options: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(settings: Settings, error: OSError) -> PortError:
    return PortError(
        f"cannot listen on {settings.host} port {settings.port}: "
        f"{error.strerror or error}; is another gateway running?"
    )


def public_endpoint(settings: Settings, port: int) -> str:
    """Give the URL that stands in connection strings."""
    endpoints = with_endpoints(settings, port).endpoints
    return endpoints[0] if endpoints else f"http://127.0.0.1:{port}"


def with_endpoints(settings: Settings, port: int) -> Settings:
    """Fill in the endpoints: where we listen, and the other names of loopback.

    Tokens name their audience; on loopback 127.0.0.1 and localhost are the same to a
    person, so they are to us. A gateway that listens everywhere and was not told its
    name has none: then the request's own Host counts.
    """
    endpoints = list(settings.endpoints)
    if not endpoints and settings.host not in _ANY_HOST:
        scheme = "https" if settings.tls_cert else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        endpoints = [f"{scheme}://{host}:{port}"]
    for url in tuple(endpoints):
        parts = urlsplit(url)
        if parts.hostname is not None and is_loopback(parts.hostname):
            tail = f":{parts.port}" if parts.port else ""
            for host in ("127.0.0.1", "localhost", "[::1]"):
                alias = f"{parts.scheme}://{host}{tail}{parts.path}"
                if alias not in endpoints:
                    endpoints.append(alias)
    return msgspec.structs.replace(settings, port=port, endpoints=tuple(endpoints))
