"""Mints and verifies the tokens of clients, REST callers and servers.

Knows JSON Web Tokens as the service uses them (its client protocol reference, access
token; its REST reference, key-signed tokens). Knows no settings and no clock: keys,
endpoints and the time are arguments. The words of a `TokenError` are fit for an
answer; they never hold a token or a key.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import jwt
import msgspec

from hubbub.transport.wire.audience import audience_matches, client_url

__all__ = [
    "ClientClaims",
    "Keyring",
    "TokenError",
    "audience_matches",
    "client_claims",
    "client_url",
    "mint",
    "verify",
]

SKEW: Final = 300.0
TOKEN_LIMIT: Final = 64 * 1024
ISSUER: Final = "https://webpubsub.azure.com"

_ALGORITHM: Final = "HS256"
_LAST_TIME: Final = 253_402_300_799.0  # the end of the year 9999
_EXACT: Final = 2**53  # up to here a float holds every integer

_jws: Final = jwt.PyJWS(algorithms=[_ALGORITHM])


class TokenError(Exception):
    """Says in a few public words why a token is refused."""


class Keyring(msgspec.Struct, frozen=True):
    """The access keys; both are valid at all times, so that either can be replaced."""

    primary: str
    secondary: str | None = None

    def all(self) -> tuple[str, ...]:
        """Return the keys in the order in which they are tried."""
        if self.secondary is None:
            return (self.primary,)
        return (self.primary, self.secondary)

    def __repr__(self) -> str:
        return "Keyring(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class ClientClaims(msgspec.Struct, frozen=True):
    """What a client's token says; without arguments, what having no token says.

    The claims are every one of them, as a connect handler sees them.
    """

    user_id: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: dict[str, tuple[str, ...]] = {}


def verify(
    token: str,
    keys: Keyring,
    *,
    now: float,
    audience: Callable[[str], bool],
) -> dict[str, Any]:
    """Return the claims of a token that is genuine, current and meant for us.

    The service's REST reference, key-signed tokens, rules 1 to 3: HS256 alone, and
    that before a key is touched; ``exp`` required, ``nbf`` honoured, five minutes of
    skew; ``aud`` a text or a list of which any element may match. Nothing else is
    required: the official packages set no ``iss``, ``iat`` or ``sub``.

    Raises:
        TokenError: It is not such a token.
    """
    claims = _claims(_payload(token, keys))
    _check_times(claims, now)
    audiences = _texts(claims.get("aud"), "aud")
    if not any(map(audience, audiences)):
        raise TokenError("The token's audience is not this endpoint.")
    return claims


def client_claims(claims: Mapping[str, Any]) -> ClientClaims:
    """Read what a verified client token says.

    The service's client protocol reference, access token: a single text may stand
    for a list, a missing or empty ``sub`` is an anonymous user. For the handler each
    claim becomes a list of texts: numbers in decimal, objects as JSON, null as none.

    Raises:
        TokenError: A claim has the wrong type.
    """
    user = claims.get("sub")
    if user is not None and not isinstance(user, str):
        raise TokenError("The token's claim 'sub' must be a string.")
    return ClientClaims(
        user_id=user or None,
        roles=_texts(claims.get("role"), "role"),
        groups=_texts(claims.get("webpubsub.group"), "webpubsub.group"),
        claims={name: _shown(value) for name, value in claims.items()},
    )


def mint(  # noqa: PLR0913 (a keyword for each claim)
    key: str,
    *,
    audience: str,
    now: float,
    lifetime: float,
    user_id: str | None = None,
    roles: Iterable[str] = (),
    groups: Iterable[str] = (),
    issuer: str | None = None,
) -> str:
    """Sign a token as the official packages do, without claims that would be empty.

    With an issuer it is one of those the service issues itself, which also say from
    when they are valid (client protocol reference, access token).
    """
    claims: dict[str, Any] = {
        "aud": audience,
        "iat": int(now),
        "exp": int(now + lifetime),
    }
    optional = {
        "sub": user_id,
        "role": list(roles),
        "webpubsub.group": list(groups),
        "iss": issuer,
        "nbf": int(now) if issuer else None,
    }
    claims.update({name: value for name, value in optional.items() if value})
    payload = msgspec.json.encode(claims)
    return _jws.encode(payload, key, algorithm=_ALGORITHM)


def _payload(token: str, keys: Keyring) -> bytes:
    if len(token) > TOKEN_LIMIT:
        raise TokenError("The token is too long.")
    if not token.isascii():
        raise TokenError("The token is malformed.")
    for key in keys.all():
        try:
            return bytes(_jws.decode(token, key, algorithms=[_ALGORITHM]))
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidAlgorithmError:
            raise TokenError("The token's algorithm is not HS256.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenError("The token is malformed.") from None
    raise TokenError("The token's signature is invalid.")


def _claims(payload: bytes) -> dict[str, Any]:
    """Decode strictly: NaN, infinities and broken Unicode are not JSON."""
    try:
        claims = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise TokenError("The token's claims are malformed.") from None
    return claims


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires = _time(claims, "exp")
    if expires is None:
        raise TokenError("The token has no expiry.")
    if now >= expires + SKEW:
        raise TokenError("The token has expired.")
    begins = _time(claims, "nbf")
    if begins is not None and now < begins - SKEW:
        raise TokenError("The token is not yet valid.")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Read a NumericDate, which may have a fraction (RFC 7519, section 2)."""
    value = claims.get(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= _LAST_TIME:
        raise TokenError(f"The token's claim '{name}' is not a time.")
    return float(value)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    match value:
        case None:
            return ()
        case str():
            return (value,)
        case list() if all(isinstance(item, str) for item in value):
            return tuple(value)
    raise TokenError(f"The token's claim '{name}' must be a list of strings.")


def _shown(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    try:
        return tuple(_text(item) for item in items if item is not None)
    except (ValueError, OverflowError, RecursionError):
        raise TokenError("The token has a claim too big or too deep.") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return msgspec.json.encode(value).decode()
