"""The upstream of a hub: who gets which event, and what its answer means.

Knows nothing of how a handler works (``handler``) or comes to life (``workers``), of
which server is chosen (``seats``) or how it is given events (``attached``), and nothing
of what an event means to a connection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never, get_args

from hubbub.actors.attached import Attached
from hubbub.actors.facade import HubFacade
from hubbub.actors.ledger import Ledger, key_of
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import absence, event_name, failure, fault
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restarted
from hubbub.actors.seats import Seat
from hubbub.actors.upstream_mail import (
    Configure,
    Declare,
    Expired,
    Host,
    Leave,
    Quiesce,
    Recall,
    Retire,
    ServerSetup,
    ToUpstream,
)
from hubbub.actors.workers import Revive, Worker, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.handler import HandlerSpec
    from hubbub.actors.messages import commands, internal
    from hubbub.actors.runtime.address import Address, Ref
    from hubbub.actors.seats import Key

logger = logging.getLogger(__name__)

_NOTICES = frozenset(get_args(events.Notice))


class Upstream(LoopActor):
    """Hands each event to who takes it, and waits for the answer.

    Servers and handlers take precedence as set; among handlers the first that takes
    the event gets it. A connection's events are dispatched in the order they come, but
    ``disconnected`` only once all others are done (event handlers, order and
    concurrency).

    Args:
        hub_name: Name of the hub.
        specs: The configured handlers.
        hub: Takes the commands of handlers, and what servers want to be told.
        setup: How attached servers are treated.
        subject_of: Gives a connection by id as a filter sees it.
        declared: What servers that are here take, from before a restart.
    """

    def __init__(
        self,
        hub_name: str,
        specs: tuple[HandlerSpec, ...],
        hub: Ref[internal.ToHubActor],
        setup: ServerSetup | None = None,
        subject_of: Callable[[str], commands.Subject | None] = lambda _: None,
        declared: tuple[Declare, ...] = (),
    ) -> None:
        super().__init__()
        self._specs = specs
        self.setup = setup or ServerSetup()
        self.ledger = Ledger(self)
        self._workers = Workers(self, HubFacade(hub_name, hub))
        self._servers = Attached(self, hub, subject_of)
        self._declared = declared

    def describe(self) -> str:
        """Name this actor in a trace."""
        return "Upstream"

    def on_start(self) -> None:
        """Start the handlers."""
        self._workers.configure(self._specs)
        declared, self._declared = self._declared, ()
        for declare in declared:
            self._servers.declare(declare)

    def on_receive(self, message: ToUpstream) -> None:
        """Dispatch an event, or hear how one ended."""
        match message:
            case events.Delivery():
                if self.ledger.may_go(message):
                    self.dispatch(message)
            case events.Answered(connection_id=connection_id, event_id=event_id):
                self._answered((connection_id, event_id), message.outcome)
            case Expired(key=key, turn=turn):
                self._expired(key, turn)
            case Declare():
                self._servers.declare(message)
            case Retire(server=server, receipt=receipt):
                self._servers.retire(server, receipt)
            case Leave(server=server):
                self._servers.leave(server)
            case Host(server=server, delivery=delivery, back=back):
                self._servers.host(delivery, server, back)
            case Recall(key=key):
                self._servers.recall(key)
            case Configure(specs=specs, setup=setup):
                self.setup = setup
                self._workers.configure(specs)
            case Quiesce(receipt=receipt):
                self.ledger.when_quiet(receipt)
            case Revive(worker=worker):
                self._workers.revive(worker)
            case Ended(ref=ref, reason=reason):
                self._ended(ref, reason)
            case Restarted():
                pass  # no handler has a policy
            case _:
                assert_never(message)

    def now(self) -> float:
        """Give the time in seconds, for this actor's parts."""
        return self.dispatcher.now()

    # Events.

    def dispatch(self, delivery: events.Delivery) -> None:
        """Give an event, for the first time or again, to who takes it now."""
        event = delivery.event
        match self._choose(event):
            case Seat() as seat:
                self._servers.give(delivery, seat)
            case Worker() as worker:
                self._employ(delivery, worker)
            case None if self._servers.are_expected(event):
                self._servers.wait(delivery)
            case None:
                self._not_found(delivery)

    def _choose(self, event: events.Event) -> Seat | Worker | None:
        if self.setup.first:
            return self._servers.seats.choose(event) or self._workers.choose(event)
        return self._workers.choose(event) or self._servers.seats.choose(event)

    def _employ(self, delivery: events.Delivery, worker: Worker) -> None:
        event, spec = delivery.event, worker.handler.spec
        if worker.address is None:
            logger.warning("handler %s is down: %s fails", spec.name, _at(event))
            self.end(delivery, failure(event, "The event handler is not available."))
            return
        self.ledger.hold(delivery, worker, spec.timeout)
        self._workers.begun(worker)
        worker.address.post(events.Delivery(event, self.address))

    def _not_found(self, delivery: events.Delivery) -> None:
        """Accept, fail or drop what nobody takes (event handlers, nothing matches)."""
        event = delivery.event
        match event:
            case events.Connect():
                self.end(delivery, events.Accept())
            case events.Publish() | events.Subscribe():
                self.end(delivery, events.Allow())
            case events.UserEvent(event=name):
                logger.warning("no handler takes %s", _at(event))
                self.end(
                    delivery, events.Fail(f"No event handler for the event {name}.")
                )
            case _:
                self.end(delivery, None)

    # Answers.

    def _answered(self, key: Key, outcome: events.Outcome | None) -> None:
        pending = self.ledger.find(key)
        if pending is None:
            logger.debug("late answer to event %d of connection %s", key[1], key[0])
            return
        event = pending.delivery.event
        wrong = fault(event, outcome)
        if wrong is not None:
            name = _name(pending.taker)
            logger.error("%s gave no answer to %s: %s", name, _at(event), wrong)
            outcome = failure(event, "The event handler failed.")
        # Nobody waits for what a notice comes to.
        self._finish(key, None if type(event) in _NOTICES else outcome)

    def _expired(self, key: Key, turn: int) -> None:
        pending = self.ledger.find(key)
        if pending is None or pending.turn != turn:
            return  # answered, or given to another, while this was in the mail
        event, taker = pending.delivery.event, pending.taker
        logger.warning("%s did not answer %s in time", _name(taker), _at(event))
        if taker is None:
            self._finish(key, absence(event))
            return
        if isinstance(taker, Seat) and key in taker.under_way:
            taker.server.post(events.Withdrawn(*key))
        reason = "The event handler did not answer in time."
        self._finish(key, failure(event, reason))

    def end(self, delivery: events.Delivery, outcome: events.Outcome | None) -> None:
        """Answer an event, whether it is under way or not yet."""
        key = key_of(delivery)
        if self.ledger.find(key) is not None:
            self._finish(key, outcome)
        else:
            _reply(delivery, outcome)
            self._forget(delivery.event, outcome)

    def _finish(self, key: Key, outcome: events.Outcome | None) -> None:
        pending = self.ledger.close(key)
        if self._servers.is_hosted(key):
            _report(pending.delivery, outcome)
        else:
            _reply(pending.delivery, outcome)
        if isinstance(pending.taker, Worker):
            self._workers.done(pending.taker)
        else:
            self._servers.over(key, pending.taker)
        self._forget(pending.delivery.event, outcome)
        held = self.ledger.leave(key[0], outcome)
        if held is not None:
            self.dispatch(held)
        self.ledger.tell_quiet()

    def _forget(self, event: events.Event, outcome: events.Outcome | None) -> None:
        """Forget who had a connection's events, once there will be no more."""
        if isinstance(event, events.Disconnected) or isinstance(outcome, events.Reject):
            self._servers.seats.forget(event.client.connection_id)

    # The end of a handler, or of all.

    def _ended(self, ref: Address, reason: BaseException | None) -> None:
        """Fail what an instance had."""
        worker = self._workers.lost(ref, reason)
        if worker is None:
            return
        for key, pending in self.ledger.all():
            if pending.taker is worker:
                event = pending.delivery.event
                self._finish(key, failure(event, "The event handler failed."))

    def _abandon(self) -> None:
        """Leave nobody waiting: what comes from now on, this instance will not hear."""
        for pending in self.ledger.abandon():
            event = pending.delivery.event
            _reply(pending.delivery, failure(event, "The event handler failed."))
        self.ledger.tell_quiet()

    def on_stop(self) -> None:
        """Leave nobody waiting."""
        self._abandon()

    def on_broken(self) -> None:
        """Leave nobody waiting; handlers end with this instance."""
        self._abandon()


def _reply(delivery: events.Delivery, outcome: events.Outcome | None) -> None:
    """Answer the connection; it does not wait for notices."""
    if outcome is not None:
        _report(delivery, outcome)


def _report(delivery: events.Delivery, outcome: events.Outcome | None) -> None:
    """Answer whoever gave the event; an upstream elsewhere waits for notices too."""
    event = delivery.event
    delivery.reply_to.post(
        events.Answered(event.client.connection_id, event.event_id, outcome)
    )


def _name(taker: Worker | Seat | None) -> str:
    """Name who has an event, in a log line."""
    match taker:
        case Worker(handler=handler):
            return f"handler {handler.spec.name}"
        case Seat():
            return "an attached server"
        case None:
            return "no server"


def _at(event: events.Event) -> str:
    """Name an event in a log line."""
    return f"{event_name(event)} of connection {event.client.connection_id}"
