"""The instances of a hub's event handlers: who takes an event, who is down.

A part of the upstream: it runs in the upstream's turns, and only the upstream may touch
it. Of events it knows how many a handler has; their order and time it does not know.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.policy.routes import place_of
from hubbub.actors.runtime.supervision import Restart

if TYPE_CHECKING:
    from hubbub.actors.facade import HubFacade
    from hubbub.actors.handler import HandlerSpec
    from hubbub.actors.messages import events
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address

RESTART = Restart()
"""The pauses before a handler that failed, or could not start, is built again."""

logger = logging.getLogger(__name__)


class Revive(msgspec.Struct, frozen=True):
    """Build an instance again, a message of the upstream to itself."""

    worker: Worker


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

    def stop(self) -> None:
        """Let every instance end after the mail it has."""
        for worker in self.workers:
            if worker.address is not None:
                worker.address.end()


class Workers:
    """Starts, revives and retires the instances of one hub's handlers.

    They are spawned without a restart policy, because their events must fail as soon
    as they end: ``Ended`` tells at once, ``Restarted`` after the pause.

    Args:
        upstream: The actor whose children they are.
        hub: What they are given to talk back to.
    """

    def __init__(self, upstream: LoopActor, hub: HubFacade) -> None:
        self._upstream = upstream
        self._hub = hub
        self._handlers: tuple[Handler, ...] = ()
        self._by_address: dict[Address, Worker] = {}

    def configure(self, specs: tuple[HandlerSpec, ...]) -> None:
        """Swap the handlers; one with an equal spec goes on undisturbed."""
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
                handler.stop()

    def choose(self, event: events.Event) -> Worker | None:
        """Give the first handler that takes the event: the client's instance of it."""
        for handler in self._handlers:
            if handler.spec.matches(event):
                workers = handler.workers
                return workers[place_of(event.client.connection_id, len(workers))]
        return None

    def begun(self, worker: Worker) -> None:
        """Hear that an instance was handed an event."""
        worker.handler.under_way += 1

    def done(self, worker: Worker) -> None:
        """Hear that an event is over; a retired handler ends with its last."""
        handler = worker.handler
        handler.under_way -= 1
        if handler.retired and not handler.under_way:
            handler.stop()

    def lost(self, ref: Address, reason: BaseException | None) -> Worker | None:
        """Hear that a child has ended; gives the instance it was, if it was one."""
        worker = self._by_address.pop(ref, None)
        if worker is None:
            return None
        worker.address = None
        if worker.handler.retired:
            return worker
        if reason is None:  # a stop is a wish, not a failure
            logger.warning("handler %s has stopped itself", worker.handler.spec.name)
            return worker
        if self._upstream.dispatcher.now() - worker.born > RESTART.calm:
            worker.failures = 0
        self._revive_later(worker)
        return worker

    def revive(self, worker: Worker) -> None:
        """Build an instance again, unless nobody wants it any more."""
        if not worker.handler.retired:
            self._start(worker)

    def _begin(self, spec: HandlerSpec) -> Handler:
        handler = Handler(spec)
        for worker in handler.workers:
            self._start(worker)
        return handler

    def _start(self, worker: Worker) -> None:
        spec = worker.handler.spec
        try:
            worker.address = self._upstream.spawn(lambda: spec.factory(self._hub))
        except Exception:
            logger.exception("handler %s cannot start", spec.name)
            self._revive_later(worker)
        else:
            worker.born = self._upstream.dispatcher.now()
            self._by_address[worker.address] = worker

    def _revive_later(self, worker: Worker) -> None:
        worker.failures += 1
        self._upstream.after(RESTART.pause(worker.failures), Revive(worker))
