"""Knows who may call the REST API, and by which of our addresses they reached us.

A caller proves itself by a token for exactly the URL it calls (REST reference,
key-signed tokens). Tokens never reach a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from hubbub.transport.rest_answers import Refused, unauthorized
from hubbub.transport.rest_body import values
from hubbub.transport.wire import audience, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hubbub.transport.rest_paths import Segments
    from hubbub.transport.settings import Live, Settings

_REMEMBERED: Final = 1024
_LONGEST_KEY: Final = 4096
"""Characters of a token that is worth remembering: 4 MB at most, and far less."""


class _Validity(msgspec.Struct, frozen=True):
    """From when until when a token holds, skew included."""

    begins: float
    ends: float


class Callers:
    """Admits callers by their tokens; verifies a token once for each URL.

    JavaScript signs each call anew and Python each second, so servers in a hurry come
    with the same token for the same URL again and again: never a replay. The memory
    is bounded, holds only what was verified, and lasts as long as the settings do, so
    a new key or endpoint starts afresh; the times are checked on every call.
    """

    def __init__(self, live: Live, clock: Callable[[], float]) -> None:
        self._live = live
        self._clock = clock
        self._settings = live.settings
        self._verified: dict[tuple[str, Segments, bytes], _Validity] = {}

    def check(self, scope: Any, segments: Segments) -> None:
        """Let a caller pass.

        Raises:
            Refused: It has no token, or not one for this URL.
        """
        headers = scope["headers"]
        token = _token(values(headers, b"authorization"))
        if token is None:
            raise Refused(unauthorized(None))
        settings = self._live.settings
        if settings is not self._settings:
            self._settings = settings
            self._verified.clear()
        now = self._clock()
        key = (token, segments, b",".join(values(headers, b"host")))
        validity = self._verified.get(key)
        if validity is not None and validity.begins <= now < validity.ends:
            return
        validity = _verify(token, segments, settings, scope, now)
        if len(token) <= _LONGEST_KEY:
            self._remember(key, validity)

    def _remember(self, key: tuple[str, Segments, bytes], validity: _Validity) -> None:
        self._verified[key] = validity
        if len(self._verified) > _REMEMBERED:
            del self._verified[next(iter(self._verified))]


def public_endpoint(scope: Any, settings: Settings) -> str:
    """Give the address of ours that the caller used, without a slash at its end.

    Behind a proxy that is the configured one, the first unless the host says more.
    """
    called = _called(scope)
    if not settings.endpoints:
        return called[0] if called else ""
    hosts = {urlsplit(url).netloc.lower() for url in called}
    for endpoint in settings.endpoints:
        if urlsplit(endpoint).netloc.lower() in hosts:
            return endpoint.rstrip("/")
    return settings.endpoints[0].rstrip("/")


def _called(scope: Any) -> Sequence[str]:
    """Give the address in the request: one Host header, or none is believed."""
    hosts = values(scope["headers"], b"host")
    if len(hosts) != 1:
        return ()
    return (f"{scope['scheme']}://{hosts[0].decode('latin-1')}",)


def _token(authorizations: list[bytes]) -> str | None:
    for value in authorizations:
        scheme, _, token = value.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


def _verify(
    token: str, segments: Segments, settings: Settings, scope: Any, now: float
) -> _Validity:
    endpoints = settings.endpoints or _called(scope)
    check = audience.rest_audience(endpoints, segments)
    try:
        claims = tokens.verify(token, settings.keys, now=now, audience=check)
    except tokens.TokenError as error:
        raise Refused(unauthorized(str(error))) from None
    begins = claims.get("nbf") or 0.0
    return _Validity(begins - tokens.SKEW, claims["exp"] + tokens.SKEW)
