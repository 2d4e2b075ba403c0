"""Reliable sessions under anything that may happen to them, in any order.

Gateways on virtual time, clients that follow the rules, and publishers that never stop:
sockets are cut, clients come back anywhere, gateways drain, die and come, links are
slow and cut for a moment. Whoever is let in again has lost nothing.
"""

from __future__ import annotations

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

from support.reliable_world import World

if TYPE_CHECKING:
    from support.mesh_stage import Node
    from support.reliable_model import Guest

PICK = st.integers(0, 11)
KINDS = st.sampled_from(["g", "h", "all", "user", "one"])
HICCUP = 1.5
"""Seconds for which a link may be cut: less than joins wait for peers to know."""
CALM = 20.0
"""Seconds between two faults that each take time to get over."""


class ReliableSessions(RuleBasedStateMachine):
    """Two or three gateways, two guests."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.stage = self.world.stage
        self.size = 0
        self.calm_from = 0.0

    @initialize(size=st.integers(2, 3), homes=st.tuples(PICK, PICK))
    def begin(self, size: int, homes: tuple[int, int]) -> None:
        self.size = size
        self.world.begin(size, homes)

    def pick(self, number: int) -> Node:
        return self.world.open[number % len(self.world.open)]

    def guest(self, number: int) -> Guest:
        return self.world.guests[number % 2]

    @property
    def is_calm(self) -> bool:
        return self.stage.loop.now >= self.calm_from

    # Messages.

    @rule(place=PICK, kind=KINDS, who=PICK)
    def publish(self, place: int, kind: str, who: int) -> None:
        self.world.publish(self.pick(place), kind, self.guest(who))

    @rule(place=PICK, number=st.integers(2, 25))
    def publish_many(self, place: int, number: int) -> None:
        for _ in range(number):
            self.world.publish(self.pick(place), "g", self.guest(0))

    @rule()
    def everybody_publishes(self) -> None:
        for node in (*self.world.open, *self.world.draining):
            for guest in self.world.guests:
                self.world.publish(node, "one", guest)
            for kind in "gh":
                self.world.publish(node, kind, self.guest(0))

    @rule(who=PICK)
    def say(self, who: int) -> None:
        if self.guest(who).is_heard:
            self.world.say(self.guest(who))

    @rule(who=PICK)
    def ask(self, who: int) -> None:
        if self.guest(who).is_heard:
            self.world.ask(self.guest(who))

    @rule()
    def answer(self) -> None:
        self.world.answer()

    @rule(who=PICK, back=st.integers(0, 5))
    def acknowledge(self, who: int, back: int) -> None:
        if self.guest(who).is_heard:
            self.guest(who).acknowledge(back)

    # Clients.

    @rule(who=PICK, unread=st.integers(0, 6))
    def cut(self, who: int, unread: int) -> None:
        if self.guest(who).is_there:
            self.guest(who).cut(unread)

    @rule(who=PICK, place=PICK)
    def come_back(self, who: int, place: int) -> None:
        self.guest(who).knock(self.pick(place))

    @rule(who=PICK, place=PICK, joins=st.booleans())
    def change_groups(self, who: int, place: int, *, joins: bool) -> None:
        self.world.change(self.pick(place), self.guest(who), joins=joins)

    @rule(who=PICK, place=PICK)
    def close(self, who: int, place: int) -> None:
        self.world.close(self.pick(place), self.guest(who))

    @rule(milliseconds=st.sampled_from([0, 1, 2, 3, 5, 8, 20, 100]))
    def wait(self, milliseconds: int) -> None:
        self.stage.pass_by(milliseconds / 1000)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 9.0, 31.5]))
    def wait_long(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds))):
            self.stage.pass_by(min(1.0, seconds))
            self.look()

    # Gateways and links.

    @rule(place=PICK, other=PICK, seconds=st.sampled_from([0.0, 0.005, 0.05, 0.3]))
    def slow(self, place: int, other: int, seconds: float) -> None:
        one, two = self.pick(place), self.pick(other)
        self.stage.slow(one, two, seconds, seconds * 1.5 + 0.001)

    @precondition(lambda self: self.is_calm and not self.world.draining)
    @rule(place=PICK, seconds=st.floats(0.01, HICCUP))
    def cut_link(self, place: int, seconds: float) -> None:
        one, two = self.pick(place), self.pick(place + 1)
        self.calm_from = self.stage.loop.now + CALM
        self.stage.cut(one, two)
        self.stage.loop.call_later(seconds, self.stage.heal, one, two)

    @precondition(lambda self: len(self.world.open) > 1 and not self.world.draining)
    @rule(place=PICK)
    def drain(self, place: int) -> None:
        self.world.drain(self.pick(place), shaky=not self.is_calm)

    @precondition(lambda self: self.is_calm and len(self.world.open) > 1)
    @rule(place=PICK)
    def crash(self, place: int) -> None:
        self.calm_from = self.stage.loop.now + CALM
        self.world.crash(self.pick(place))

    @precondition(lambda self: len(self.stage.nodes) < self.size)
    @rule()
    def add(self) -> None:
        self.world.add()

    # What must hold.

    @invariant()
    def look(self) -> None:
        if self.size:
            self.world.look()

    def teardown(self) -> None:
        if self.size:
            self.world.rest()


ReliableSessions.TestCase.settings = settings(
    max_examples=600, stateful_step_count=50, deadline=None, derandomize=True
)
TestReliableSessions = ReliableSessions.TestCase
