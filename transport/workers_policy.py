"""What is decided about workers: when to start one again, and when to give up.

Pure: processes, clocks and signals are the business of who asks.
"""

from __future__ import annotations

import signal
from typing import Final

from hubbub.actors.runtime.supervision import Restart

GRACE: Final = 5.0
"""Seconds a worker has beyond its own bounds until it is killed."""


class BackOff:
    """How long one worker's place stays empty after an end.

    Args:
        policy: The pauses; they double while workers end early.
    """

    def __init__(self, policy: Restart | None = None) -> None:
        self._policy = policy or Restart()
        self._failures = 0

    def after(self, lived: float) -> float:
        """Seconds to wait after a worker that lived for so many."""
        if lived > self._policy.calm:
            self._failures = 0
        self._failures += 1
        return self._policy.pause(self._failures)


class Opening:
    """The time until one worker is ready: when all of them fail, nothing will help.

    Until then reasons are kept, as each worker would say the same.

    Args:
        count: How many workers there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._reasons: dict[int, str] = {}
        self._over = False

    def ready(self) -> dict[int, str]:
        """Hear that one is ready, and give why others failed before, by number."""
        self._over = True
        reasons, self._reasons = self._reasons, {}
        return reasons

    def failed(self, worker: int, reason: str) -> bool:
        """Hear that a worker has failed, and tell whether to say so now."""
        if not self._over:
            self._reasons[worker] = reason
        return self._over

    @property
    def hopeless(self) -> tuple[str, ...]:
        """Why no worker can start, each reason once; empty while one may."""
        if self._over or len(self._reasons) < self._count:
            return ()
        return tuple(dict.fromkeys(self._reasons[n] for n in sorted(self._reasons)))


def longest_end(drain_seconds: float) -> float:
    """Seconds after which a worker that was told to end is killed.

    It waits for its clients, and then as long for HTTP requests under way.
    """
    return 2 * drain_seconds + GRACE


def ending(status: int) -> str:
    """Say how a process ended: by an exit status or, below zero, by a signal."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a realtime signal has no name
        return f"signal {-status}"
