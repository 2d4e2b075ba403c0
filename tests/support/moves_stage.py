"""Two or three gateways on virtual time, between which reliable sessions move."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.actors.messages import commands, peers
from hubbub.actors.policy.retention import Bounds
from support.fakes import EVERYTHING, RELIABLE, Desk, Probe, Stage, publish
from support.loopback import LoopbackNetwork
from support.mesh_stage import MeshStage, Node
from support.reliable_client import ReliableClient
from support.reliable_stage import reliable_hubs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.messages.peers import Packet
    from support.loopback import LoopbackChannel

USUAL = (0.001, 0.003)
SHORT = 0.2
"""Seconds for which a way is slow."""
BOUNDS = Bounds()
EVERYONE = commands.Everyone()


class UnevenNetwork(LoopbackNetwork):
    """A network some of whose ways are slower than others."""

    ways: dict[tuple[str, str], tuple[float, float]]

    def carry(self, channel: LoopbackChannel, packet: Packet) -> None:
        pair = (channel.source, channel.target)
        self.delays = self.ways.get(pair, USUAL)
        super().carry(channel, packet)


class MovesStage(MeshStage):
    """Gateways that see each other, each with a handler and reliable clients.

    Args:
        names: Of the gateways, a letter each.
        bounds: How much is kept of a session.
        seed: Of everything that is random on the network.
    """

    def __init__(
        self,
        names: str = "abc",
        bounds: Bounds = BOUNDS,
        *,
        seed: int = 0,
        hubs: dict[str, Any] | None = None,
        **pace: float,
    ) -> None:
        super().__init__(**pace)
        self.network = self._uneven = UnevenNetwork(
            self.loop, chance=random.Random(seed)
        )
        self._uneven.ways = {}
        self._bounds, self._hubs = bounds, hubs or {}
        self.desks: dict[str, Desk] = {}
        self.nodes: list[Node] = []
        self.started = 0
        for name in names:
            self.add(name)
        self.pass_by(3)
        for node in self.nodes:
            assert len(node.ups()) == len(names) - 1

    def add(self, name: str) -> Node:
        """Start a gateway more, which knows of all that are there."""
        desk = self.desks[name] = Desk()
        hubs = reliable_hubs(desk, self._bounds, **self._hubs)
        seeds = [node.name[-1] for node in self.nodes]
        node = self.start(name, *seeds, hubs=hubs)
        self.nodes.append(node)
        self.started += 1
        return node

    def slow(self, one: Node, other: Node, least: float, most: float) -> None:
        """Make the way from one gateway to another slower."""
        self._uneven.ways[one.endpoint, other.endpoint] = (least, most)

    def slip_in(self, kind: type[Any], messages: list[Any]) -> None:
        """Let messages arrive just before the next one of a kind, from its sender."""

        def passing(packet: Any) -> Any:
            if not (messages and isinstance(packet, peers.Batch)):
                return packet
            said = packet.messages
            for place, message in enumerate(said):
                if isinstance(message, kind):
                    said = (*said[:place], *messages, *said[place:])
                    messages.clear()
                    break
            return msgspec.structs.replace(packet, messages=said)

        self.network.passing = passing

    def desk(self, node: Node) -> Desk:
        return self.desks[node.name[-1]]

    # Clients.

    def enter(
        self,
        node: Node,
        user: str | None = None,
        groups: Sequence[str] = (),
        roles: Sequence[str] = EVERYTHING,
    ) -> ReliableClient:
        """Let a reliable client in."""
        client = ReliableClient(node.client(user, groups, RELIABLE, roles))
        for _ in range(50):
            self.pass_by()
            if client.read().connection_id:
                return client
        raise AssertionError("nobody was let in")

    def recover(
        self, client: ReliableClient, node: Node, *, attempts: int = 5
    ) -> ReliableClient:
        """Let a client come back, which tries again each second as it is told."""
        for _ in range(attempts):
            client.come_back(node.recover)
            for _ in range(60):
                self.pass_by()
                if client.is_in or client.is_lost or client.is_to_try_again:
                    break
            if not client.is_to_try_again:
                break
        return client.read()

    def ask(self, node: Node, question: Any) -> Any:
        """Ask a question by what makes it from where its answer goes."""
        probe = Probe()
        node.command(question(probe))
        self.pass_by(1)
        assert len(probe.heard) == 1
        return probe.heard[0]

    def exists(self, node: Node, connection_id: str) -> bool:
        target = commands.ToConnection(connection_id)
        found = self.ask(node, lambda answer: commands.Exists(target, answer))
        assert isinstance(found, bool), found
        return found

    def told(self, kind: type[Any]) -> int:
        """How often the handlers of all gateways heard of something."""
        return sum(len(desk.told(kind)) for desk in self.desks.values())

    # Inside the trees.

    @staticmethod
    def hub(node: Node) -> Any:
        """Give the hub of a gateway, if it has started."""
        hub = Stage._actor(node.gateway)._hubs.get("chat")
        return None if hub is None else Stage._actor(hub)

    def check_interest(self) -> None:
        """Make sure that each gateway knows what each other wants, and no more."""
        for one, other in itertools.permutations(self.nodes, 2):
            directory = Stage._actor(one.gateway)._directory
            link = directory.links.get(other.name)
            if link is None:
                continue
            table = directory.interest("chat")
            known = {key for key in table.keys() if link in table.of(key)}  # noqa: SIM118 - no mapping
            hub = self.hub(other)
            wanted = set() if hub is None else set(hub._membership.abroad._all())
            assert known == wanted, f"{one.name} of {other.name}"

    @property
    def moving(self) -> bool:
        """Whether a session is on its way."""
        hubs = [self.hub(node) for node in self.nodes]
        return any(hub is not None and hub._moves.under_way for hub in hubs)

    def check_calm(self) -> None:
        """Make sure that nothing is left of any move."""
        assert not self.moving
        self.check_interest()


class Traffic:
    """Publishers at gateways that never stop, to one client in every way there is.

    Args:
        client: Who is to get it all.
        user: Its user.
        group: A group that it is in.
        nodes: Where publishers are.
    """

    def __init__(
        self, client: ReliableClient, user: str, group: str, nodes: Sequence[Node]
    ) -> None:
        self._client = client
        self._targets: dict[str, commands.Target] = {
            "group": commands.ToGroup(group),
            "user": commands.ToUser(user),
            "one": commands.ToConnection(client.connection_id),
            "all": EVERYONE,
        }
        self.nodes = list(nodes)
        self.sent: dict[str, list[str]] = {node.name: [] for node in nodes}

    def say(self, *kinds: str) -> None:
        """Have each publisher publish one message in every way, or in some."""
        for node in self.nodes:
            for kind in kinds or self._targets:
                sent = self.sent[node.name]
                sent.append(f"{node.name[-1]} {len(sent)} {kind}")
                node.command(publish(self._targets[kind], sent[-1]))

    def check(self, *, lost: bool = False) -> None:
        """Hold what the client has read against what was published.

        Args:
            lost: Whether its session ended: then the last may be missing.
        """
        data = self._client.read().data
        assert len(set(data)) == len(data), "something came twice"
        for name, sent in self.sent.items():
            got = [text for text in data if text.startswith(f"{name[-1]} ")]
            assert got == (sent[: len(got)] if lost else sent), name


def away(stage: MovesStage, node: Node, *groups: str) -> ReliableClient:
    """A session of a gateway whose client is away."""
    client = stage.enter(node, "alice", groups)
    client.cut()
    stage.pass_by()
    return client


def insist(stage: MovesStage, client: ReliableClient, node: Node, most: int) -> None:
    """Let a client try again each second until it is in, or its session is lost."""
    client.come_back(node.recover)
    for _ in range(most):
        stage.pass_by(1)
        if client.is_in or client.is_lost:
            client.read()
            return
        if client.is_to_try_again:
            client.come_back(node.recover)
    raise AssertionError("nobody said what became of the session")
