"""What the settings of a mesh may be: a reader for each, as in ``config_values``.

Their rules as a whole are in ``config_mesh_rules``.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hubbub.transport.cluster_secret import (
    ClusterSecretError,
    parse_secret,
    read_secret_text,
)
from hubbub.transport.config_values import MisfitError, expected, text
from hubbub.transport.settings import Secret

MOST_WORKERS = 256
LONGEST_PATH = 100
"""Bytes of an ipc path: 107 is what the system takes, and workers need a suffix."""

_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_.:%-]+")
ANY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_LISTENING_HOSTS = {"*": "0.0.0.0", "localhost": "127.0.0.1"}  # noqa: S104 - a choice

_PEER = "an endpoint as tcp://10.0.0.7:7000 or ipc:///run/hubbub/a.sock"
_LISTEN = "an endpoint as tcp://0.0.0.0:7000 or ipc:///run/hubbub/a.sock"
_DISCOVER = "a name and a port as dns://hubbub-peers.default.svc:7000"


def peer(value: object) -> str:
    """Read where another gateway may be."""
    endpoint = _endpoint(value, _PEER)
    if urlsplit(endpoint).port == 0:
        raise expected(_PEER, value)
    return endpoint


def own_endpoint(value: object) -> str:
    """Read what other gateways are told to dial; port 0 stands for the real one."""
    return _endpoint(value, _PEER)


def listening(value: object) -> str:
    """Read where to listen for other gateways: an address, as no name is one."""
    parts = _split(value, _LISTEN)
    if parts.scheme == "ipc":
        return _endpoint(value, _LISTEN)
    host = _LISTENING_HOSTS.get(parts.hostname or "", parts.hostname or "")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise expected(_LISTEN, value) from None
    if parts.scheme != "tcp" or parts.port is None or parts.path:
        raise expected(_LISTEN, value)
    return f"tcp://{_bracketed(str(address))}:{parts.port}"


def discovery(value: object) -> str:
    """Read a name whose addresses are those of gateways."""
    parts = _split(value, _DISCOVER)
    host = parts.hostname or ""
    if parts.scheme != "dns" or parts.path or not parts.port:
        raise expected(_DISCOVER, value)
    if not _HOST.fullmatch(host):
        raise expected(_DISCOVER, value)
    return f"dns://{_bracketed(host)}:{parts.port}"


def cluster(value: object) -> str:
    """Read the name that the gateways of a service have in common."""
    if isinstance(value, str) and _CLUSTER.fullmatch(value):
        return value
    raise expected("a name of up to 64 letters, digits, _ . and -", value)


def secret(value: object) -> Secret:
    """Read the content of a secret's file; it is never part of an error."""
    if not isinstance(value, str):
        raise MisfitError(
            'expected the path of a file, { env = "NAME" } or { file = "path" }'
        )
    try:
        parse_secret(value)
    except ClusterSecretError as error:
        raise MisfitError(str(error)) from error
    return Secret(value)


def secret_file(path: str | Path) -> str:
    """Read the file of a secret.

    Raises:
        MisfitError: It cannot be read, or others can read it; the text says what to do.
    """
    try:
        return read_secret_text(path)
    except ClusterSecretError as error:
        raise MisfitError(str(error)) from error


def workers(value: object) -> int:
    """Read how many processes serve the port; ``auto`` is one for each core."""
    match value:
        case "auto":
            return min(cores(), MOST_WORKERS)
        case int() if not isinstance(value, bool) and 1 <= value <= MOST_WORKERS:
            return value
    raise expected(f'a whole number from 1 to {MOST_WORKERS}, or "auto"', value)


def cores() -> int:
    """Count the cores that this process may use, as a container's limit says too."""
    available = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        allowed = math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # there is no limit, or it says "max"
        return available
    return max(1, min(available, allowed))


def _endpoint(value: object, what: str) -> str:
    parts = _split(value, what)
    if parts.scheme == "ipc":
        return _ipc(parts, what, value)
    host = parts.hostname or ""
    if parts.scheme != "tcp" or parts.port is None or parts.path:
        raise expected(what, value)
    if host in ANY_HOST or host == "*":
        raise MisfitError(
            f"expected {what}: {host} is every address of a machine, not one to dial"
        )
    if not _HOST.fullmatch(host):
        raise expected(what, value)
    return f"tcp://{_bracketed(host)}:{parts.port}"


def _ipc(parts: SplitResult, what: str, value: object) -> str:
    path = parts.path
    if parts.netloc or not path.startswith("/") or path.endswith("/"):
        raise expected(what, value)
    if len(path.encode()) > LONGEST_PATH:
        raise MisfitError(f"expected a path of at most {LONGEST_PATH} bytes")
    return f"ipc://{path}"


def _split(value: object, what: str) -> SplitResult:
    try:
        parts = urlsplit(text(value).strip())
        _ = parts.port  # raises when it is no port
    except (MisfitError, ValueError):
        raise expected(what, value) from None
    if parts.query or parts.fragment or parts.username is not None:
        raise expected(what, value)
    return parts


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
