"""A loop without a clock of its own: turns and timers happen when a test says so."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


Ts = TypeVarTuple("Ts")


class VirtualTimer:
    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


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
        self._soon.append(lambda: callback(*args))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        self.call_soon(callback, *args)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts
    ) -> VirtualTimer:
        timer = VirtualTimer(self.now + delay, lambda: callback(*args))
        heapq.heappush(self._timers, (timer.due, next(self._numbers), timer))
        return timer

    def create_task(self, coro: Coroutine[Any, Any, Any], /) -> Any:
        coro.close()
        raise NotImplementedError("coroutines need a real loop")

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

    def advance(self, seconds: float) -> None:
        """Let time pass, timers firing in order."""
        end = self.now + seconds
        self.settle()
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.now = due
            if timer.callback is not None:
                timer.callback()
            self.settle()
        self.now = end
