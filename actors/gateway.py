"""The root of a gateway's tree: starts hubs, routes to them, drains them in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.directory import Directory
from hubbub.actors.hub import Hub
from hubbub.actors.mesh import Mesh
from hubbub.actors.messages import commands, internal, returning
from hubbub.actors.messages.mesh import (
    Count,
    Inspect,
    MeshSetup,
    MeshView,
    Seeds,
    Settle,
    Tally,
    ToMesh,
)
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.hub_mail import HubSetup
    from hubbub.actors.runtime.address import Address, Ref

    Setup: TypeAlias = Callable[[str], HubSetup]


logger = logging.getLogger(__name__)

MOST_HUBS = 10_000
"""Hubs live as long as the process: strangers must not start them without end."""


class Reconfigure(msgspec.Struct, frozen=True):
    """Give every hub its settings anew, without touching a connection."""

    setup: Setup


ToGateway: TypeAlias = (
    commands.ForHub
    | internal.Admit
    | internal.AdmitServer
    | returning.Recover
    | internal.Drain
    | Reconfigure
    | ToMesh
    | Ended
    | Restarted
)


class Gateway(LoopActor):
    """One process's hubs, each started when it is first needed.

    Args:
        setup: Gives a hub's setup by lower-case name.
        name: Begins the ids of this gateway's connections; a few letters and digits.
        failed: Called when this actor fails: the process should end.
        mesh: How to reach other gateways; None when there are none.
    """

    registered = True

    def __init__(
        self,
        setup: Setup,
        name: str = "",
        failed: Callable[[], None] | None = None,
        mesh: MeshSetup | None = None,
    ) -> None:
        super().__init__()
        self._failed = failed
        self._setup = setup
        self._directory = Directory(name)
        self._directory.start = self._start
        self._mesh: Address | None = None
        if mesh is not None:
            self._mesh = self.spawn(
                lambda: Mesh(mesh, self._directory), restart=Restart()
            )
        self._hubs: dict[str, Address] = {}
        self._draining = False

    def on_receive(self, message: ToGateway) -> None:
        """Route to a hub, or act on all of them."""
        match message:
            case commands.ForHub(hub=name, command=command):
                hub = self._hub(name)
                if hub is not None:  # else the caller's own deadline answers
                    hub.post(command)
            case internal.Admit() | internal.AdmitServer() | returning.Recover():
                self._admit(message)
            case Reconfigure(setup=setup):
                self._setup = setup
                for name, hub in self._hubs.items():
                    hub.post(setup(name))
            case internal.Drain(answer=answer):
                self._draining = True
                if self._mesh is not None:
                    answer = _Then(self._mesh, answer)
                _Countdown(len(self._hubs), answer).begin(self._hubs.values())
            case Settle() | Inspect() | Count() | Seeds():
                self._ask_mesh(message)
            case Restarted() | Ended():
                pass  # a hub's clients were closed by the hub's end
            case _:
                assert_never(message)

    def on_broken(self) -> None:
        """Let the process know; the hubs end with this actor."""
        if self._failed is not None:
            self._failed()

    def _ask_mesh(self, message: ToMesh) -> None:
        """Pass on what the edge asks of the mesh; without one, there are no peers."""
        if self._mesh is not None:
            self._mesh.post(message)
            return
        match message:
            case Settle(answer=answer):
                answer.post(True)
            case Inspect(answer=answer):
                answer.post(MeshView(self._directory.gateway))
            case Count(answer=answer):
                answer.post(Tally({}))
            case Seeds():
                pass  # nobody to look for them
            case _:
                assert_never(message)

    def _admit(
        self, admit: internal.Admit | internal.AdmitServer | returning.Recover
    ) -> None:
        if self._draining:
            admit.door.reject(503, "The gateway is shutting down.")
            return
        hub = self._hub(admit.hub)
        if hub is None:
            # Not without its handlers: they may be what keeps strangers out.
            admit.door.reject(500, "The hub cannot start.")
        else:
            hub.post(admit)

    def _start(self, name: str) -> None:
        """Start a hub for what a peer offers, unless this gateway ends as well."""
        if not self._draining:
            self._hub(name)

    def _hub(self, name: str) -> Address | None:
        """Give a hub, started if need be; None if it cannot start."""
        hub = self._hubs.get(name)
        if hub is None:
            if len(self._hubs) >= MOST_HUBS:
                logger.error("hub %s is one too many", name)
                return None
            try:
                hub = self.spawn(
                    lambda: Hub(
                        name,
                        self._setup(name),
                        self._directory,
                        clustered=self._mesh is not None,
                    ),
                    restart=Restart(),
                )
            except Exception:
                # Its settings name what is not there: that hub fails alone.
                logger.exception("hub %s cannot start", name)
                return None
            self._hubs[name] = hub
        return hub


class _Then:
    """Lets the mesh say goodbye once the hubs have drained; a reference."""

    def __init__(self, mesh: Ref[internal.Drain], answer: Ref[bool]) -> None:
        self._mesh = mesh
        self._answer = answer

    def post(self, drained: bool) -> None:
        del drained
        self._mesh.post(internal.Drain(self._answer))


class _Countdown:
    """Answers once every hub has drained; a reference, like a reply."""

    def __init__(self, left: int, answer: Ref[bool]) -> None:
        self._left = left
        self._answer = answer

    def begin(self, hubs: object) -> None:
        if self._left == 0:
            self._answer.post(True)
        for hub in hubs:  # type: ignore[attr-defined]
            hub.post(internal.Drain(self))

    def post(self, drained: bool) -> None:
        del drained
        self._left -= 1
        if self._left == 0:
            self._answer.post(True)
