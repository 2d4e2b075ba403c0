"""The attached servers of a hub as its upstream sees them: who takes and who has what.

A part of the upstream: it runs in the upstream's turns, and only the upstream may touch
it. It chooses and remembers; it sends nothing and knows no time but what it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from hubbub.actors.policy.rules import kind_of, takes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from hubbub.actors.messages import events
    from hubbub.actors.messages.commands import Receipt, Subject
    from hubbub.actors.messages.servers import Rule
    from hubbub.actors.runtime.address import Ref

Key: TypeAlias = tuple[str, int]
"""Connection id and event id: unique among what is under way."""

ServerRef: TypeAlias = "Ref[events.Delivery | events.Withdrawn]"
"""A server's actor, or who stands for one that is attached to another gateway."""

MOST_RULES: Final = 1000
"""Different rules that a hub remembers."""

FEW_REGULARS: Final = 1024
"""Connections below which nobody looks for those that have gone unheard."""


class Seat:
    """One attached server: what it takes, what it has, what waits for it."""

    __slots__ = (
        "quiet",
        "remote",
        "retiring",
        "rules",
        "server",
        "supersedes",
        "under_way",
        "waiting",
        "window",
    )

    def __init__(self, server: ServerRef, *, remote: bool = False) -> None:
        self.server = server
        self.remote = remote
        """Whether it is attached to another gateway."""
        self.rules: dict[str, tuple[Rule, ...]] = {}
        self.window = 0
        self.under_way: dict[Key, None] = {}
        """Events it has and has not answered."""
        self.waiting: dict[Key, None] = {}
        """Events that wait until it has answered others."""
        self.retiring = False
        self.supersedes = False
        self.quiet: tuple[Receipt, ...] = ()
        """What to pay once a retiring server has answered everything."""

    def has_room(self) -> bool:
        """Tell whether it may be given another event."""
        return len(self.under_way) < self.window

    def load(self) -> tuple[int, bool]:
        """Count what it has to do; of two with as much, the one that is near counts."""
        return (len(self.under_way) + len(self.waiting), self.remote)

    def takes(self, event: events.Event, groups: Collection[str]) -> bool:
        """Tell whether one of its rules holds for an event."""
        rules = self.rules.get(kind_of(event), ())
        return any(takes(rule, event, groups) for rule in rules)

    def pay(self) -> None:
        """Tell a server that wanted to retire that it has nothing left."""
        receipts, self.quiet = self.quiet, ()
        for receipt in receipts:
            receipt.pay()

    def drop(self, key: Key) -> None:
        """Forget an event, wherever it was."""
        self.under_way.pop(key, None)
        self.waiting.pop(key, None)


