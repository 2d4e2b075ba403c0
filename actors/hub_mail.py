"""What a hub is started with, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from hubbub.actors.authored import ActorSpec
from hubbub.actors.connection import Service
from hubbub.actors.draining import OfDraining
from hubbub.actors.group_actors import GroupSpec
from hubbub.actors.group_states import StateMail
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import internal
from hubbub.actors.messages.returning import OfMoves
from hubbub.actors.runtime.ports import NumberingCodec
from hubbub.actors.runtime.supervision import Ended, Restarted
from hubbub.actors.sends import Sift
from hubbub.actors.upstream_mail import Declare, Retire, ServerSetup


def _no_codec(subprotocol: str) -> NumberingCodec | None:
    """Know no reliable subprotocol."""
    del subprotocol
    return None


class HubSetup(msgspec.Struct, frozen=True):
    """What a hub is started with.

    Args:
        handlers: Its event handlers, in order of precedence.
        service: On what terms its connections are served.
        servers: How it treats attached servers.
        groups: Classes of groups by pattern, in order of precedence.
        actors: Further actors that live as long as the hub.
        codecs: Gives the codec of a reliable subprotocol by its name.
    """

    handlers: tuple[HandlerSpec, ...] = ()
    service: Service = Service()
    servers: ServerSetup = ServerSetup()
    groups: tuple[GroupSpec, ...] = ()
    actors: tuple[ActorSpec, ...] = ()
    codecs: Callable[[str], NumberingCodec | None] = _no_codec


ToHub: TypeAlias = (
    internal.ToHubActor
    | StateMail
    | Declare
    | Retire
    | HubSetup
    | Sift
    | OfMoves
    | OfDraining
    | Ended
    | Restarted
)
