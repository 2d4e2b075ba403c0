"""A call that was let in, and its way to the hub and back."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final, Generic, TypeVar

import msgspec

from hubbub.actors.messages import commands
from hubbub.actors.runtime.address import Ref
from hubbub.transport.rest_answers import Refused, incomplete, no_answer
from hubbub.transport.rest_body import Receive
from hubbub.transport.rest_query import Query
from hubbub.transport.settings import Settings

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds that a hub has to answer."""


class Waiter(Generic[T]):
    """Where a command posts its answer to while a call waits; the first one counts.

    A `Reply` would do, but that can be waited for in threads too: 33 us against 5,
    with the time limit, in a send of about 100.
    """

    __slots__ = ("_future", "_loop", "_thread")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self._thread = threading.get_ident()

    def post(self, value: T | commands.Unavailable, /) -> None:
        """Answer, from any thread."""
        if threading.get_ident() == self._thread:
            self._settle(value)
        else:
            self._loop.call_soon_threadsafe(self._settle, value)

    async def value(self) -> T:
        """Wait for the answer.

        Raises:
            Refused: It did not come in time, or not from every gateway.
        """
        timer = self._loop.call_later(PATIENCE, self._give_up)
        try:
            return await self._future
        finally:
            timer.cancel()

    def _settle(self, value: T | commands.Unavailable) -> None:
        if self._future.done():
            return
        if isinstance(value, commands.Unavailable):
            self._future.set_exception(Refused(incomplete(value.reason)))
        else:
            self._future.set_result(value)

    def _give_up(self) -> None:
        if not self._future.done():
            self._future.set_exception(Refused(no_answer()))


class Call(msgspec.Struct, frozen=True):
    """A call that was let in: what it says, and where to take it.

    ``path`` holds the parameters of the path by name, checked; ``query`` those that
    the operation has.
    """

    hub: str
    path: dict[str, Any]
    query: Query
    version: str
    scope: Any
    receive: Receive
    gateway: Ref[commands.ForHub]
    settings: Settings
    now: float

    async def done(self, answer: Waiter[T], command: commands.Command) -> T:
        """Send a command to the hub and wait for the answer that it carries.

        Raises:
            Refused: The hub did not answer in time.
        """
        self.gateway.post(commands.ForHub(self.hub, command))
        return await answer.value()
