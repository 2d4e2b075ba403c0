"""What the settings of a mesh must be as a whole, beyond what a key can check alone.

Which addresses need a secret, and when a gateway must be told its own.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.config_mesh import ANY_HOST

if TYPE_CHECKING:
    from hubbub.transport.settings import Settings

MOST_PORT = 65_535


def uses_mesh(settings: Settings) -> bool:
    """Tell whether there is any other gateway to reckon with."""
    return bool(
        settings.peers
        or settings.peer_listen
        or settings.discover
        or settings.workers > 1
    )


def is_local(endpoint: str) -> bool:
    """Tell whether an endpoint is of this machine alone, without asking a server."""
    parts = urlsplit(endpoint)
    return parts.scheme == "ipc" or is_loopback(parts.hostname or "")


def is_everywhere(endpoint: str) -> bool:
    """Tell whether an endpoint is every address of the machine."""
    parts = urlsplit(endpoint)
    return parts.scheme == "tcp" and parts.hostname in ANY_HOST


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host, without asking a name server."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_mesh(settings: Settings) -> None:
    """Check the settings of a mesh as a whole.

    Raises:
        ConfigurationError: They cannot work together; the text says what to set.
    """
    others = [*settings.peers, *([settings.discover] if settings.discover else ())]
    far = next((place for place in others if not is_local(place)), None)
    listen = settings.peer_listen
    if listen is None:
        _check_silent(settings, far)
        return
    if settings.peer_endpoint is None:
        _check_reachable(listen, far)
    elif (urlsplit(listen).scheme == "ipc") != (
        urlsplit(settings.peer_endpoint).scheme == "ipc"
    ):
        raise ConfigurationError(
            f"peer_endpoint is {settings.peer_endpoint}, but peer_listen is {listen}: "
            "both must be tcp, or both ipc"
        )
    _check_ports(settings)
    public = next(
        (
            place
            for place in (listen, settings.peer_endpoint, *others)
            if place and not is_local(place)
        ),
        None,
    )
    if public is not None and settings.cluster_secret is None:
        raise ConfigurationError(
            f"{public} is not of this machine alone, so gateways must have a secret "
            "in common: `hubbub secret FILE` makes one; give it to all of them "
            "(HUBBUB_CLUSTER_SECRET, cluster_secret in hubbub.toml or "
            "--cluster-secret), or stay on 127.0.0.1"
        )


def _check_silent(settings: Settings, far: str | None) -> None:
    """Check a gateway that was not told where to listen for others."""
    if settings.peer_endpoint is not None:
        raise ConfigurationError(
            "peer_endpoint is set, but peer_listen is not: say where to listen, "
            "as peer_listen = 'tcp://0.0.0.0:7000'"
        )
    if far is not None:
        raise ConfigurationError(
            f"{far} is on another machine and must reach this gateway too: say where "
            "it listens (HUBBUB_PEER_LISTEN, peer_listen in hubbub.toml or "
            "--peer-listen), as tcp://0.0.0.0:7000"
        )


def _check_reachable(listen: str, far: str | None) -> None:
    """Check that what we listen at is something that others can dial."""
    if is_everywhere(listen):
        port = urlsplit(listen).port
        raise ConfigurationError(
            f"peer_listen is {listen}, every address of this machine, but others must "
            "be told one of them: set HUBBUB_PEER_ENDPOINT, peer_endpoint in "
            f"hubbub.toml or --peer-endpoint, as tcp://10.0.0.7:{port} (in Kubernetes "
            f"tcp://$(POD_IP):{port})"
        )
    if far is not None and is_local(listen):
        raise ConfigurationError(
            f"peer_listen is {listen}, where {far} cannot reach this gateway: listen "
            "at an address that other machines see, as tcp://0.0.0.0:7000"
        )


def _check_ports(settings: Settings) -> None:
    """Check that every worker's port is one: each takes the next."""
    for key in ("peer_listen", "peer_endpoint"):
        place = getattr(settings, key)
        port = urlsplit(place).port if place is not None else None
        if port is not None and port + settings.workers - 1 > MOST_PORT:
            raise ConfigurationError(
                f"{key} is {place}, but workers is {settings.workers}: the last "
                f"worker's port would be above {MOST_PORT}"
            )
