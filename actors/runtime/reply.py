"""The answer to a question: a pykka future that the loop can await.

Also a reference that takes one message: a command carries a ``Reply`` as the place to
post its answer to, so that whoever finishes the work answers, now or later.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import pykka

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

T = TypeVar("T")


class Reply(pykka.Future[T]):
    """A value that arrives once, from any thread, for any thread or for the loop.

    The constructor takes no argument because pykka's ``stop()`` makes a second one.
    """

    __slots__ = ("_future",)

    def __init__(self) -> None:
        super().__init__()
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def post(self, value: T) -> None:
        """Answer; an answer that comes after another one is dropped.

        The race of an answer with a timeout is decided by who comes first.
        """
        try:
            self._future.set_result(value)
        except concurrent.futures.InvalidStateError:
            return

    def set(self, value: Any | None = None) -> None:
        """Answer once.

        Raises:
            queue.Full: There is an answer already (pykka's contract).
        """
        try:
            self._future.set_result(value)  # type: ignore[arg-type] # pykka types it so
        except concurrent.futures.InvalidStateError:
            raise queue.Full from None

    def set_exception(
        self,
        exc_info: tuple[
            type[BaseException] | None, BaseException | None, TracebackType | None
        ]
        | None = None,
    ) -> None:
        """Answer with an exception, the current one by default.

        Raises:
            queue.Full: There is an answer already (pykka's contract).
        """
        kind, error, traceback = exc_info or sys.exc_info()
        if error is None:
            error = kind() if kind is not None else RuntimeError("no exception")
        try:
            self._future.set_exception(error.with_traceback(traceback))
        except concurrent.futures.InvalidStateError:
            raise queue.Full from None

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait in a thread for the answer.

        Args:
            timeout: Seconds to wait; None waits for ever.

        Raises:
            pykka.Timeout: No answer in time.
            RuntimeError: Called on the loop's thread, which it would block.
        """
        try:
            return super().get(timeout=timeout)
        except NotImplementedError:
            pass  # no get hook: pykka's way of saying "do it yourself"
        if not self._future.done() and _on_a_loop():
            raise RuntimeError("this would block the event loop: await the reply")
        try:
            return self._future.result(timeout)
        except concurrent.futures.TimeoutError:
            if self._future.done():
                raise  # the answer itself is a TimeoutError
            raise pykka.Timeout(f"{timeout} seconds") from None

    def then(self, callback: Callable[[Reply[T]], None]) -> None:
        """Call back once answered, in the thread that answers."""
        self._future.add_done_callback(lambda _: callback(self))

    def done(self) -> bool:
        """Tell whether the answer is there."""
        return self._future.done()

    def __await__(self) -> Generator[None, None, T]:
        """Wait on the loop for the answer."""
        if self._get_hook is not None:
            raise RuntimeError("a reply with a get hook cannot be awaited")
        return asyncio.wrap_future(self._future).__await__()


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
