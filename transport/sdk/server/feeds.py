"""What a server listens to: each function gets its messages one by one, in order."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from hubbub.sdk.server.handlers import is_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.sdk.server.threads import Threads

T = TypeVar("T")

logger = logging.getLogger(__name__)

_BATCH: Final = 64
"""Messages a thread takes at a time, before others get their turn."""
_MOST_BYTES: Final = 16 << 20
"""Bytes of payload that wait for one function."""
_QUIET: Final = 1.0
"""Seconds between two warnings about the same slow function."""


class Feed(Generic[T]):
    """A function and what waits for it; when that is too much, the oldest is dropped.

    Args:
        function: Takes each message; async, or run in a thread.
        threads: Runs it, if it is not async.
        most: How many messages may wait.
    """

    def __init__(
        self, function: Callable[[T], Any], threads: Threads, most: int
    ) -> None:
        self.function = function
        self.lost = 0
        self._threads = threads
        self._most = most
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._busy = False
        self._warned_at = float("-inf")
        self._is_async = is_async(function)
        self._task: asyncio.Task[None] | None = None

    def put(self, thing: T, size: int = 0) -> None:
        """Give it a message of so many bytes, once it is done with those before."""
        self._waiting.append((thing, size))
        self._bytes += size
        while len(self._waiting) > self._most or (
            self._bytes > _MOST_BYTES and len(self._waiting) > 1
        ):
            self._bytes -= self._waiting.popleft()[1]
            self.lost += 1
            self._warn()
        if not self._busy:
            self._busy = True
            self._go_on()

    def clear(self) -> None:
        """Give it no more than it has."""
        self._waiting.clear()
        self._bytes = 0

    def stop(self) -> None:
        """Give it no more, and cancel it."""
        self.clear()
        if self._task is not None:
            self._task.cancel()

    def _go_on(self) -> None:
        if self._is_async:
            self._task = asyncio.get_running_loop().create_task(self._follow())
            return
        some = [self._next() for _ in range(min(_BATCH, len(self._waiting)))]
        self._threads.submit(self._call_all, some, self._called)

    async def _follow(self) -> None:
        clean = copy_context()
        while self._waiting and copy_context() == clean:
            await self._await(self._call(self._next()))
        # The next task begins with a copy of the context it is made in.
        asyncio.get_running_loop().call_soon(self._next_batch, context=clean)

    async def _call(self, thing: T) -> None:
        await self.function(thing)

    async def _await(self, result: Awaitable[Any]) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - it loses this message alone
            self._failed(error)

    def _call_all(self, things: list[T]) -> list[Any]:
        """Call the function for some, in a thread; give what is to be awaited."""
        left = []
        for thing in things:
            try:
                result = copy_context().run(self.function, thing)
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error)
            else:
                if inspect.isawaitable(result):
                    left.append(result)
        return left

    def _called(self, left: Any, error: BaseException | None) -> None:
        if error is not None:
            self._failed(error)
        if left:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._await_all(left))
        else:
            self._next_batch()

    async def _await_all(self, results: list[Any]) -> None:
        for result in results:
            await self._await(result)
        self._next_batch()

    def _next_batch(self) -> None:
        self._task = None
        self._busy = bool(self._waiting)
        if self._busy:
            self._go_on()

    def _next(self) -> T:
        thing, size = self._waiting.popleft()
        self._bytes -= size
        return thing

    def _failed(self, error: BaseException) -> None:
        logger.error("%s failed at a message", self._name, exc_info=error)

    def _warn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= _QUIET:
            self._warned_at = now
            text = "%s is too slow: %d messages were dropped so far"
            logger.warning(text, self._name, self.lost)

    @property
    def _name(self) -> str:
        return getattr(self.function, "__qualname__", "a function")
