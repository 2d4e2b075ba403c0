"""Turns the settings of a hub into what its actor is started with.

Whatever is wrong is said here, when settings are loaded, and names the hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hubbub.actors.authored import ActorSpec, Build, HubActor
from hubbub.actors.connection import Service
from hubbub.actors.group import Group
from hubbub.actors.group_actors import GroupSpec
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.policy.retention import Bounds
from hubbub.actors.upstream_mail import ServerSetup
from hubbub.transport.handlers import handler_specs, load_class
from hubbub.transport.subprotocols import numbering

if TYPE_CHECKING:
    from hubbub.transport.settings import HubSettings, Limits, Live

T = TypeVar("T")


def hub_setup(hub: str, settings: HubSettings, live: Live) -> HubSetup:
    """Make the setup of a hub.

    Args:
        hub: The hub's name, for error messages.
        settings: Its settings.
        live: Where webhooks find the keys in force at each event.

    Raises:
        ValueError: A class or handler cannot work as it is set; the text says which
            and why.
    """
    return HubSetup(
        handler_specs(hub, settings, live),
        _service(live.settings.limits),
        ServerSetup(
            settings.servers_first,
            settings.servers_required,
            settings.server_timeout,
            settings.server_grace,
        ),
        tuple(
            GroupSpec(pattern, _load(hub, path, Group))
            for pattern, path in settings.groups
        ),
        tuple(
            ActorSpec(path, Build(_load(hub, path, HubActor)))
            for path in settings.actors
        ),
        numbering,
    )


def _service(limits: Limits) -> Service:
    return Service(
        limits.stash,
        Bounds(
            limits.retained_messages,
            limits.retained_bytes,
            limits.ack_seconds,
            limits.recovery_seconds,
        ),
    )


def _load(hub: str, path: str, base: type[T]) -> type[T]:
    try:
        return load_class(path, base)
    except ValueError as error:
        raise ValueError(f"hub {hub}: {error}") from error
