"""How a hub's attached servers get events: windows, waiting, and a server's end.

A part of the upstream: it runs in the upstream's turns. Who is chosen is ``seats``'s
affair; this hands over, holds back, and gives on what a lost server had.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from hubbub.actors.ledger import key_of
from hubbub.actors.messages import events, internal
from hubbub.actors.policy.routes import absence, failure
from hubbub.actors.seats import Key, Seat, Seats, ServerRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.ledger import Ledger
    from hubbub.actors.messages.commands import Receipt, Subject
    from hubbub.actors.runtime.address import Address, Ref
    from hubbub.actors.upstream_mail import Declare, ServerSetup

MOST_WAITING: Final = 10_000
"""Events that may wait for a server; beyond it they fail at once."""

MOST_ATTEMPTS: Final = 3
"""Servers an event is given to, one after the other's end."""

logger = logging.getLogger(__name__)


class Desk(Protocol):
    """The upstream, as its servers' part needs it."""

    ledger: Ledger
    setup: ServerSetup

    @property
    def address(self) -> Address:
        """Where answers go."""

    def now(self) -> float:
        """Give the time in seconds."""

    def dispatch(self, delivery: events.Delivery) -> None:
        """Choose again who gets an event."""

    def end(self, delivery: events.Delivery, outcome: events.Outcome | None) -> None:
        """Answer an event, whether it is under way or not yet."""


