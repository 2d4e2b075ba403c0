"""Gateways on virtual time whose clients are reliable, with bounds that a test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.connection import Service
from hubbub.actors.gateway import Reconfigure
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.policy.retention import Bounds
from hubbub.actors.policy.routes import Route
from hubbub.transport.subprotocols import numbering
from support.fakes import (
    EVERYTHING,
    RELIABLE,
    Desk,
    DeskActor,
    FakeSocket,
    Stage,
)
from support.reliable_client import ReliableClient

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDS = Bounds()


def reliable_hubs(
    desk: Desk | None = None,
    bounds: Bounds = BOUNDS,
    *,
    stash: int = 100,
    **more: Any,
) -> HubSetup:
    """Set up hubs whose events a desk takes, if there is one."""
    route = Route(
        user_events="*",
        system_events=frozenset({"connect", "connected", "disconnected"}),
        presence_events=frozenset({"joined", "left"}),
        presence_groups=("watched",),
    )
    handlers: tuple[HandlerSpec, ...] = ()
    if desk is not None:
        spec = HandlerSpec(name="desk", factory=lambda _: DeskActor(desk), route=route)
        handlers = (spec,)
    service = Service(stash, bounds)
    return HubSetup(handlers, service, codecs=numbering, **more)


class ReliableStage(Stage):
    """A gateway with a hub ``chat`` on virtual time."""

    def __init__(
        self, bounds: Bounds = BOUNDS, *, stash: int = 100, **more: Any
    ) -> None:
        super().__init__()
        hubs = reliable_hubs(self.desk, bounds, stash=stash, **more)
        self.gateway.post(Reconfigure(lambda _: hubs))

    def client(
        self,
        user: str | None = None,
        groups: Sequence[str] = (),
        *,
        roles: Sequence[str] = EVERYTHING,
        gaps: bool = False,
    ) -> ReliableClient:
        """Let a reliable client in."""
        socket = FakeSocket(RELIABLE)
        self.knock(socket, user, groups=groups, roles=roles)
        self.settle()
        return ReliableClient(socket, gaps=gaps).read()

    def back(self, client: ReliableClient) -> ReliableClient:
        """Have a client come back, and read what it is sent."""
        client.come_back(self.recover)
        self.settle()
        return client.read()
