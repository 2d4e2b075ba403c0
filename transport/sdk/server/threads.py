"""A bounded pool of threads for functions that may block.

Its threads are daemons, so that a function which never returns does not keep a program
from ending; and what several threads have done by then reaches the loop in one call.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeAlias

Done: TypeAlias = Callable[[Any, BaseException | None], None]
"""Takes what a function returned, or what it raised."""

_Work: TypeAlias = tuple[Callable[[Any], Any], Any, Done]


class Threads:
    """Runs functions of one argument, and tells the loop what they returned.

    Args:
        most: How many threads there may be; they start when they are needed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._done: deque[tuple[Done, Any, BaseException | None]] = deque()
        self._started = 0
        self._under_way = 0
        self._told = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, function: Callable[[Any], Any], item: Any, done: Done) -> None:
        """Call a function in a thread, and ``done`` on the loop; call it there too."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._under_way += 1
        self._work.put((function, item, done))
        if self._started < min(self._most, self._under_way):
            self._started += 1
            name = f"hubbub-server-{self._started}"
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def close(self) -> None:
        """Let the threads end once they are idle; what they still do is not told."""
        self._closed = True
        for _ in range(self._started):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            function, item, done = work
            try:
                result, error = copy_context().run(function, item), None
            except BaseException as raised:  # noqa: BLE001 - it fails this work alone
                result, error = None, raised
            if self._closed:
                continue
            self._done.append((done, result, error))
            if not self._told and self._loop is not None:
                self._told = True
                try:
                    self._loop.call_soon_threadsafe(self._tell)
                except RuntimeError:
                    return  # the loop has ended without closing us

    def _tell(self) -> None:
        self._told = False
        while self._done:
            done, result, error = self._done.popleft()
            self._under_way -= 1
            done(result, error)
