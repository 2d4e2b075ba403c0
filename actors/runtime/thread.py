"""The runtime with threads: actors whose code may block, under the same supervision.

Built on pykka's hooks like ``actor``; differs in who gives the turns, and in nothing
that a parent or a sender could see.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from typing import TYPE_CHECKING, Any

import pykka
from pykka._envelope import Envelope

from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.reply import Reply

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.runtime.address import Address

logger = logging.getLogger(__name__)


class ThreadInbox(queue.Queue[Any]):
    """A thread actor's inbox, with the same ``post`` as a mailbox."""

    def __init__(self) -> None:
        super().__init__()
        self._over = False

    def post(self, message: Any) -> None:
        """Append a message from any thread; a closed inbox ignores it."""
        if not self._over:
            self.put(Envelope(message))

    def unbind(self) -> None:
        """Let letters wait for the next instance: a queue does so by itself."""

    def close(self) -> None:
        """Refuse whatever comes."""
        self._over = True


class ThreadActor(pykka.ThreadingActor):
    """An actor with a thread: user code may block in it.

    Its future is a ``Reply``, so the loop can await its answers, and its reference an
    ``Address``. A child of a loop actor like any other.
    """

    use_daemon_thread = True
    # A handler that blocks for ever must not keep the process from ending.

    def __init__(self) -> None:
        place = supervision.place_being_filled()
        inbox = place.inbox or place.dispatcher.thread_inbox(self)
        place.furnish(inbox, threading.Event())
        self._place = place
        self._error: BaseException | None = None
        self.actor_urn = place.address.actor_urn
        self.actor_inbox = place.inbox
        self.actor_stopped = place.stopped
        self._actor_ref = place.address

    @property
    def address(self) -> Address:
        """Where to send mail for this place; it outlives the instance."""
        address: Address = self._place.address
        return address

    def describe(self) -> str:
        """Say which actor of its kind this is, for traces; holds no secret."""
        return type(self).__name__

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _actor_loop(self) -> None:
        try:
            self._actor_loop_setup()
            self._actor_loop_running()
        except BaseException:  # noqa: BLE001 - sys.exit() in user code is a failure too
            self._handle_failure(*sys.exc_info())
        if self._error is None or self._place.policy is None:
            self._actor_loop_teardown()
        self._place.dispatcher.call_soon_threadsafe(self._place.ended, self._error)

    def _stop(self) -> None:
        self.actor_stopped.set()
        self._place.policy = None  # a stop is a wish, not a failure: no restart
        try:
            self.on_stop()
        except Exception:  # noqa: BLE001 - supervision decides
            self._handle_failure(*sys.exc_info())

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
        self._error = exception_value
        self.actor_stopped.set()
