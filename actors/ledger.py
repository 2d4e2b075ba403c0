"""What an upstream has under way: who has which event, until when, in what order.

A part of the upstream: it runs in the upstream's turns. It keeps books and sets timers;
whom to give an event and what an answer means, others decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.lanes import Lanes
from hubbub.actors.messages import commands, events
from hubbub.actors.runtime.ports import Timer
from hubbub.actors.seats import Key, Seat
from hubbub.actors.upstream_mail import Expired
from hubbub.actors.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.runtime.actor import LoopActor


class Pending(msgspec.Struct, frozen=True):
    """An event under way: whom to answer, who has it (or will), when it expires.

    Nobody has it while it waits for a server to attach.
    """

    delivery: events.Delivery
    taker: Worker | Seat | None
    timer: Timer
    turn: int


class Ledger:
    """The events under way, by connection and number.

    Args:
        upstream: Whose timers they are; it is told ``Expired``.
    """

    def __init__(self, upstream: LoopActor) -> None:
        self._upstream = upstream
        self._pending: dict[Key, Pending] = {}
        self._turns = 0
        self._lanes = Lanes()
        self._quiet: list[commands.Receipt] = []

    def may_go(self, delivery: events.Delivery) -> bool:
        """Tell whether an event may be dispatched now; else it is kept until later."""
        return self._lanes.may_go(delivery)

    def hold(
        self, delivery: events.Delivery, taker: Worker | Seat | None, seconds: float
    ) -> Key:
        """Remember an event until it is answered, or until its time is up."""
        key = key_of(delivery)
        before = self._pending.get(key)
        if before is None:
            self._lanes.enter(key[0])
        else:
            before.timer.cancel()
        self._turns = turn = self._turns + 1
        timer = self._upstream.after(seconds, Expired(key, turn))
        self._pending[key] = Pending(delivery, taker, timer, turn)
        return key

    def find(self, key: Key) -> Pending | None:
        """Give an event under way."""
        return self._pending.get(key)

    def delivery(self, key: Key) -> events.Delivery:
        """Give an event that is known to be under way."""
        return self._pending[key].delivery

    def all(self) -> Iterable[tuple[Key, Pending]]:
        """Give what is under way, as it is now."""
        return tuple(self._pending.items())

    def close(self, key: Key) -> Pending:
        """Take out an event that is over; ``leave`` says what its end sets free."""
        pending = self._pending.pop(key)
        pending.timer.cancel()
        return pending

    def leave(
        self, connection_id: str, outcome: events.Outcome | None
    ) -> events.Delivery | None:
        """Give the end of a connection that waited for this event, if one did."""
        return self._lanes.leave(connection_id, outcome)

    def when_quiet(self, receipt: commands.Receipt) -> None:
        """Pay once nothing is under way."""
        self._quiet.append(receipt)
        self.tell_quiet()

    def tell_quiet(self) -> None:
        """Pay those who wait for quiet, if it is."""
        if self._quiet and not self._pending:
            waiting, self._quiet = self._quiet, []
            for receipt in waiting:
                receipt.pay()

    def abandon(self) -> Iterable[Pending]:
        """Give up what is under way; the timers end with their actor."""
        pending, self._pending = tuple(self._pending.values()), {}
        return pending


def key_of(delivery: events.Delivery) -> Key:
    """Give the key of an event."""
    return (delivery.event.client.connection_id, delivery.event.event_id)
