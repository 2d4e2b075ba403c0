"""The upstream of a hub: which handler gets which event, for how long, in what order.

Owns the handlers' places and what is under way. Knows nothing of how a handler works
(``handler``) and nothing of what an event means to a connection. Longer than most
files: what is under way and the places that have it change in the same breath.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.facade import HubFacade
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import event_name, failure, fault, place_of
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.ports import Timer
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.messages import commands
    from hubbub.actors.runtime.address import Address

Key: TypeAlias = tuple[str, int]
"""Connection id and event id: unique among what is under way."""

RESTART = Restart()
"""The pauses before a handler that failed, or could not start, is built again."""

logger = logging.getLogger(__name__)


class Configure(msgspec.Struct, frozen=True):
    """Swap the handlers; one with an equal spec goes on undisturbed."""

    specs: tuple[HandlerSpec, ...]


class Quiesce(msgspec.Struct, frozen=True):
    """Post True once no event is under way, notices included."""

    answer: Ref[bool]


class Expired(msgspec.Struct, frozen=True):
    """An event's time is up, a message to oneself."""

    key: Key


class Revive(msgspec.Struct, frozen=True):
    """Build a handler again, a message to oneself."""

    worker: Worker


ToUpstream: TypeAlias = (
    events.Delivery
    | events.Answered
    | Configure
    | Quiesce
    | Expired
    | Revive
    | Ended
    | Restarted
)


class Worker:
    """One instance of a handler; without an address while it is down."""

    __slots__ = ("address", "born", "failures", "handler")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.address: Address | None = None
        self.failures = 0
        self.born = 0.0


class Handler:
    """One configured handler, with its instances."""

    __slots__ = ("retired", "spec", "under_way", "workers")

    def __init__(self, spec: HandlerSpec) -> None:
        self.spec = spec
        self.workers = tuple(Worker(self) for _ in range(spec.workers))
        self.under_way = 0
        self.retired = False


class Pending(msgspec.Struct, frozen=True):
    """An event under way: whom to answer, who has it, and when it expires."""

    delivery: events.Delivery
    worker: Worker
    timer: Timer