class Seats:
    """All attached servers of a hub.

    Args:
        subject_of: Gives a connection by id as a filter sees it, None when it is not
            in the hub (before ``connect`` is answered, and after its end).
    """

    def __init__(self, subject_of: Callable[[str], Subject | None]) -> None:
        self._subject_of = subject_of
        self._seats: dict[ServerRef, Seat] = {}
        self._by_kind: dict[str, tuple[Seat, ...]] = {}
        self._known: dict[Rule, None] = {}
        # A connection's servers, so that it keeps them; nearly always one.
        self._regulars: dict[str, tuple[Seat, ...]] = {}
        self._most_regulars = FEW_REGULARS

    def declare(
        self,
        server: ServerRef,
        rules: Iterable[Rule],
        window: int,
        *,
        supersede: bool = False,
        remote: bool = False,
    ) -> bool:
        """Take a server in, or take what it declares instead of what it did before.

        What a server declared and dropped, nobody waits for any more.

        Args:
            server: Its address.
            rules: What it takes from now on.
            window: Events it may have unanswered.
            supersede: Whether, while it is here, only what attached servers declare
                is expected, and nothing of those who are gone.
            remote: Whether it is attached to another gateway.

        Returns:
            False when the hub knows too many rules; then nothing has changed.
        """
        seat = self._seats.get(server) or Seat(server, remote=remote)
        fresh: dict[str, tuple[Rule, ...]] = {}
        for rule in dict.fromkeys(rules):
            fresh[rule.kind] = (*fresh.get(rule.kind, ()), rule)
        kept = {rule for group in fresh.values() for rule in group}
        dropped = set(_rules(seat)) - kept
        others = [other for other in self._seats.values() if other is not seat]
        known = dict.fromkeys(rule for rule in self._known if rule not in dropped)
        if supersede or any(other.supersedes for other in others):
            known = {}
        for other in others:
            known |= dict.fromkeys(_rules(other))
        known |= dict.fromkeys(rule for group in fresh.values() for rule in group)
        if len(known) > MOST_RULES:
            return False
        seat.rules, seat.window, seat.retiring = fresh, window, False
        seat.supersedes = supersede
        self._seats[server], self._known = seat, known
        self._arrange()
        return True

    def find(self, server: ServerRef) -> Seat | None:
        """Give the seat of a server, if it has declared anything."""
        return self._seats.get(server)

    def remove(self, server: ServerRef) -> Seat | None:
        """Take a server out; what it declared stays known, unless superseded."""
        seat = self._seats.pop(server, None)
        if seat is not None:
            left = self._seats.values()
            if any(other.supersedes for other in left):
                self._known = dict.fromkeys(r for other in left for r in _rules(other))
            self.unseat(seat)
        return seat

    def unseat(self, seat: Seat) -> None:
        """Choose a server no more."""
        seat.retiring = True
        self._arrange()

    def choose(self, event: events.Event) -> Seat | None:
        """Give the server that gets an event: the client's own, or the least busy."""
        candidates = self._by_kind.get(kind_of(event))
        if candidates is None:
            return None
        connection_id = event.client.connection_id
        groups = self._groups(connection_id)
        regulars = self._regulars.get(connection_id, ())
        for seat in regulars:
            if not seat.retiring and seat.takes(event, groups):
                return seat
        fitting = [seat for seat in candidates if seat.takes(event, groups)]
        if not fitting:
            return None
        best = min(fitting, key=Seat.load)
        left = tuple(seat for seat in regulars if not seat.retiring)
        self._regulars[connection_id] = (*left, best)
        if len(self._regulars) > self._most_regulars:
            self._sweep()
        return best

    def expects(self, event: events.Event) -> bool:
        """Tell whether a server that is gone declared to take an event."""
        kind = kind_of(event)
        rules = [rule for rule in self._known if rule.kind == kind]
        groups = self._groups(event.client.connection_id)
        return any(takes(rule, event, groups) for rule in rules)

    def forget(self, connection_id: str) -> None:
        """Forget which servers a connection had."""
        self._regulars.pop(connection_id, None)

    def _sweep(self) -> None:
        """Forget connections that never were in the hub: no event tells their end.

        Such a client left, or asked for what there is not, while ``connect`` was
        answered. One whose ``connect`` is still open merely loses its server.
        """
        self._regulars = {
            connection_id: seats
            for connection_id, seats in self._regulars.items()
            if self._subject_of(connection_id) is not None
        }
        self._most_regulars = max(FEW_REGULARS, 2 * len(self._regulars))

    def known(self, kind: str) -> tuple[Rule, ...]:
        """Give the rules of a kind, of servers attached and gone."""
        return tuple(rule for rule in self._known if rule.kind == kind)

    def _groups(self, connection_id: str) -> Collection[str]:
        subject = self._subject_of(connection_id)
        return () if subject is None else subject.groups

    def _arrange(self) -> None:
        by_kind: dict[str, tuple[Seat, ...]] = {}
        for seat in self._seats.values():
            if not seat.retiring:
                for kind in seat.rules:
                    by_kind[kind] = (*by_kind.get(kind, ()), seat)
        self._by_kind = by_kind


def _rules(seat: Seat) -> Iterable[Rule]:
    for rules in seat.rules.values():
        yield from rules
