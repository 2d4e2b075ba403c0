"""Which servers may attach: the checks of a handshake at ``/server/hubs/{hub}``.

Pure. As strict as for clients, without anonymous access: whoever attaches here gets to
decide about others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from hubbub.actors.messages import internal
from hubbub.actors.messages.events import Reject
from hubbub.actors.messages.servers import ServerRole
from hubbub.actors.policy.names import hub_name
from hubbub.transport.handshake import endpoints_of, offered, origin_allowed, token_of
from hubbub.transport.settings import HubSettings
from hubbub.transport.subprotocols import Agreed
from hubbub.transport.subprotocols.server_v1 import SERVER_SPOKEN
from hubbub.transport.wire import tokens
from hubbub.transport.wire.audience import SERVER_PATH, client_audience

if TYPE_CHECKING:
    from hubbub.actors.runtime.ports import Door
    from hubbub.transport.handshake import Handshake
    from hubbub.transport.settings import Settings

_ROLES: Final = tuple(str(role) for role in ServerRole)


class ServerAdmission(msgspec.Struct, frozen=True):
    """A handshake that passed: the hub, what the server may, what it speaks."""

    hub: str
    settings: HubSettings
    roles: tuple[str, ...]
    agreed: Agreed

    def knock(self, door: Door) -> internal.AdmitServer:
        """Make the message that asks the gateway to let it in."""
        return internal.AdmitServer(self.hub, self.roles, door)

    def agree(self, chosen: str | None) -> Agreed | Reject:
        """Give what is spoken; nobody else has a say in it."""
        del chosen
        return self.agreed


def stands_there(target: str) -> bool:
    """Tell whether a request's target is one of the servers' side."""
    return target.startswith("/server/") or target == "/server"


def admit(
    handshake: Handshake, settings: Settings, now: float
) -> ServerAdmission | Reject:
    """Check a server's handshake.

    Args:
        handshake: The request; that it is a valid WebSocket upgrade is checked before.
        settings: The settings in force.
        now: Unix time in seconds, for the token's times.

    Returns:
        What was agreed, or the refusal with its HTTP status.
    """
    parts = urlsplit(handshake.target)
    match parts.path.split("/"):
        case ["", "server", "hubs", name] | ["", "server", "hubs", name, ""]:
            hub = hub_name(unquote(name))
        case _:
            reason = "There is nothing here; servers attach to /server/hubs/HUB."
            return Reject(404, reason)
    if hub is None:
        return Reject(400, "The hub name is missing or invalid.")
    hub_settings = settings.hub(hub)
    if hub_settings is None:
        return Reject(404, "This hub does not exist here.")
    query: dict[str, list[str]] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        query.setdefault(key, []).append(value)
    roles = _roles(token_of(handshake, query), handshake, settings, hub, now)
    if isinstance(roles, Reject):
        return roles
    if not origin_allowed(handshake, settings, hub_settings):
        return Reject(403, "This origin is not allowed.")
    for name in offered(handshake):
        spoken = SERVER_SPOKEN.get(name.lower())
        if spoken is not None:
            agreed = Agreed(name, spoken, spoken.decode)
            return ServerAdmission(hub, hub_settings, roles, agreed)
    known = " or ".join(SERVER_SPOKEN)
    return Reject(400, f"Offer the WebSocket subprotocol {known}.")


def _roles(
    token: str | None, handshake: Handshake, settings: Settings, hub: str, now: float
) -> tuple[str, ...] | Reject:
    if token is None:
        return Reject(401, "An access token is required.")
    audience = client_audience(endpoints_of(handshake, settings), hub, SERVER_PATH)
    try:
        claims = tokens.verify(token, settings.keys, now=now, audience=audience)
        given = tokens.client_claims(claims).roles
    except tokens.TokenError as error:
        return Reject(401, f"The access token is not valid: {error}")
    return tuple(role for role in _ROLES if role in given)