class Attached:
    """The servers attached to one hub.

    Args:
        desk: The upstream.
        hub: Is told what servers want to be told.
        subject_of: Gives a connection by id as a filter sees it.
    """

    def __init__(
        self,
        desk: Desk,
        hub: Ref[internal.ToHubActor],
        subject_of: Callable[[str], Subject | None],
    ) -> None:
        self._desk = desk
        self._hub = hub
        self.seats = Seats(subject_of)
        self._waiting = 0
        self._vacant: dict[Key, None] = {}
        self._hosted: dict[Key, Ref[events.Withdrawn]] = {}
        self._left_at = desk.now()

    # Events.

    def give(self, delivery: events.Delivery, seat: Seat) -> None:
        """Hand an event to a server, or let it wait until the server has room."""
        if seat.has_room():
            key = self._desk.ledger.hold(delivery, seat, self._desk.setup.timeout)
            seat.under_way[key] = None
            again = events.Delivery(
                delivery.event, self._desk.address, delivery.attempt
            )
            seat.server.post(again)
        elif self._waiting >= MOST_WAITING:
            reason = "The servers are too busy."
            self._desk.end(delivery, failure(delivery.event, reason))
        else:
            key = self._desk.ledger.hold(delivery, seat, self._desk.setup.timeout)
            seat.waiting[key] = None
            self._waiting += 1

    def host(
        self,
        delivery: events.Delivery,
        server: Address,
        back: Ref[events.Withdrawn],
    ) -> None:
        """Hand over an event of another gateway's, which chose this server for it.

        If the server is gone, that gateway hears so, and chooses another.
        """
        seat, key = self.seats.find(server), key_of(delivery)
        if seat is None or self._desk.ledger.find(key) is not None:
            return
        if self._waiting >= MOST_WAITING and not seat.has_room():
            reason = "The servers are too busy."
            outcome = failure(delivery.event, reason)
            delivery.reply_to.post(events.Answered(*key, outcome))
            return
        self._hosted[key] = back
        self.give(delivery, seat)

    def is_hosted(self, key: Key) -> bool:
        """Tell whether an event is another gateway's."""
        return key in self._hosted

    def recall(self, key: Key) -> None:
        """Take an event back: its gateway's time is up, or a server's is elsewhere."""
        pending = self._desk.ledger.find(key)
        seat = None if pending is None else pending.taker
        if pending is None or not isinstance(seat, Seat):
            return
        if key in self._hosted:
            if key in seat.under_way:
                seat.server.post(events.Withdrawn(*key))
            self._drop_hosted(key, seat)
        elif seat.remote and key in seat.under_way:
            seat.drop(key)
            self._desk.dispatch(pending.delivery)
            if seat.retiring and not seat.under_way:
                seat.pay()

    def _drop_hosted(self, key: Key, seat: Seat) -> None:
        """Forget an event of another gateway's without an answer."""
        self._desk.ledger.close(key)
        self.over(key, seat)
        self._desk.ledger.leave(key[0], None)
        self._desk.ledger.tell_quiet()

    def are_expected(self, event: events.Event) -> bool:
        """Tell whether an event is for a server although none is there."""
        required = self._desk.setup.required and isinstance(event, events.Connect)
        return required or self.seats.expects(event)

    def wait(self, delivery: events.Delivery) -> None:
        """Wait for a server that was here before, but not for long."""
        desk = self._desk
        seconds = self._left_at + desk.setup.grace - desk.now()
        if seconds <= 0 or len(self._vacant) >= MOST_WAITING:
            desk.end(delivery, absence(delivery.event))
        else:
            self._vacant[desk.ledger.hold(delivery, None, seconds)] = None

    def over(self, key: Key, taker: Seat | None) -> None:
        """Hear that an event is over which a server had, or would have had."""
        self._hosted.pop(key, None)
        if taker is None:
            self._vacant.pop(key, None)
            return
        if key in taker.waiting:
            self._waiting -= 1
        taker.drop(key)
        if not taker.retiring:
            self._serve(taker)
        elif not taker.under_way:
            taker.pay()

    # Servers.

    def declare(self, declare: Declare) -> None:
        """Let a server take what it declares."""
        receipt = declare.receipt
        if not self.seats.declare(
            declare.server,
            declare.rules,
            declare.window,
            supersede=declare.supersede,
            remote=declare.remote,
        ):
            if receipt is not None:
                receipt.pay(found=False)
            return
        self._hub.post(self._attention(receipt))
        vacant, self._vacant = self._vacant, {}
        for key in vacant:
            self._desk.dispatch(self._desk.ledger.delivery(key))
        seat = self.seats.find(declare.server)
        if seat is not None:
            seat.pay()
            self._serve(seat)

    def retire(self, server: ServerRef, receipt: Receipt | None) -> None:
        """Give a server no more; pay once it has answered what it has."""
        seat = self.seats.find(server)
        if seat is not None:
            self._left_at = self._desk.now()
            self.seats.unseat(seat)
            self._give_back(seat)
            self._give_away(seat)
            if seat.under_way:
                seat.quiet += () if receipt is None else (receipt,)
                return
        if receipt is not None:
            receipt.pay()

    def leave(self, server: ServerRef) -> None:
        """Give to others what a server had that is gone."""
        seat = self.seats.remove(server)
        if seat is None:
            return
        self._left_at = self._desk.now()
        self._hub.post(self._attention(None))
        if seat.under_way:
            count = len(seat.under_way)
            logger.warning("a server is gone with %d events unanswered", count)
        for key in tuple(seat.under_way):
            if key in self._hosted:
                self._drop_hosted(key, seat)  # its own gateway gives it on
                continue
            seat.drop(key)
            again = self._desk.ledger.delivery(key)
            if again.attempt >= MOST_ATTEMPTS:
                reason = "The servers that had the event are gone."
                self._desk.end(again, failure(again.event, reason))
            else:
                attempt = again.attempt + 1
                self._desk.dispatch(msgspec.structs.replace(again, attempt=attempt))
        self._give_away(seat)  # behind what came before

    def _give_back(self, seat: Seat) -> None:
        """Let other gateways have again what waits for a server that wants no more."""
        for key in tuple(seat.waiting):
            back = self._hosted.get(key)
            if back is not None:
                self._drop_hosted(key, seat)
                back.post(events.Withdrawn(*key))

    def _give_away(self, seat: Seat) -> None:
        """Let others have what waits for a server."""
        for key in tuple(seat.waiting):
            if key in self._hosted:
                self._drop_hosted(key, seat)
                continue
            self._waiting -= 1
            seat.drop(key)
            self._desk.dispatch(self._desk.ledger.delivery(key))

    def _serve(self, seat: Seat) -> None:
        """Give a server that has room what waits for it, oldest first."""
        while seat.waiting and seat.has_room():
            key = next(iter(seat.waiting))
            self._waiting -= 1
            seat.drop(key)
            self.give(self._desk.ledger.delivery(key), seat)

    def _attention(self, receipt: Receipt | None) -> internal.Attention:
        known = self.seats.known
        return internal.Attention(
            bool(known("publish")),
            bool(known("subscribe")),
            tuple(rule.pattern for rule in known("joined")),
            tuple(rule.pattern for rule in known("left")),
            receipt=receipt,
        )
