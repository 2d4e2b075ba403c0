"""The runtime on the loop: actors that take turns instead of having a thread.

Built on pykka's hooks, which only this module and ``thread`` call. See docs/decisions
for why.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pykka
from pykka._envelope import Envelope

from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.dispatcher import Dispatcher
    from hubbub.actors.runtime.ports import Timer
    from hubbub.actors.runtime.supervision import Place, Restart

T = TypeVar("T")

logger = logging.getLogger(__name__)


class LoopActor(pykka.Actor):
    """An actor that takes its turns on the dispatcher of the gateway it belongs to.

    A handler is a plain ``def``, short, and runs to completion. Waiting is a message
    to oneself: ``pipe`` and ``after``.
    """

    registered: ClassVar[bool] = False
    """Whether pykka's global registry lists it: a scan at each end, so few may."""

    lane: ClassVar[bool] = False
    """Whether its turns come at the end of the round, or when the round is settled."""

    def __init__(self) -> None:
        # Not pykka's constructor: it makes a UUID and a threading.Event, and a place
        # brings its own mailbox and address, which outlive this instance.
        place = supervision.place_being_filled()
        place.furnish(place.inbox or place.dispatcher.mailbox(), place.stopped)
        self._place = place
        self._started = False
        self._halted = False
        self.actor_urn = place.address.actor_urn
        self.actor_inbox = place.inbox
        self.actor_stopped = place.stopped
        self._actor_ref = place.address

    @property
    def address(self) -> Address:
        """Where to send mail for this place; it outlives the instance."""
        address: Address = self._place.address
        return address

    @property
    def dispatcher(self) -> Dispatcher:
        """The turns this actor takes."""
        return self._place.dispatcher

    def describe(self) -> str:
        """Say which actor of its kind this is, for traces; holds no secret."""
        return type(self).__name__

    def spawn(
        self, factory: Callable[[], pykka.Actor], *, restart: Restart | None = None
    ) -> Address:
        """Start a child; its end is told by an ``Ended`` message."""
        return supervision.spawn(
            self._place.dispatcher, factory, parent=self._place, restart=restart
        )

    def after(self, seconds: float, message: Any) -> Timer:
        """Post a message to oneself later; called off when this actor ends."""
        place = self._place
        timer = _OwnedTimer(place, message)
        timer.start(seconds)
        return timer

    def pipe(
        self,
        work: Coroutine[Any, Any, T],
        to: Callable[[T], Any],
        failed: Callable[[BaseException], Any],
    ) -> None:
        """Run a coroutine and post its outcome to oneself as a message.

        Args:
            work: What to wait for.
            to: Makes the message from the result.
            failed: Makes the message from the exception (cancellation included).
        """
        task = self.dispatcher.start(work)
        place = self._place
        if place.timers is None:
            place.timers = {}
        place.timers[task] = None

        def finished(task: Any) -> None:
            if place.timers is not None:
                place.timers.pop(task, None)
            try:
                message = to(task.result())
            except BaseException as error:  # noqa: BLE001 - becomes a message
                message = failed(error)
            place.inbox.post(message)

        task.add_done_callback(finished)

    def on_broken(self) -> None:
        """Clean up after a failure; the exception has been logged."""

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clean up after a failure (pykka's hook); most override ``on_broken``."""
        del exception_type, exception_value, traceback
        self.on_broken()

    def take_turn(self, letters: list[Any]) -> int:
        """Handle letters in order; called by the mailbox alone.

        Returns:
            How many were handled before this instance stopped.
        """
        if not self._started:
            self._started = True
            self._actor_loop_setup()
        done = 0
        for letter in letters:
            if self._halted:
                break
            done += 1
            if type(letter) is Envelope:
                self._open_envelope(letter)
            else:
                try:
                    self.on_receive(letter)
                except Exception:  # noqa: BLE001 - supervision decides
                    self._handle_failure(*sys.exc_info())
        return done

    def _open_envelope(self, envelope: Envelope[Any]) -> None:
        reply_to = envelope.reply_to
        try:
            answer = self._handle_receive(envelope.message)
        except Exception:  # noqa: BLE001 - to the asker, or to supervision
            if reply_to is None:
                self._handle_failure(*sys.exc_info())
            else:
                reply_to.set_exception()
        else:
            if reply_to is not None:
                reply_to.set(answer)

    # pykka's hooks.

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise NotImplementedError("the place brings the mailbox")

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _start_actor_loop(self) -> None:
        if self.registered:
            pykka.ActorRegistry.register(self._actor_ref)
        self._place.inbox.bind(self)

    def _stop(self) -> None:
        self._unregister()
        self._halted = True
        self.actor_stopped.set()
        error: BaseException | None = None
        try:
            self.on_stop()
        except Exception as raised:
            logger.exception("%s failed while stopping", type(self).__name__)
            error = raised
        self._place.policy = None  # a stop is a wish, not a failure: no restart
        self._place.ended(error)

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logger.error(
            "%s failed",
            type(self).__name__,
            exc_info=(exception_type, exception_value, traceback),  # type: ignore[arg-type] # as pykka does
        )
        self._unregister()
        self._halted = True
        self.actor_stopped.set()
        try:
            self.on_failure(exception_type, exception_value, traceback)
        except Exception:
            logger.exception("%s failed while failing", type(self).__name__)
        self._place.ended(exception_value)

    def _unregister(self) -> None:
        if self.registered:
            pykka.ActorRegistry.unregister(self._actor_ref)


class _OwnedTimer:
    """A timer that its actor's place can call off."""

    __slots__ = ("_message", "_place", "_timer")

    def __init__(self, place: Place, message: Any) -> None:
        self._place = place
        self._message = message
        self._timer: Timer | None = None

    def start(self, seconds: float) -> None:
        if self._place.timers is None:
            self._place.timers = {}
        self._place.timers[self] = None
        self._timer = self._place.dispatcher.call_later(seconds, self._fire)

    def _fire(self) -> None:
        if self._place.timers is not None:
            self._place.timers.pop(self, None)
        self._place.inbox.post(self._message)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._place.timers is not None:
            self._place.timers.pop(self, None)
