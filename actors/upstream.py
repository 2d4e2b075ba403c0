"""The upstream of a hub: which handler gets which event, for how long, in what order.

Owns what is under way. Knows nothing of how a handler works (``handler``) or comes to
life (``workers``), and nothing of what an event means to a connection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.facade import HubFacade
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import event_name, failure, fault
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.ports import Timer
from hubbub.actors.runtime.supervision import Ended, Restarted
from hubbub.actors.workers import Revive, Worker, Workers

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.messages import commands
    from hubbub.actors.runtime.address import Address

Key: TypeAlias = tuple[str, int]
"""Connection id and event id: unique among what is under way."""

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
    """

    def __init__(
        self,
        hub_name: str,
        specs: tuple[HandlerSpec, ...],
        hub: Ref[commands.Command],
    ) -> None:
        super().__init__()
        self._specs = specs
        self._workers = Workers(self, HubFacade(hub_name, hub))
        self._pending: dict[Key, Pending] = {}
        self._lanes: dict[str, Lane] = {}
        self._quiet: list[Ref[bool]] = []

    def on_start(self) -> None:
        """Start the handlers."""
        self._workers.configure(self._specs)

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
                self._workers.configure(specs)
            case Quiesce(answer=answer):
                self._quiet.append(answer)
                self._tell_quiet()
            case Revive(worker=worker):
                self._workers.revive(worker)
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
        worker = self._workers.choose(event)
        if worker is None:
            self._not_found(delivery)
            return
        spec = worker.handler.spec
        if worker.address is None:
            logger.warning("handler %s is down: %s fails", spec.name, _at(event))
            _reply(delivery, failure(event, "The event handler is not available."))
            return
        connection_id = event.client.connection_id
        key = (connection_id, event.event_id)
        timer = self.after(spec.timeout, Expired(key))
        self._pending[key] = Pending(delivery, worker, timer)
        self._lanes.setdefault(connection_id, Lane()).under_way += 1
        self._workers.begun(worker)
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
        self._workers.done(pending.worker)
        self._release(key[0], outcome)
        self._tell_quiet()

    def _release(self, connection_id: str, outcome: events.Outcome | None) -> None:
        lane = self._lanes[connection_id]
        lane.under_way -= 1
        if lane.held is not None:
            lane.held = _informed(lane.held, outcome)
        if not lane.under_way:
            del self._lanes[connection_id]
            if lane.held is not None:
                self._dispatch(lane.held)

    def _tell_quiet(self) -> None:
        if self._quiet and not self._pending:
            waiting, self._quiet = self._quiet, []
            for answer in waiting:
                answer.post(True)

    # The end of a handler, or of all.

    def _ended(self, ref: Address, reason: BaseException | None) -> None:
        worker = self._workers.lost(ref, reason)
        if worker is not None:
            self._fail_all(worker)

    def _fail_all(self, worker: Worker | None = None) -> None:
        """Fail what is under way, with one handler's instance or at all."""
        for key, pending in tuple(self._pending.items()):
            if worker is None or pending.worker is worker:
                event = pending.delivery.event
                self._finish(key, failure(event, "The event handler failed."))

    def _abandon(self) -> None:
        """Leave nobody waiting: what comes from now on, this instance will not hear."""
        self._fail_all()
        self._pending.clear()
        self._tell_quiet()

    def on_stop(self) -> None:
        """Leave nobody waiting."""
        self._abandon()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave nobody waiting; handlers end with this instance."""
        del exception_type, exception_value, traceback
        self._abandon()


def _reply(delivery: events.Delivery, outcome: events.Outcome | None) -> None:
    """Answer the connection; it does not wait for notices."""
    if outcome is not None:
        event = delivery.event
        delivery.reply_to.post(
            events.Answered(event.client.connection_id, event.event_id, outcome)
        )


def _informed(held: events.Delivery, outcome: events.Outcome | None) -> events.Delivery:
    """Let an end that waits tell what was stored meanwhile (connection state)."""
    if not isinstance(outcome, events.Respond) or outcome.state is None:
        return held
    client = msgspec.structs.replace(held.event.client, state=outcome.state)
    event = msgspec.structs.replace(held.event, client=client)
    return events.Delivery(event, held.reply_to)


def _at(event: events.Event) -> str:
    """Name an event in a log line."""
    return f"{event_name(event)} of connection {event.client.connection_id}"
