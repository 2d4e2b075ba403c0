"""What was asked on one socket and is not answered yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T")


class Questions(Generic[T]):
    """Questions by their number; an answer of None is the end of the socket."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, asyncio.Future[T | None]] = {}

    def __contains__(self, number: Hashable) -> bool:
        return number in self._asked

    def ask(self, number: Hashable) -> asyncio.Future[T | None]:
        """Give the place for an answer; take it away with ``drop``."""
        answered: asyncio.Future[T | None]
        answered = asyncio.get_running_loop().create_future()
        self._asked[number] = answered
        return answered

    def drop(self, number: Hashable) -> None:
        """Wait no more for an answer."""
        del self._asked[number]

    def answer(self, number: Hashable, answer: T) -> None:
        """Answer, if anybody still waits for it."""
        answered = self._asked.get(number)
        if answered is not None and not answered.done():
            answered.set_result(answer)

    def end(self) -> None:
        """Let nobody wait: there will be no answers."""
        for answered in self._asked.values():
            if not answered.done():
                answered.set_result(None)


class Pings:
    """Pings without an answer; their answers have no number, but keep their order."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._over = False

    def ask(self) -> asyncio.Future[bool]:
        """Give the place for an answer: False is the end of the socket."""
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self._over:
            answered.set_result(False)
        else:
            self._waiting.append(answered)
        return answered

    def answer(self) -> None:
        """Answer the oldest."""
        if self._waiting:
            answered = self._waiting.popleft()
            if not answered.done():
                answered.set_result(True)

    def end(self) -> None:
        """Let nobody wait."""
        self._over = True
        while self._waiting:
            answered = self._waiting.popleft()
            if not answered.done():
                answered.set_result(False)
