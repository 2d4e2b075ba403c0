"""Turns: which actor runs next, when blocks are handed out, when sockets are written.

One dispatcher per gateway, inherited by every actor of its tree. Clock, timers, random
source and turns come from outside, so that a test or a simulation can run a gateway on
virtual time. It knows mailboxes and dirty outlets, and no message.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from hubbub.actors.runtime.mailbox import Mailbox
from hubbub.actors.runtime.thread import ThreadInbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hubbub.actors.runtime.ports import Loop, Task, Timer, Writer
    from hubbub.actors.runtime.thread import ThreadActor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger(__name__)


class Dispatcher:
    """The ready queue of one gateway, and its rounds.

    One round: ready actors take their turns, then the lanes (groups) take theirs and
    hand out their blocks, then every
    dirty outlet is written once. What exceeds a slice waits for the next loop
    iteration, with I/O in between; slices are counted, not timed, so runs repeat.

    Args:
        loop: Clock, timers and turns; an asyncio loop, or a virtual one.
        turns: Turns in a slice.
        writes: Outlets written in a slice (about 10 us each).
        chance: Source of ids and jitter.
        order: Chooses who is next of so many that are ready (an index); None takes
            the one that waits longest. A simulation plays other orders with it.
        wall: Gives Unix time in seconds, for what people and clients are shown.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        turns: int = 1000,
        writes: int = 500,
        chance: random.Random | None = None,
        order: Callable[[int], int] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.thread = get_ident()
        self.random = chance or random.SystemRandom()
        self.congested = False
        """Whether the last round left work over, or somebody holds up the readers."""
        self._loop = loop
        self._order = order
        self._turns = turns
        self._writes = writes
        self._ready: deque[Mailbox] = deque()
        self._lanes: deque[Mailbox] = deque()
        self._dirty: deque[Writer] = deque()
        self._relief: list[Callable[[], None]] = []
        self._holds: dict[object, None] = {}
        self._scheduled = False
        self.now = loop.time
        self.wall = wall

    # What actors, mailboxes, groups and outlets ask for.

    def mailbox(self) -> Mailbox:
        """Make the inbox of a loop actor; tracing makes another kind (``trace``)."""
        return Mailbox(self)

    def thread_inbox(self, actor: ThreadActor) -> ThreadInbox:
        """Make the inbox of a thread actor."""
        del actor
        return ThreadInbox()

    def enqueue(self, mailbox: Mailbox) -> None:
        """Queue a mailbox for its turn."""
        (self._lanes if mailbox.lane else self._ready).append(mailbox)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.run)

    def settle(self) -> None:
        """Let the lanes take their turns, and so hand out their blocks, now.

        The round does it once, after all other turns; an actor does it earlier when a
        direct message must follow what was published before. The turns of a lane may
        nest in another actor's: it posts and appends, and never calls back.
        """
        lanes = self._lanes
        while lanes:
            lanes.popleft().take_turn()

    def write_later(self, outlet: Writer) -> None:
        """Write an outlet at the end of the round; the caller asks once a round."""
        self._dirty.append(outlet)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.run)

    def when_relieved(self, callback: Callable[[], None]) -> None:
        """Call back when nothing is congested any more."""
        self._relief.append(callback)
        if not self._holds:
            self._wake()

    def hold(self, holder: object) -> None:
        """Keep readers paused: something else than clients is behind (a peer)."""
        self._holds[holder] = None
        self.congested = True

    @property
    def held(self) -> bool:
        """Whether somebody holds up the readers."""
        return bool(self._holds)

    def release(self, holder: object) -> None:
        """Hold the readers up no more; harmless when one did not."""
        if self._holds.pop(holder, self) is None and not self._holds:
            self._wake()

    # Time and threads.

    def call_later(
        self, seconds: float, callback: Callable[[*Ts], object], *args: *Ts
    ) -> Timer:
        """Call back after some seconds of the loop's clock."""
        return self._loop.call_later(seconds, callback, *args)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        """Call back on the loop's thread; after the loop's end nobody listens."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            logger.debug("mail after the end of the loop was dropped")

    def start(self, work: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine on the loop."""
        return self._loop.create_task(work)

    # The round.

    def run(self) -> None:
        """Play one round; called by the loop, or turn by turn by a test."""
        self._scheduled = False
        budget = self._take_turns(self._turns)
        self.settle()
        # Receipts paid by the hand-out become acks that share the write below.
        self._take_turns(budget)
        self.settle()
        dirty = self._dirty
        for _ in range(min(len(dirty), self._writes)):
            try:
                dirty.popleft().flush()
            except Exception:
                logger.exception("an outlet was not written")
        left = bool(dirty or self._ready or self._lanes)
        self.congested = left or bool(self._holds)
        if left:
            self._wake()
        elif self._holds:
            pass  # the last release wakes us
        elif self._relief:
            relief, self._relief = self._relief, []
            for callback in relief:
                try:
                    callback()
                except Exception:
                    # Or those behind it would wait for ever.
                    logger.exception("a reader did not go on")

    def _take_turns(self, budget: int) -> int:
        ready = self._ready
        while ready and budget:
            budget -= 1
            if self._order is not None:
                ready.rotate(-self._order(len(ready)))
            ready.popleft().take_turn()
        return budget

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.run)
