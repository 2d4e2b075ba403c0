"""Tells whether a token is meant for an address, and writes such addresses.

Knows what the official packages put into ``aud`` (service's client protocol reference,
access token; its REST reference, key-signed tokens); knows nothing of signatures.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from typing import Final
from urllib.parse import quote, unquote

CLIENT_PATH: Final = ("client", "hubs")
MQTT_PATH: Final = ("clients", "mqtt", "hubs")
SERVER_PATH: Final = ("server", "hubs")
REST_PATH: Final = ("api", "hubs")

_DEFAULT_PORTS: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}
_URL: Final = re.compile(r"(https?|wss?)://([^/?#]*)([^?#]*)", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@\s]+)(?::([0-9]{0,5}))?")


def audience_matches(
    aud: str,
    *,
    endpoints: Sequence[str],
    segments: Sequence[str],
    fold: Collection[int] = (),
) -> bool:
    """Tell whether an audience is exactly this path at one of these endpoints.

    The service's REST reference, key-signed tokens, rules 3 to 6. The scheme is any
    of http, https, ws and wss, whatever the endpoint's; host and port compare
    case-insensitively, the scheme's default port being none. Query and fragment are
    dropped, as is one trailing slash. Each segment is percent-decoded once and
    compared alone, so neither a shorter nor a longer path will do.

    Args:
        aud: The audience as the token gives it.
        endpoints: Absolute URLs, each perhaps with a base path which its audiences
            must have too. Where none is configured, pass ``http://`` and the
            request's ``Host``.
        segments: The decoded path expected, without the base path.
        fold: The places of the segments that compare case-insensitively.
    """
    address = _address(aud)
    if address is None:
        return False
    host, path = address
    return any(
        host == known
        and path[: len(base)] == base
        and _same(path[len(base) :], segments, fold)
        for known, base in filter(None, map(_endpoint, endpoints))
    )


def client_audience(
    endpoints: Sequence[str],
    hub: str,
    path: Sequence[str] = CLIENT_PATH,
) -> Callable[[str], bool]:
    """Return the check for a hub's clients, `MQTT_PATH`, or servers, `SERVER_PATH`."""
    return partial(
        audience_matches,
        endpoints=endpoints,
        segments=(*path, hub),
        fold=(len(path),),
    )


def rest_audience(
    endpoints: Sequence[str],
    segments: Sequence[str],
) -> Callable[[str], bool]:
    """Return the check for a REST request, of whose path only the hub may differ."""
    fold = (2,) if tuple(segments[:2]) == REST_PATH else ()
    return partial(
        audience_matches,
        endpoints=endpoints,
        segments=segments,
        fold=fold,
    )


def client_audience_url(
    endpoint: str,
    hub: str,
    path: Sequence[str] = CLIENT_PATH,
) -> str:
    """Return the audience of a hub's clients, as the official packages write it."""
    return "/".join((endpoint.rstrip("/"), *path, quote(hub, safe="")))


def client_url(
    endpoint: str,
    hub: str,
    token: str,
    path: Sequence[str] = CLIENT_PATH,
) -> str:
    """Return the WebSocket address a client opens, its token included."""
    scheme, rest = client_audience_url(endpoint, hub, path).split("://", 1)
    secure = scheme.lower() in {"https", "wss"}
    return f"{'wss' if secure else 'ws'}://{rest}?access_token={quote(token, safe='')}"


def _address(url: str) -> tuple[str, tuple[str, ...]] | None:
    """Split into host and port, and the decoded path; None when it is no address."""
    parts = _URL.match(url)
    if parts is None:
        return None
    scheme, authority, path = parts.groups()
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        return None
    host, port = place[1].lower(), place[2]
    if port and port != _DEFAULT_PORTS[scheme.lower()]:
        host = f"{host}:{port}"
    raw = path.removesuffix("/").split("/")[1:]
    try:
        return host, tuple(unquote(segment, errors="strict") for segment in raw)
    except UnicodeDecodeError:
        return None


_endpoint = lru_cache(maxsize=64)(_address)


def _same(
    path: Sequence[str],
    segments: Sequence[str],
    fold: Collection[int],
) -> bool:
    if len(path) != len(segments):
        return False
    return all(
        given == wanted or (place in fold and given.lower() == wanted.lower())
        for place, (given, wanted) in enumerate(zip(path, segments, strict=True))
    )
