"""Reliable sessions under anything that may happen to them, in any order.

Gateways on virtual time, clients that follow the rules, and publishers that never stop:
sockets are cut, clients come back anywhere, gateways drain, die and come, links are
slow and cut for a moment. Whoever is let in again has lost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hubbub.actors.messages import commands, internal, mesh
from hubbub.actors.policy.retention import Bounds
from support.fakes import Probe, publish, say
from support.moves_stage import MovesStage
from support.reliable_model import Guest, Note

if TYPE_CHECKING:
    from support.fakes import FakeSocket
    from support.mesh_stage import Node

BOUNDS = Bounds(messages=20, patience=8.0, window=30.0)
EVERYONE = commands.Everyone()
G = commands.ToGroup("g")
PICK = st.integers(0, 11)
HICCUP = 1.5
"""Seconds for which a link may be cut: less than joins wait for peers to know."""
CALM = 20.0
"""Seconds between two faults that each take time to get over."""


@dataclass(slots=True)
class Wish:
    """What a client publishes until it has the ack."""

    guest: Guest
    number: int
    text: str
    notes: list[Note]
    socket: FakeSocket

    def ask(self) -> None:
        self.socket.send(say("g", self.text, ack_id=self.number))


class ReliableSessions(RuleBasedStateMachine):
    """Two or three gateways, two guests."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = MovesStage("", BOUNDS)
        self.open: list[Node] = []
        self.draining: dict[Node, tuple[Probe, float]] = {}
        self.coming: dict[Node, Probe] = {}
        self.guests: list[Guest] = []
        self.wishes: list[Wish] = []
        self.size = 0
        self.said = 0
        self.calm_from = 0.0

    @initialize(size=st.integers(2, 3), homes=st.tuples(PICK, PICK))
    def begin(self, size: int, homes: tuple[int, int]) -> None:
        self.size = size
        for name in "abc"[:size]:
            self.stage.add(name)
        self.stage.pass_by(3)
        self.open = list(self.stage.nodes)
        for user, home in zip(("alice", "bob"), homes, strict=True):
            self.guests.append(self.let_in(user, self.pick(home)))

    def pick(self, number: int) -> Node:
        return self.open[number % len(self.open)]

    def let_in(self, user: str, node: Node) -> Guest:
        """Let a client in whose session is a new one."""
        client = self.stage.enter(node, user, ["g"])
        return Guest(self.stage, BOUNDS, user, client, node)

    # Messages.

    @rule(place=PICK, kind=st.sampled_from(["g", "all", "user", "one"]), who=PICK)
    def publish(self, place: int, kind: str, who: int) -> None:
        self._publish(self.pick(place), kind, self.guests[who % 2])

    @rule(place=PICK, number=st.integers(2, 25))
    def publish_many(self, place: int, number: int) -> None:
        for _ in range(number):
            self._publish(self.pick(place), "g", self.guests[0])

    @rule()
    def everybody_publishes(self) -> None:
        for node in (*self.open, *self.draining):
            for guest in self.guests:
                self._publish(node, "one", guest)
            self._publish(node, "g", self.guests[0])

    def _publish(self, node: Node, kind: str, guest: Guest) -> None:
        self.said += 1
        text = f"{node.name[-1]}{self.said} {kind}"
        target: commands.Target = G if kind == "g" else EVERYONE
        concerned = self.guests
        if kind == "user":
            target, concerned = commands.ToUser(guest.user), [guest]
        elif kind == "one":
            target = commands.ToConnection(guest.client.connection_id)
            concerned = [guest]
        for one in concerned:
            # A gateway that drains may have said goodbye to its peers.
            sure = node not in self.draining
            one.note(f"{node.name} {kind}", text, required=sure)
        node.command(publish(target, text))

    @rule(who=PICK)
    def say(self, who: int) -> None:
        """Let a client publish with an ack id; it insists until it has the ack."""
        guest = self.guests[who % 2]
        if not guest.is_there:
            return
        self.said += 1
        text = f"{guest.user}{self.said}"
        notes = [one.note(text, text, required=False) for one in self.guests]
        wish = Wish(guest, self.said, text, notes, guest.client.socket)
        self.wishes.append(wish)
        wish.ask()

    @rule(who=PICK, back=st.integers(0, 5))
    def acknowledge(self, who: int, back: int) -> None:
        guest = self.guests[who % 2]
        if guest.is_there:
            guest.acknowledge(back)

    # Clients.

    @rule(who=PICK, unread=st.integers(0, 6))
    def cut(self, who: int, unread: int) -> None:
        guest = self.guests[who % 2]
        if guest.is_there:
            guest.cut(unread)

    @rule(who=PICK, place=PICK)
    def come_back(self, who: int, place: int) -> None:
        guest = self.guests[who % 2]
        if not guest.over:
            guest.knock(self.pick(place))

    @rule(milliseconds=st.sampled_from([0, 1, 2, 3, 5, 8, 20, 100]))
    def wait(self, milliseconds: int) -> None:
        self.stage.pass_by(milliseconds / 1000)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 9.0, 31.5]))
    def wait_long(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds))):
            self.stage.pass_by(min(1.0, seconds))
            self.look()

    # Gateways and links.

    @rule(place=PICK, seconds=st.sampled_from([0.0, 0.005, 0.05, 0.3]), other=PICK)
    def slow(self, place: int, other: int, seconds: float) -> None:
        one, two = self.pick(place), self.pick(other)
        self.stage.slow(one, two, seconds, seconds * 1.5 + 0.001)

    @precondition(lambda self: self.is_calm and self.size > 1)
    @rule(place=PICK, seconds=st.floats(0.01, HICCUP))
    def cut_link(self, place: int, seconds: float) -> None:
        one, two = self.pick(place), self.pick(place + 1)
        self.calm_from = self.stage.loop.now + CALM
        self.stage.cut(one, two)
        self.stage.loop.call_later(seconds, self.stage.heal, one, two)

    @precondition(lambda self: len(self.open) > 1 and not self.draining)
    @rule(place=PICK)
    def drain(self, place: int) -> None:
        node, drained = self.pick(place), Probe()
        self.open.remove(node)
        self.draining[node] = drained, self.stage.loop.now
        for guest in self.guests:
            guest.drained(node, self.open)
        node.gateway.post(internal.Drain(drained))

    @precondition(lambda self: self.is_calm and len(self.open) > 1)
    @rule(place=PICK)
    def crash(self, place: int) -> None:
        node = self.pick(place)
        self.open.remove(node)
        self.calm_from = self.stage.loop.now + CALM
        for guest in self.guests:
            guest.crashed(node)
        self._forget(node)

    @precondition(lambda self: len(self.stage.nodes) < self.size)
    @rule()
    def add(self) -> None:
        node = self.stage.add(chr(ord("a") + self.stage.started))
        settled = self.coming[node] = Probe()
        node.gateway.post(mesh.Settle(settled))

    @property
    def is_calm(self) -> bool:
        return self.stage.loop.now >= self.calm_from

    def _forget(self, node: Node) -> None:
        node.crash()
        self.stage.nodes.remove(node)

    # What must hold.

    @invariant()
    def look(self) -> None:
        for node, settled in tuple(self.coming.items()):
            if settled.heard and len(node.ups()) == len(self.stage.nodes) - 1:
                del self.coming[node]
                self.open.append(node)
        for node, (drained, since) in tuple(self.draining.items()):
            if self.stage.loop.now - since > 4:
                for guest in self.guests:
                    guest.overdue(node)
            if drained.heard:
                del self.draining[node]
                self._forget(node)
        for number, guest in enumerate(self.guests):
            guest.look()
            if guest.over:
                self.guests[number] = self.let_in(guest.user, self.pick(number))
        self._insist()

    def _insist(self) -> None:
        """Take acks, and ask again after a return for what was not acknowledged."""
        for wish in tuple(self.wishes):
            guest, acks = wish.guest, dict(wish.socket.acks)
            if acks.get(wish.number) in {True, "Duplicate"}:
                for note in wish.notes:
                    note.required = True
                self.wishes.remove(wish)
            elif guest not in self.guests:
                self.wishes.remove(wish)
            elif guest.is_there and wish.socket is not guest.client.socket:
                wish.socket = guest.client.socket
                wish.ask()

    def teardown(self) -> None:
        """Let everything come to rest; then nothing may be missing."""
        if not self.guests:
            return
        self.stage.pass_by(5)
        for _ in range(40):
            self.look()
            for guest in self.guests:
                if guest.door is None and not guest.is_there:
                    guest.knock(self.open[0])
            self.stage.pass_by(1)
            if all(guest.is_there for guest in self.guests):
                break
        self.stage.pass_by(3)
        self.look()
        for guest in self.guests:
            assert guest.is_there
            guest.check()
        self.stage.pass_by(15)
        self.stage.check_calm()


ReliableSessions.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestReliableSessions = ReliableSessions.TestCase
