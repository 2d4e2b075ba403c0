"""Where the actors of a scene live: a loop in a thread, and questions to them.

A scene's gateways, servers, clients and links are loop actors of the same kind as a
gateway's own. The story stands outside: it asks, and waits for the answer in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hubbub.actors.runtime.address import Address

T = TypeVar("T")

SECONDS = 10.0
"""How long a story waits for anything."""
_MARGIN = 5.0
"""Seconds more for an answer: who is asked knows best why nothing came."""


class Done(msgspec.Struct, frozen=True):
    """What an actor waited for is there, a message to itself."""

    answer: Reply[Any]
    value: Any = None
    error: BaseException | None = None


class Part(LoopActor):
    """An actor of a scene: it answers when what it was asked for is done."""

    def work(self, work: Coroutine[Any, Any, T], answer: Reply[T]) -> None:
        """Wait for a coroutine; its outcome is the answer."""
        self.pipe(
            work,
            to=lambda value: Done(answer, value),
            failed=lambda error: Done(answer, error=error),
        )

    @staticmethod
    def done(done: Done) -> None:
        """Answer at last."""
        if done.error is None:
            done.answer.post(done.value)
        else:
            error = done.error
            done.answer.set_exception((type(error), error, error.__traceback__))


class Stage:
    """The loop of one scene."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="stage", daemon=True
        )
        self._thread.start()
        self._dispatcher: Dispatcher = self._call(lambda: Dispatcher(self._loop))

    def spawn(self, factory: Callable[[], LoopActor]) -> Address:
        """Put an actor on the stage."""
        return self._call(lambda: supervision.spawn(self._dispatcher, factory))

    @staticmethod
    def asking(address: Address, question: Callable[[Reply[T]], object]) -> Reply[T]:
        """Ask without waiting.

        Args:
            address: Whom.
            question: Makes the message from the place for the answer.
        """
        answer: Reply[T] = Reply()
        address.post(question(answer))
        return answer

    def ask(
        self,
        address: Address,
        question: Callable[[Reply[T]], object],
        seconds: float = SECONDS,
    ) -> T:
        """Ask, and wait for the answer.

        Raises:
            pykka.Timeout: There was none in time.
        """
        return receive(self.asking(address, question), seconds)

    def close(self) -> None:
        """End the loop; what is still under way is called off."""
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_call_off(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        if not self._loop.is_running():
            self._loop.close()

    def _call(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(SECONDS)


async def _call_off() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def receive(answer: Reply[T], seconds: float = SECONDS) -> T:
    """Wait for an answer that was asked for before.

    Args:
        answer: The place for it.
        seconds: How long who was asked may wait for what it needs.

    Raises:
        pykka.Timeout: There was none in time.
    """
    value: T = answer.get(timeout=seconds + _MARGIN)
    return value
