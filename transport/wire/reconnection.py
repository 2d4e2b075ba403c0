"""Reconnection tokens: proof that a client may have a session back. Pure.

Opaque to clients; signed with the access keys, so any gateway can check them, and bound
to one connection id (client protocols, additions on the wire).
"""

from __future__ import annotations

from typing import Final

from hubbub.transport.wire import tokens

LIFETIME: Final = 7 * 24 * 3600
"""Seconds, as the service's (client protocols, limits)."""


def sign(keys: tokens.Keyring, connection_id: str, now: float) -> str:
    """Make the token of a connection; ``now`` is Unix time in seconds."""
    return tokens.mint(
        keys.primary,
        audience=connection_id,
        now=now,
        lifetime=LIFETIME,
        issuer=tokens.ISSUER,
    )


def is_genuine(
    token: str, keys: tokens.Keyring, connection_id: str, now: float
) -> bool:
    """Tell whether a token was made here for this connection, and is not too old."""
    try:
        claims = tokens.verify(
            token, keys, now=now, audience=lambda name: name == connection_id
        )
    except tokens.TokenError:
        return False
    return claims.get("iss") == tokens.ISSUER
