"""A loop without a clock of its own: turns and timers happen when a test says so."""

from __future__ import annotations

import heapq
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualTimer:
    """A call that is still to come; of a process, it is known to it until then."""

    __slots__ = ("callback", "due", "owner")

    def __init__(
        self,
        due: float,
        callback: Callable[[], object],
        owner: dict[VirtualTimer, None] | None = None,
    ) -> None:
        self.due = due
        self.callback: Callable[[], object] | None = callback
        self.owner = owner
        if owner is not None:
            owner[self] = None

    def cancel(self) -> None:
        self.callback = None
        if self.owner is not None:
            self.owner.pop(self, None)

    def fire(self) -> None:
        callback = self.callback
        if callback is not None:
            self.cancel()
            callback()


class VirtualTask:
    """A coroutine under way; it may wait for ``asyncio.sleep(0)`` and other tasks."""

    def __init__(self, loop: VirtualLoop, coro: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._coro = coro
        self._outcome: Callable[[], Any] | None = None
        self._callbacks: list[Callable[[Any], object]] = []
        loop.call_soon(self._step)

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        if self._outcome is None:
            self._callbacks.append(callback)
        else:
            self._loop.call_soon(callback, self)

    def cancel(self) -> bool:
        if self._outcome is not None:
            return False
        self._coro.close()
        self._end(partial(_throw, RuntimeError("called off")))
        return True

    def result(self) -> Any:
        assert self._outcome is not None, "it is still under way"
        return self._outcome()

    def __await__(self) -> Any:
        if self._outcome is None:
            yield self
        return self.result()

    def _step(self) -> None:
        if self._outcome is not None:
            return
        try:
            waits_for = self._coro.send(None)
        except StopIteration as stop:
            self._end(partial(_give, stop.value))
        except Exception as error:  # noqa: BLE001 - it is the task's outcome
            self._end(partial(_throw, error))
        else:
            if waits_for is None:
                self._loop.call_soon(self._step)
            else:
                waits_for.add_done_callback(lambda _: self._step())

    def _end(self, outcome: Callable[[], Any]) -> None:
        self._outcome = outcome
        for callback in self._callbacks:
            self._loop.call_soon(callback, self)


def _give(value: T) -> T:
    return value


def _throw(error: Exception) -> None:
    raise error


class VirtualLoop:
    """Implements the dispatcher's ``Loop`` port on virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._soon: list[Callable[[], object]] = []
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        self._soon.append(partial(callback, *args) if args else callback)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        self.call_soon(callback, *args)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts
    ) -> VirtualTimer:
        timer = VirtualTimer(self.now + delay, partial(callback, *args))
        self.schedule(timer)
        return timer

    def schedule(self, timer: VirtualTimer) -> None:
        """Fire a timer when it is due; of those due at a time, in this order."""
        heapq.heappush(self._timers, (timer.due, next(self._numbers), timer))

    def create_task(self, coro: Coroutine[Any, Any, Any], /) -> VirtualTask:
        return VirtualTask(self, coro)

    @property
    def idle(self) -> bool:
        return not self._soon

    def turn(self) -> None:
        """Run what was due when this turn began, once."""
        soon, self._soon = self._soon, []
        for callback in soon:
            callback()

    def settle(self, most: int = 10_000) -> None:
        """Turn until nothing is left to do now."""
        for _ in range(most):
            if self.idle:
                return
            self.turn()
        raise AssertionError("the gateway never came to rest")

    def advance(self, seconds: float, most: int = 100_000) -> None:
        """Let time pass, timers firing in order."""
        end = self.now + seconds
        self.settle()
        for _ in range(most):
            if not self._timers or self._timers[0][0] > end:
                self.now = end
                return
            due, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self.now = due
                timer.fire()
                self.settle()
        raise AssertionError(f"too much happens about second {self.now:.3f}")

    def forget(self) -> None:
        """Let go of everything that is still to come."""
        self._soon.clear()
        self._timers.clear()


class ProcessLoop:
    """The loop of one process among several that share a clock.

    Its process can be stopped, and continued: what was due meanwhile happens then, as
    time went on. It can die, and nothing happens any more.

    Args:
        clock: The loop of them all.
    """

    def __init__(self, clock: VirtualLoop) -> None:
        self._clock = clock
        self._held: list[Callable[[], object]] = []
        self._late: list[VirtualTimer] = []
        self.timers: dict[VirtualTimer, None] = {}
        """What this process still has set."""
        self.stopped = False
        self.dead = False

    def time(self) -> float:
        return self._clock.now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        self._clock.call_soon(self._do, partial(callback, *args))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        self.call_soon(callback, *args)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts
    ) -> VirtualTimer:
        timer = VirtualTimer(
            self._clock.now + delay, partial(callback, *args), self.timers
        )
        # What fires is not the timer: a process that is stopped has it still set.
        self._clock.call_later(delay, self._ring, timer)
        return timer

    def create_task(self, coro: Coroutine[Any, Any, Any], /) -> VirtualTask:
        return VirtualTask(self._clock, coro)

    def stop(self) -> None:
        """Stop the process where it is."""
        self.stopped = True

    def carry_on(self, *, timers_first: bool) -> None:
        """Continue: what was due meanwhile happens now, timers before the rest or not.

        Args:
            timers_first: As uvloop does it; asyncio looks at its sockets first.
        """
        self.stopped = False
        late, self._late = self._late, []
        held, self._held = self._held, []
        timers: list[Callable[[], object]] = [timer.fire for timer in late]
        for callback in (*timers, *held) if timers_first else (*held, *timers):
            self._clock.call_soon(self._do, callback)

    def die(self) -> None:
        """Let nothing happen any more."""
        self.dead = True
        self._held.clear()
        self._late.clear()
        for timer in tuple(self.timers):
            timer.cancel()

    def _do(self, callback: Callable[[], object]) -> None:
        if self.dead:
            return
        if self.stopped:
            self._held.append(callback)
        else:
            callback()

    def _ring(self, timer: VirtualTimer) -> None:
        if self.stopped and not self.dead:
            self._late.append(timer)
        else:
            timer.fire()
