"""An event loop in a thread, for programs that have none."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds to wait for the thread's end; it is a daemon."""


class BlockingLoop:
    """Runs coroutines for other threads, which wait for the results."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether it can run coroutines."""
        return self._loop is not None and not self._loop.is_closed()

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: It has begun before.
        """
        if self._loop is not None:
            raise RuntimeError("a server starts once: make another")
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_run, args=(loop,), name="hubbub-server", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for its result; an interrupt cancels it.

        Raises:
            RuntimeError: It does not run, or this is its own thread.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "an async function must not wait for a blocking server: make the "
                "function a plain one, or use WebPubSubServer"
            )
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise RuntimeError("the server is not started, or it is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread; harmless when they have ended."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_PATIENCE)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_all())
    finally:
        loop.close()


async def _cancel_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