class Lane:
    """What one connection has under way, and its end that waits for the rest."""

    __slots__ = ("held", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        self.held: events.Delivery | None = None


class Upstream(LoopActor):
    """Hands each event to the first handler that takes it, and waits for the answer.

    A connection's events are dispatched in the order they come, but ``disconnected``
    only once all others are done (event handlers, order and concurrency).

    A handler is spawned without a restart policy, because its events must fail as soon
    as it ends: ``Ended`` tells at once, ``Restarted`` after the pause.
    """

    def __init__(
        self,
        hub_name: str,
        specs: tuple[HandlerSpec, ...],
        hub: Ref[commands.Command],
    ) -> None:
        super().__init__()
        self._specs = specs
        self._hub = HubFacade(hub_name, hub)
        self._handlers: tuple[Handler, ...] = ()
        self._workers: dict[Address, Worker] = {}
        self._pending: dict[Key, Pending] = {}
        self._lanes: dict[str, Lane] = {}
        self._quiet: list[Ref[bool]] = []

    def on_start(self) -> None:
        """Start the handlers."""
        self._configure(self._specs)

    def on_receive(self, message: ToUpstream) -> None:
        """Dispatch an event, or hear how one ended."""
        match message:
            case events.Delivery():
                self._deliver(message)
            case events.Answered(connection_id=connection_id, event_id=event_id):
                self._answered((connection_id, event_id), message.outcome)
            case Expired(key=key):
                self._expired(key)
            case Configure(specs=specs):
                self._configure(specs)
            case Quiesce(answer=answer):
                self._quiet.append(answer)
                self._tell_quiet()
            case Revive(worker=worker):
                if not worker.handler.retired:
                    self._start(worker)
            case Ended(ref=ref, reason=reason):
                self._ended(ref, reason)
            case Restarted():
                pass  # no handler has a policy
            case _:
                assert_never(message)

    # Events.

    def _deliver(self, delivery: events.Delivery) -> None:
        lane = self._lanes.get(delivery.event.client.connection_id)
        if lane is not None and isinstance(delivery.event, events.Disconnected):
            lane.held = delivery
        else:
            self._dispatch(delivery)

    def _dispatch(self, delivery: events.Delivery) -> None:
        event = delivery.event
        for handler in self._handlers:
            if handler.spec.matches(event):
                self._hand_over(handler, delivery)
                return
        self._not_found(delivery)

    def _hand_over(self, handler: Handler, delivery: events.Delivery) -> None:
        event = delivery.event
        connection_id = event.client.connection_id
        worker = handler.workers[place_of(connection_id, len(handler.workers))]
        if worker.address is None:
            logger.warning(
                "handler %s is down: %s fails", handler.spec.name, _at(event)
            )
            _reply(delivery, failure(event, "The event handler is not available."))
            return
        key = (connection_id, event.event_id)
        timer = self.after(handler.spec.timeout, Expired(key))
        self._pending[key] = Pending(delivery, worker, timer)
        self._lanes.setdefault(connection_id, Lane()).under_way += 1
        handler.under_way += 1
        worker.address.post(events.Delivery(event, self.address))

    def _not_found(self, delivery: events.Delivery) -> None:
        """Accept, fail or drop what nobody takes (event handlers, nothing matches)."""
        event = delivery.event
        match event:
            case events.Connect():
                _reply(delivery, events.Accept())
            case events.UserEvent(event=name):
                logger.warning("no handler takes %s", _at(event))
                _reply(delivery, events.Fail(f"No event handler for the event {name}."))
            case _:
                pass

    # Answers.

    def _answered(self, key: Key, outcome: events.Outcome | None) -> None:
        pending = self._pending.get(key)
        if pending is None:
            logger.debug("late answer to event %d of connection %s", key[1], key[0])
            return
        event = pending.delivery.event
        wrong = fault(event, outcome)
        if wrong is not None:
            name = pending.worker.handler.spec.name
            logger.error("handler %s gave no answer to %s: %s", name, _at(event), wrong)
            outcome = failure(event, "The event handler failed.")
        self._finish(key, outcome)

    def _expired(self, key: Key) -> None:
        pending = self._pending.get(key)
        if pending is not None:
            event = pending.delivery.event
            name = pending.worker.handler.spec.name
            logger.warning("handler %s did not answer %s in time", name, _at(event))
            reason = "The event handler did not answer in time."
            self._finish(key, failure(event, reason))

    def _finish(self, key: Key, outcome: events.Outcome | None) -> None:
        pending = self._pending.pop(key)
        pending.timer.cancel()
        _reply(pending.delivery, outcome)
        handler = pending.worker.handler
        handler.under_way -= 1
        self._release(key[0])
        if handler.retired and not handler.under_way:
            _stop(handler)
        self._tell_quiet()

    def _release(self, connection_id: str) -> None:
        lane = self._lanes[connection_id]
        lane.under_way -= 1
        if not lane.under_way:
            del self._lanes[connection_id]
            if lane.held is not None:
                self._dispatch(lane.held)

    def _tell_quiet(self) -> None:
        if self._quiet and not self._pending:
            waiting, self._quiet = self._quiet, []
            for answer in waiting:
                answer.post(True)

    # Handlers.

    def _configure(self, specs: tuple[HandlerSpec, ...]) -> None:
        before = list(self._handlers)
        after: list[Handler] = []
        for spec in specs:
            kept = next((known for known in before if known.spec == spec), None)
            if kept is not None:
                before.remove(kept)
            after.append(kept or self._begin(spec))
        self._handlers = tuple(after)
        for handler in before:
            handler.retired = True
            if not handler.under_way:
                _stop(handler)

    def _begin(self, spec: HandlerSpec) -> Handler:
        handler = Handler(spec)
        for worker in handler.workers:
            self._start(worker)
        return handler

    def _start(self, worker: Worker) -> None:
        spec = worker.handler.spec
        try:
            worker.address = self.spawn(lambda: spec.factory(self._hub))
        except Exception:
            logger.exception("handler %s cannot start", spec.name)
            self._revive_later(worker)
        else:
            worker.born = self.dispatcher.now()
            self._workers[worker.address] = worker

    def _revive_later(self, worker: Worker) -> None:
        worker.failures += 1
        self.after(RESTART.pause(worker.failures), Revive(worker))

    def _ended(self, ref: Address, reason: BaseException | None) -> None:
        worker = self._workers.pop(ref, None)
        if worker is None:
            return
        worker.address = None
        self._fail_all(worker)
        if worker.handler.retired:
            return
        if reason is None:  # a stop is a wish, not a failure
            logger.warning("handler %s has stopped itself", worker.handler.spec.name)
            return
        if self.dispatcher.now() - worker.born > RESTART.calm:
            worker.failures = 0
        self._revive_later(worker)

    def _fail_all(self, worker: Worker | None = None) -> None:
        """Fail what is under way, with one handler's instance or at all."""
        for key, pending in tuple(self._pending.items()):
            if worker is None or pending.worker is worker:
                event = pending.delivery.event
                self._finish(key, failure(event, "The event handler failed."))

    # The end.

    def on_stop(self) -> None:
        """Leave nobody waiting."""
        self._fail_all()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave nobody waiting; handlers end with this instance."""
        del exception_type, exception_value, traceback
        self._fail_all()


def _reply(delivery: events.Delivery, outcome: events.Outcome | None) -> None:
    """Answer the connection; it does not wait for notices."""
    if outcome is not None:
        event = delivery.event
        delivery.reply_to.post(
            events.Answered(event.client.connection_id, event.event_id, outcome)
        )


def _stop(handler: Handler) -> None:
    for worker in handler.workers:
        if worker.address is not None:
            worker.address.stop(block=False)


def _at(event: events.Event) -> str:
    """Name an event in a log line."""
    return f"{event_name(event)} of connection {event.client.connection_id}"
