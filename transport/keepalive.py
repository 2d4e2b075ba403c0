"""Pings: one timer for all sockets instead of one each.

Sockets with the same interval stand in a queue in order of their next ping, so a tick
looks only at those that are due.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hubbub.actors.runtime.ports import Loop, Timer


class Beating(Protocol):
    """Something that is pinged."""

    def beat(self) -> bool:
        """Send a ping, or give up; False when there is nothing left to ping."""


class Keepalive:
    """Pings every watched socket once per its interval."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._queues: dict[float, deque[tuple[float, Beating]]] = {}
        self._timer: Timer | None = None

    def watch(self, socket: Beating, interval: float) -> None:
        """Ping a socket from now on, every so many seconds, until it is gone."""
        queue = self._queues.setdefault(interval, deque())
        queue.append((self._loop.time() + interval, socket))
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Ping nobody any more."""
        self._queues.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        # Sockets that connect together beat together, a tick's worth at a time.
        tick = min(1.0, min(self._queues) / 4)
        self._timer = self._loop.call_later(tick, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        for interval, queue in list(self._queues.items()):
            while queue and queue[0][0] <= now:
                socket = queue.popleft()[1]
                if socket.beat():
                    queue.append((now + interval, socket))
            if not queue:
                del self._queues[interval]
        if self._queues:
            self._arm()
