"""Whole gateways with a mesh on virtual time, over a loopback network."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hubbub.actors.gateway import Gateway
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.messages import (
    commands,
    internal,
    mesh,
    requests,
    returning,
    servers,
)
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.transport.subprotocols import numbering
from hubbub.transport.subprotocols.server_v1 import JSON_NAME
from support.fakes import EVERYTHING, JSON, RELIABLE, FakeSocket, Probe
from support.loopback import SCHEME, LoopbackNetwork
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Sequence


class Node:
    """One gateway of a mesh."""

    def __init__(
        self,
        stage: MeshStage,
        name: str,
        place: str,
        hubs: HubSetup = HubSetup(codecs=numbering),  # noqa: B008 - frozen
        **more: Any,
    ) -> None:
        self.stage = stage
        self.name = name
        self.endpoint = f"{SCHEME}{place}"
        self.dispatcher = Dispatcher(stage.loop, chance=random.Random(name))
        self.wire = stage.network.wire(self.endpoint)
        setup = mesh.MeshSetup(self.wire, pace=stage.pace, **more)
        self.gateway = supervision.spawn(
            self.dispatcher, lambda: Gateway(lambda _: hubs, name, mesh=setup)
        )

    def client(
        self,
        user: str | None = None,
        groups: Sequence[str] = (),
        subprotocol: str = JSON,
        roles: Sequence[str] = EVERYTHING,
    ) -> FakeSocket:
        """Let a client knock; time must pass until it is in."""
        socket = FakeSocket(subprotocol)
        applicant = internal.Applicant(
            user, tuple(roles), tuple(groups), {}, {}, {}, (subprotocol,)
        )
        self.gateway.post(internal.Admit("chat", applicant, socket))
        return socket

    def recover(
        self, connection_id: str, socket: FakeSocket | None = None
    ) -> FakeSocket:
        """Let a client knock that wants its session back."""
        socket = socket or FakeSocket(RELIABLE)
        self.gateway.post(returning.Recover("chat", connection_id, socket))
        return socket

    def command(self, *orders: commands.Command) -> None:
        for order in orders:
            self.gateway.post(commands.ForHub("chat", order))

    def view(self) -> mesh.MeshView:
        probe = Probe()
        self.gateway.post(mesh.Inspect(probe))
        self.stage.loop.settle()
        return probe.expect(mesh.MeshView)

    def peer(self, other: Node) -> mesh.PeerView:
        (found,) = [
            peer for peer in self.view().peers if peer.endpoint == other.endpoint
        ]
        return found

    def ups(self) -> list[str]:
        return sorted(peer.gateway for peer in self.view().peers if peer.state == "up")

    def crash(self) -> None:
        """Vanish from the network without a word."""
        self.stage.network.crash(self.endpoint)


class MeshStage:
    """Time, a network, and the gateways on it."""

    def __init__(self, **pace: float) -> None:
        self.loop = VirtualLoop()
        self.network = LoopbackNetwork(
            self.loop, chance=random.Random(0), delays=(0.001, 0.003)
        )
        self.pace = mesh.Pace(**pace)  # type: ignore[arg-type] # times, and no bound of bytes

    def start(
        self, name: str, *seeds: str, place: str | None = None, **more: Any
    ) -> Node:
        """Start a gateway that knows of some places; it has its name as its own."""
        known = tuple(f"{SCHEME}{seed}" for seed in seeds)
        return Node(self, f"{name:0>8}", place or name, seeds=known, **more)

    def serve(self, node: Node, *rules: servers.Rule) -> FakeSocket:
        """Attach a server that takes some events; gives what it reads and writes."""
        socket = FakeSocket(JSON_NAME)
        node.gateway.post(
            internal.AdmitServer("chat", tuple(servers.ServerRole), socket)
        )
        self.pass_by()
        socket.send(servers.Handle(rules, 1000))
        self.pass_by()
        return socket

    def pass_by(self, seconds: float = 0.1) -> None:
        self.loop.advance(seconds)

    def join(self, socket: FakeSocket, group: str, ack_id: int = 1) -> None:
        socket.send(requests.JoinGroup(group, ack_id))

    def cut(self, one: Node, other: Node) -> None:
        self.network.cut(one.endpoint, other.endpoint)
        self.network.cut(other.endpoint, one.endpoint)

    def heal(self, one: Node, other: Node) -> None:
        self.network.heal(one.endpoint, other.endpoint)
        self.network.heal(other.endpoint, one.endpoint)
