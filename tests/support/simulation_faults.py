"""Faults of a simulated mesh, and what they excuse.

Two processes are parted while packets between them are lost or wait, or one of them is
stopped or not there. Parted for less than ``Pace.silence``, they lose nothing; for
longer, each may count the other as gone, and what was under way is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hubbub.actors.messages import peers

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from hubbub.actors.messages.mesh import Pace
    from support.simulation_world import Process, World


MOST_RECORDED: Final = 40
"""Packets of one direction that may be replayed."""


class Span(NamedTuple):
    """A time in which two processes were parted, one of them perhaps for good."""

    start: float
    end: float
    fatal: bool
    sudden: bool


class Outage:
    """What parts one process from another, until it ends.

    Args:
        start: When it began.
        fatal: Whether what is under way is lost, however short it is.
        sudden: Whether what was under way when it began is lost as well; not when one
            has left in order.
    """

    __slots__ = ("end", "fatal", "start", "sudden")

    def __init__(self, start: float, *, fatal: bool, sudden: bool) -> None:
        self.start = start
        self.end: float | None = None
        self.fatal = fatal
        self.sudden = sudden


class Outages:
    """When which processes were parted.

    Args:
        clock: Gives the time.
        pace: Decides how long is too long.
        longest: Longest time of a packet.
    """

    def __init__(self, clock: Callable[[], float], pace: Pace, longest: float) -> None:
        self._clock = clock
        self.knowing = pace.knowing - 0.01
        """A join that was acknowledged later may not be known everywhere."""
        self.patience = pace.knowing + pace.heartbeat + 2 * longest + 0.1
        """Longest time until a join is acknowledged although a peer does not know."""
        self.promptness = 4 * longest + 0.2
        """Longest time until what everyone hears is answered."""
        self.asking = pace.answer + pace.heartbeat + 2 * longest + 0.1
        """Longest time until it is said that somebody does not answer."""
        self.slack = pace.heartbeat + 5 * longest + 0.2
        """Until what was lost is missed and sent again."""
        self.bearable = pace.silence - 2 * pace.heartbeat - 2 * longest - 0.2
        """For so long a link can be cut, and nobody counts as gone.

        The last sign of life before the cut, and the first after it, may be that much
        earlier and later.
        """
        self.recovery = 2 * pace.heartbeat + 5 * longest + 0.5
        """Until processes that are parted no more know of each other again."""
        self._outages: dict[tuple[int, int], list[Outage]] = {}

    def begin(
        self, one: Process, other: Process, *, fatal: bool, sudden: bool = True
    ) -> Outage:
        outage = Outage(self._clock(), fatal=fatal, sudden=sudden)
        self._outages.setdefault(_pair(one, other), []).append(outage)
        return outage

    def end(self, outages: list[Outage]) -> None:
        for outage in outages:
            if outage.end is None:
                outage.end = self._clock()

    def parted(self, one: Process, other: Process, since: float) -> bool:
        """Tell whether two were parted at any time since then, or hardly before."""
        before = since - self.slack
        outages = self._outages.get(_pair(one, other), ())
        return any(one.end is None or one.end > before for one in outages)

    def excuse(self, one: Process, other: Process, time: float) -> bool:
        """Tell whether what was sent at a time may be lost."""
        return any(
            span.start - self.slack * span.sudden <= time <= span.end + self.recovery
            for span in self._spans(one, other)
            if span.fatal
        )

    def _spans(self, one: Process, other: Process) -> list[Span]:
        """Give the times in which two were parted; long ones are fatal.

        What follows upon another hardly later is one: not a sign of life came between.
        """
        spans: list[Span] = []
        now = self._clock()
        outages = self._outages.get(_pair(one, other), [])
        for outage in sorted(outages, key=lambda outage: outage.start):
            start, fatal, sudden = outage.start, outage.fatal, outage.sudden
            end = now if outage.end is None else outage.end
            if spans and start - spans[-1].end < self.slack:
                last = spans.pop()
                start, end = last.start, max(last.end, end)
                fatal, sudden = fatal or last.fatal, last.sudden
            fatal = fatal or end - start > self.bearable
            spans.append(Span(start, end, fatal, sudden))
        return spans


def _pair(one: Process, other: Process) -> tuple[int, int]:
    first, second = sorted((one.number, other.number))
    return first, second


class Faults:
    """Brings about faults, and ends them.

    Args:
        world: What they befall.
        outages: Where they are written down.
        chance: Decides.
    """

    def __init__(self, world: World, outages: Outages, chance: random.Random) -> None:
        self._world = world
        self._outages = outages
        self._chance = chance
        self._open: dict[int, Callable[[], None]] = {}
        self._last = 0
        self._recorded: dict[tuple[str, str], list[peers.Packet]] = {}
        world.network.tap = self._record
        self.last_words: Callable[[Process], None] = lambda _: None
        """Lets a process say something just before it leaves in order."""

    def strike(self, *, rough: bool) -> None:
        """Let something go wrong.

        Args:
            rough: Whether it may be more than a link can bear.
        """
        gentle = [self._cut, self._cut, self._hold, self._stop, self._replay]
        harsh = [self._crash, self._leave, self._garble]
        chance = self._chance
        kind = chance.choice(gentle + harsh if rough else gentle)
        bearable = self._outages.bearable
        seconds = chance.uniform(0.1, bearable)
        if rough and chance.random() < 0.5:
            seconds = chance.uniform(bearable, self._world.pace.silence + 1.0)
        kind(seconds)

    def end_all(self) -> None:
        """Heal everything now."""
        while self._open:
            next(iter(self._open.values()))()

    def forget(self) -> None:
        """Let go of what was recorded: it may refer to all the rest, untracked."""
        self._recorded.clear()

    def _until(self, seconds: float, end: Callable[[], None]) -> None:
        """End a fault later, or when all end, once."""
        self._last += 1
        number = self._last

        def over() -> None:
            if self._open.pop(number, None) is not None:
                end()

        self._open[number] = over
        self._world.loop.call_later(seconds, over)

    # Links.

    def _cut(self, seconds: float) -> None:
        self._part("cut", self._world.network.cut, seconds)

    def _hold(self, seconds: float) -> None:
        self._part("held", self._world.network.hold, seconds)

    def _part(self, how: str, act: Callable[[str, str], None], seconds: float) -> None:
        world, chance = self._world, self._chance
        one, other = chance.sample(world.processes, 2)
        both = chance.random() < 0.6
        ways = [(one, other), (other, one)] if both else [(one, other)]
        outages = self._parted(one, other, fatal=False)
        arrow = "<->" if both else "->"
        world.note(one, arrow, other, how, f"for {seconds:.2f} s")
        for source, target in ways:
            act(source.endpoint, target.endpoint)

        def heal() -> None:
            world.note(one, arrow, other, "healed")
            for source, target in ways:
                world.network.heal(source.endpoint, target.endpoint)
            self._outages.end(outages)

        self._until(seconds, heal)

    def _record(self, source: str, target: str, packet: peers.Packet) -> None:
        recorded = self._recorded.setdefault((source, target), [])
        if len(recorded) < MOST_RECORDED:
            recorded.append(packet)
        elif self._chance.random() < 0.05:
            del recorded[: MOST_RECORDED // 2]

    def _replay(self, seconds: float) -> None:
        """Let what was said in one direction be said once more, or a part of it."""
        del seconds
        source, target = self._chance.choice(list(self._recorded))
        packets = self._recorded[source, target]
        if self._chance.random() < 0.5:
            packets = self._chance.sample(packets, min(3, len(packets)))
        self._world.note("replayed", source, target, len(packets), "packets")
        for packet in tuple(packets):
            self._world.network.inject(target, packet)

    def _garble(self, seconds: float) -> None:
        """Let a batch come that cannot be read."""
        del seconds
        batches = [
            (source, target, packet)
            for (source, target), packets in self._recorded.items()
            for packet in packets[-10:]
            if isinstance(packet, peers.Batch)
        ]
        if not batches:
            return
        source, target, packet = self._chance.choice(batches)
        ends = [
            one for one in self._world.processes if one.endpoint in {source, target}
        ]
        outage = self._outages.begin(*ends, fatal=True)
        self._world.note("garbled", source, target)
        garbled = peers.Malformed(packet.gateway, packet.tag, "it is garbled")
        self._world.network.inject(target, garbled)
        self._outages.end([outage])

    # Processes.

    def _parted(self, one: Process, other: Process, *, fatal: bool) -> list[Outage]:
        """Note that two are parted, and who cannot meet because of it."""
        outages = [self._outages.begin(one, other, fatal=fatal)]
        for stranger, known in ((one, other), (other, one)):
            # It has just come, and may know of the third by this one alone.
            if self._world.now - stranger.since < self._outages.recovery:
                outages += [
                    self._outages.begin(stranger, third, fatal=True)
                    for third in self._world.processes
                    if third not in {stranger, known} and stranger.seeds == (known,)
                ]
        return outages

    def _begin(self, process: Process, *, fatal: bool) -> list[Outage]:
        outages = []
        for other in self._world.processes:
            if other is not process:
                outages += self._parted(process, other, fatal=fatal)
        return outages

    def _stop(self, seconds: float) -> None:
        running = [one for one in self._world.running if not one.leaving]
        if not running:
            return
        process = self._chance.choice(running)
        outages = self._begin(process, fatal=False)
        life, timers_first = process.life, self._chance.random() < 0.5
        process.stop()

        def carry_on() -> None:
            if process.life == life and process.up:
                process.carry_on(timers_first=timers_first)
            self._outages.end(outages)

        self._until(seconds, carry_on)

    def _crash(self, seconds: float) -> None:
        up = [one for one in self._world.processes if one.up]
        if not up:
            return
        process = self._chance.choice(up)
        outages = self._begin(process, fatal=True)
        process.crash()
        self._return(process, outages, seconds)

    def _leave(self, seconds: float) -> None:
        running = [one for one in self._world.running if not one.leaving]
        if not running:
            return
        process, since = self._chance.choice(running), self._world.now
        others = [one for one in self._world.processes if one is not process]

        def gone() -> None:
            outages = []
            for one in others:
                # Nothing is lost, unless it could not be said in time.
                sudden = self._outages.parted(process, one, since)
                outage = self._outages.begin(process, one, fatal=True, sudden=sudden)
                if sudden:
                    outage.start = since
                outages.append(outage)
            self._return(process, outages, seconds)

        self.last_words(process)
        process.leave(gone)

    def _return(self, process: Process, outages: list[Outage], seconds: float) -> None:
        def start() -> None:
            others = [one for one in self._world.processes if one is not process]
            one = self._chance.choice(others)
            # One that lives is enough, but how would it know which?
            process.start(others if self._open else [one])
            self._outages.end(outages)

        self._until(seconds, start)
