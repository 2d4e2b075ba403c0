"""Which endpoints a ZeroMQ wire listens at and dials: their form, and what is allowed.

Without a secret there is neither encryption nor a proof of who is there: then a wire
stays on its machine.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from hubbub.transport.configuration import is_loopback

LONGEST_PATH: Final = 107
"""Bytes of a socket's path that the system takes."""

_TCP: Final = re.compile(
    r"tcp://(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[A-Za-z0-9_.-]+):(\d{1,5})"
)
_MOST_PORT: Final = 65_535
_FORMS: Final = "tcp://host:port, tcp://[address]:port or ipc:///path"


class Endpoint(NamedTuple):
    """A place: of tcp with host and port, of ipc with a path."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is of this machine alone, as far as its name tells."""
        return bool(self.path) or is_loopback(self.host)

    @property
    def is_numeric(self) -> bool:
        """Whether there is nothing to look up, neither a name nor an interface."""
        return bool(self.path) or ("%" not in self.host and is_address(self.host))


def parse_endpoint(text: str) -> Endpoint:
    """Read an endpoint.

    Raises:
        ValueError: It has another form; the text says which there are.
    """
    path = text.removeprefix("ipc://")
    if path != text:
        if not path or path[0] in "@*" or "\0" in path or not path.isprintable():
            raise ValueError(f"{text!r} is no endpoint; expected {_FORMS}")
        if len(path.encode()) > LONGEST_PATH:
            raise ValueError(f"the path of {text} has more than {LONGEST_PATH} bytes")
        return Endpoint(text, path=path)
    found = _TCP.fullmatch(text)
    if found is None or int(found[2]) > _MOST_PORT:
        raise ValueError(f"{text!r} is no endpoint; expected {_FORMS}")
    host = found[1].strip("[]")
    if found[1] != host and not is_address(host):
        raise ValueError(f"{text!r} is no endpoint; expected {_FORMS}")
    return Endpoint(text, host=host, port=int(found[2]))


def dialable(text: str, *, secured: bool) -> Endpoint:
    """Read an endpoint that is to be dialed.

    Raises:
        ValueError: It is none, or needs a secret that there is not.
    """
    endpoint = parse_endpoint(text)
    if not endpoint.path and not endpoint.port:
        raise ValueError(f"{text} has no port to dial")
    return _allowed(endpoint, secured=secured)


def bindable(text: str, *, secured: bool) -> Endpoint:
    """Read an endpoint that is to be listened at: an address, not a name.

    Raises:
        ValueError: It is none, or needs a secret that there is not.
    """
    endpoint = parse_endpoint(text)
    if endpoint.host.lower() == "localhost":
        endpoint = Endpoint(text, "127.0.0.1", endpoint.port)
    if not endpoint.is_numeric:
        raise ValueError(
            f"{text} is a name; to listen takes an address of this machine"
        )
    return _allowed(endpoint, secured=secured)


def address(host: str, port: int) -> str:
    """Give what the library is told."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def is_address(host: str) -> bool:
    """Tell whether a host is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _allowed(endpoint: Endpoint, *, secured: bool) -> Endpoint:
    if not secured and not endpoint.is_local:
        raise ValueError(
            f"{endpoint.text} is not of this machine alone, so gateways must have a "
            "secret in common: `hubbub secret FILE` makes one; give it to all of them "
            "(--cluster-secret FILE), or stay on 127.0.0.1"
        )
    return endpoint
