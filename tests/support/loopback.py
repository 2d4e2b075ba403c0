"""A wire that stays in this process: what gateways tell each other, and what may fail.

It runs on any loop: on virtual time, a network whose faults are a test's; on the real
one, the wire that the contract suite compares with ZeroMQ.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.peers import FromWire, Packet
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Loop

    Pair: TypeAlias = tuple[str, str]
    """From one endpoint to another."""

SCHEME = "loopback://"


class LoopbackNetwork:
    """Carries packets between the wires of one process.

    A packet that is sent while its way is cut is lost, and so is one under way at the
    cut, as when a connection is reset; one whose channel is closed may be. On a way
    that is held they wait.

    Args:
        loop: Whose time passes while a packet is under way.
        chance: Decides how long that is.
        delays: The shortest and the longest time of a packet.
        passing: What a packet becomes on its way: as a rule, what it was.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        chance: random.Random | None = None,
        delays: tuple[float, float] = (0.0, 0.0),
        passing: Callable[[Packet], FromWire] = lambda packet: packet,
    ) -> None:
        self.loop = loop
        self.chance = chance or random.Random(0)
        self.delays = delays
        self.passing = passing
        self.tap: Callable[[str, str, Packet], None] = lambda *_: None
        """Sees what is sent, before it may be lost: from, to, and what."""
        self._wires: dict[str, LoopbackWire] = {}
        self._cut: dict[Pair, None] = {}
        self._resets: dict[Pair, int] = {}
        self._held: dict[Pair, list[LoopbackChannel]] = {}

    def wire(self, endpoint: str, loop: Loop | None = None) -> LoopbackWire:
        """Make the wire of a gateway at an endpoint.

        Args:
            endpoint: Where it is, ``loopback://`` and a name.
            loop: In whose turns packets come in, if it is not the network's: that of
                a process which can stop or die.
        """
        return LoopbackWire(self, endpoint, loop or self.loop)

    # Faults.

    def cut(self, source: str, target: str) -> None:
        """Lose what is under way in one direction, and all that comes, until healed."""
        pair = (source, target)
        self._cut[pair] = None
        self._resets[pair] = self._resets.get(pair, 0) + 1

    def hold(self, source: str, target: str) -> None:
        """Keep what arrives in one direction until healed; then it gets there."""
        self._held.setdefault((source, target), [])

    def heal(self, source: str, target: str) -> None:
        """Let packets pass again in one direction."""
        self._cut.pop((source, target), None)
        for channel in self._held.pop((source, target), ()):
            self._arrive(channel)

    def crash(self, endpoint: str) -> None:
        """End a wire without a word; what it sent may still get there."""
        wire = self._wires.get(endpoint)
        if wire is not None:
            wire.close()

    def inject(self, target: str, packet: FromWire) -> None:
        """Let a packet in that nobody sent, or that came before."""
        wire = self._wires.get(target)
        if wire is not None:
            wire.take(packet)

    # For wires.

    def enter(self, wire: LoopbackWire) -> None:
        """Let a wire be reached, in place of one that was there before."""
        self._wires[wire.endpoint] = wire

    def leave(self, wire: LoopbackWire) -> None:
        """Let a wire be reached no more."""
        if self._wires.get(wire.endpoint) is wire:
            del self._wires[wire.endpoint]

    def carry(self, channel: LoopbackChannel, packet: Packet) -> None:
        """Take a packet to where its channel leads, in order, or lose it."""
        source, target = pair = (channel.source, channel.target)
        self.tap(source, target, packet)
        wire = self._wires.get(target)
        if wire is None or pair in self._cut:
            return
        channel.under_way.append((packet, wire, self._resets.get(pair, 0)))
        now = self.loop.time()
        due = now + self.chance.uniform(*self.delays)
        # Later ones never get there first: it is one connection.
        channel.due = due = max(due, channel.due)
        self.loop.call_later(due - now, self._arrive, channel)

    def give_up(self, channel: LoopbackChannel) -> None:
        """Lose what is under way on a channel that is closed, or not."""
        if self.chance.random() < 0.5:
            channel.lost = len(channel.under_way)

    def _arrive(self, channel: LoopbackChannel) -> None:
        """Let the oldest packet of a channel in, if no reset came between."""
        pair = (channel.source, channel.target)
        if pair in self._held:
            self._held[pair].append(channel)
            return
        packet, wire, resets = channel.under_way.popleft()
        if channel.lost:
            channel.lost -= 1
        elif self._resets.get(pair, 0) == resets:
            wire.take(self.passing(packet))


class LoopbackWire:
    """Implements the port ``Wire`` on a loopback network."""

    def __init__(self, network: LoopbackNetwork, endpoint: str, loop: Loop) -> None:
        self.endpoint = endpoint
        self._network = network
        self._loop = loop
        self._arrivals: Ref[FromWire] | None = None
        self._closed = False

    def open(self, arrivals: Ref[FromWire]) -> None:
        self._arrivals = arrivals
        self._network.enter(self)

    def dial(self, endpoint: str) -> LoopbackChannel:
        if not endpoint.startswith(SCHEME):
            raise ValueError(f"this wire goes to {SCHEME} only, not to {endpoint}")
        return LoopbackChannel(self, endpoint)

    def close(self) -> None:
        self._closed = True
        self._network.leave(self)

    # For channels and the network.

    def send(self, channel: LoopbackChannel, packet: Packet) -> None:
        """Send while open."""
        if not self._closed:
            self._network.carry(channel, packet)

    def give_up(self, channel: LoopbackChannel) -> None:
        """Close a channel."""
        self._network.give_up(channel)

    def take(self, packet: FromWire) -> None:
        """Let a packet in, in the turns of the loop of this process."""
        self._loop.call_soon(self._let_in, packet)

    def _let_in(self, packet: FromWire) -> None:
        if not self._closed and self._arrivals is not None:
            self._arrivals.post(packet)


class LoopbackChannel:
    """Implements the port ``Channel``: one connection, in order."""

    def __init__(self, wire: LoopbackWire, target: str) -> None:
        self.source = wire.endpoint
        self.target = target
        self.due = 0.0
        """When the packet that was sent last gets there."""
        self.under_way: deque[tuple[Packet, LoopbackWire, int]] = deque()
        """Each with whom it goes to, and how many resets it knows of."""
        self.lost = 0
        """How many of them, the oldest, do not get there."""
        self._wire: LoopbackWire | None = wire

    def send(self, packet: Packet) -> None:
        if self._wire is not None:
            self._wire.send(self, packet)

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.give_up(self)
