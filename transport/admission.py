"""Who may come in: the checks of a client handshake, in the service's order.

Pure: takes the request's parts and the settings, gives an applicant or a refusal.
(client protocols, order of checks and HTTP answers before the upgrade)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from hubbub.actors.messages.events import Reject
from hubbub.actors.messages.internal import Admit, Applicant
from hubbub.actors.messages.returning import Recover
from hubbub.actors.policy.names import hub_name, is_group_name
from hubbub.transport.handshake import endpoints_of, offered, origin_allowed, token_of
from hubbub.transport.settings import HubSettings
from hubbub.transport.subprotocols import (
    Agreed,
    Decode,
    negotiate,
    resume,
    simple,
)
from hubbub.transport.wire import tokens
from hubbub.transport.wire.audience import client_audience
from hubbub.transport.wire.reconnection import is_genuine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.runtime.ports import Door
    from hubbub.transport.handshake import Handshake
    from hubbub.transport.settings import Settings

_WITHHELD = frozenset({"authorization", "proxy-authorization"})
"""Headers that no event handler gets to see."""


class Admission(msgspec.Struct, frozen=True):
    """A handshake that passed: the hub, who stands there, what its frames mean."""

    hub: str
    settings: HubSettings
    applicant: Applicant
    simple_decode: Decode

    def knock(self, door: Door) -> Admit:
        """Make the message that asks the gateway to let the client in."""
        return Admit(self.hub, self.applicant, door)

    def agree(self, chosen: str | None) -> Agreed | Reject:
        """Settle the subprotocol; ``chosen`` is the connect handler's choice."""
        return negotiate(self.applicant.subprotocols, chosen, self.simple_decode)


class Return(msgspec.Struct, frozen=True):
    """A client with proof that it may have a session back."""

    hub: str
    settings: HubSettings
    connection_id: str
    offered: tuple[str, ...]

    def knock(self, door: Door) -> Recover:
        """Make the message that asks the gateway for the session."""
        return Recover(self.hub, self.connection_id, door)

    def agree(self, chosen: str | None) -> Agreed | Reject:
        """Settle the subprotocol: the session's own, whatever is offered now."""
        agreed = resume(chosen or "", self.offered)
        return agreed or Reject(500, "The subprotocol is not spoken here.")


class LostSession(msgspec.Struct, frozen=True):
    """A client that cannot have its session back: let in, then closed with 1008."""

    reason: str


Verdict: TypeAlias = Admission | Return | LostSession | Reject


def admit(handshake: Handshake, settings: Settings, now: float) -> Verdict:
    """Check a handshake.

    Args:
        handshake: The request; that it is a valid WebSocket upgrade is checked before.
        settings: The settings in force.
        now: Unix time in seconds, for the token's times.

    Returns:
        The applicant, or the refusal with its HTTP status.
    """
    parts = urlsplit(handshake.target)
    query = _group(parse_qsl(parts.query, keep_blank_values=True))
    name = _hub_in(parts.path, query)
    if name is None:
        return Reject(
            404, "There is nothing here; clients connect to /client/hubs/HUB."
        )
    hub = hub_name(name)
    if hub is None:
        return Reject(400, "The hub name is missing or invalid.")
    hub_settings = settings.hub(hub)
    if any(query.get("awps_connection_id", ())):
        return _come_back(handshake, query, hub, hub_settings, settings, now)
    if hub_settings is None:
        return Reject(404, "This hub does not exist here.")
    claims = _identify(handshake, query, hub, settings, hub_settings, now)
    if isinstance(claims, Reject):
        return claims
    if not origin_allowed(handshake, settings, hub_settings):
        return Reject(403, "This origin is not allowed.")
    if not all(map(is_group_name, claims.groups)):
        return Reject(400, "The token names an invalid group.")
    decode = _raw_mode(query)
    if isinstance(decode, Reject):
        return decode
    applicant = Applicant(
        claims.user_id,
        claims.roles,
        claims.groups,
        {key: tuple(v) for key, v in query.items() if key.lower() != "access_token"},
        {
            key: tuple(v)
            for key, v in _group(handshake.headers).items()
            if key.lower() not in _WITHHELD
        },
        claims.claims,
        offered(handshake),
        handshake.certificates,
    )
    return Admission(hub, hub_settings, applicant, decode)


def _come_back(
    handshake: Handshake,
    query: dict[str, list[str]],
    hub: str,
    hub_settings: HubSettings | None,
    settings: Settings,
    now: float,
) -> Return | LostSession:
    """Check the proof of a client that wants its session; no access token is needed.

    Nothing about a recovery is an HTTP error (client protocols, recovery request).
    """
    connection_id = next(filter(None, query["awps_connection_id"]))
    token = query.get("awps_reconnection_token", [""])[-1]
    if hub_settings is None:
        return LostSession("There is no such hub.")
    if not is_genuine(token, settings.keys, connection_id, now):
        return LostSession("The reconnection token is not valid.")
    return Return(hub, hub_settings, connection_id, offered(handshake))


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return grouped


def _hub_in(path: str, query: dict[str, list[str]]) -> str | None:
    """Find the hub name in the path or the query; None for another path."""
    match path.split("/"):
        case ["", "client", "hubs", name] | ["", "client", "hubs", name, ""]:
            return unquote(name)
        case ["", "client"] | ["", "client", ""] | ["", "client", "hubs"]:
            return query.get("hub", [""])[-1]
        case _:
            return None


def _identify(
    handshake: Handshake,
    query: dict[str, list[str]],
    hub: str,
    settings: Settings,
    hub_settings: HubSettings,
    now: float,
) -> tokens.ClientClaims | Reject:
    token = token_of(handshake, query)
    if token is None:
        if hub_settings.anonymous:
            return tokens.ClientClaims()
        return Reject(401, "An access token is required.")
    try:
        claims = tokens.verify(
            token,
            settings.keys,
            now=now,
            audience=client_audience(endpoints_of(handshake, settings), hub),
        )
        return tokens.client_claims(claims)
    except tokens.TokenError as error:
        return Reject(401, f"The access token is not valid: {error}")


def _raw_mode(query: dict[str, list[str]]) -> Decode | Reject:
    """Read the raw mode of simple clients; of repeated parameters the last counts."""
    lowered = {key.lower(): values[-1] for key, values in query.items()}
    mode = lowered.get("webpubsub_mode", "").lower()
    if mode in {"", "sendevent"}:
        return simple.send_event
    if mode != "sendtogroup":
        return Reject(400, "webpubsub_mode must be sendEvent or sendToGroup.")
    group = lowered.get("group", "")
    if not is_group_name(group):
        return Reject(400, "webpubsub_mode=sendToGroup needs a valid group.")
    no_echo = lowered.get("noecho", "false").lower()
    if no_echo not in {"true", "false"}:
        return Reject(400, "noEcho must be true or false.")
    return simple.send_to_group(group, no_echo == "true")
