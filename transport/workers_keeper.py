"""Keeps one worker running: starts it, hears it, starts it again when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from hubbub.transport.workers_policy import BackOff, ending
from hubbub.transport.workers_talk import Ready, Reload, Reloaded, Unable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.transport.workers_talk import FromWorker

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""Longest time for a worker to get ready; one that takes longer is killed."""
RELOAD_SECONDS = 10.0
"""Longest time for a worker to read its settings."""


class Child(Protocol):
    """A process that serves; ``WorkerProcess`` is one."""

    @property
    def pid(self) -> int:
        """The process id."""

    def tell(self, message: Reload, /) -> None:
        """Send a message."""

    async def hear(self) -> FromWorker | None:
        """Wait for a message; None when there will be no more."""

    def terminate(self) -> None:
        """Tell it to drain and end."""

    def kill(self) -> None:
        """End it at once."""

    async def ended(self, patience: float) -> bool:
        """Wait for its end so long, and tell whether it came."""

    async def wait(self) -> int:
        """Wait for its end; gives the exit status."""


class Keeper:
    """Sees to it that one worker's place is filled.

    Args:
        number: The worker's.
        start: Starts its process; may raise ``OSError``.
        opened: Called each time that it has got ready.
        failed: Called with number, reason and pause each time that it has ended by
            itself.
        back_off: How long its place stays empty then.
    """

    def __init__(
        self,
        number: int,
        start: Callable[[int], Awaitable[Child]],
        opened: Callable[[], object],
        failed: Callable[[int, str, float], object],
        back_off: BackOff | None = None,
    ) -> None:
        self.number = number
        self.ready = asyncio.Event()
        """Set while the worker serves."""
        self._start = start
        self._opened = opened
        self._failed = failed
        self._back_off = back_off or BackOff()
        self._child: Child | None = None
        self._leaving = asyncio.Event()
        self._expected = False
        self._outcomes: list[asyncio.Future[bool]] = []
        self._answer: asyncio.Future[str] | None = None

    async def keep(self) -> None:
        """Fill the place until ``retire``."""
        clock = asyncio.get_running_loop().time
        while not self._leaving.is_set():
            began = clock()
            reason = await self._live()
            expected, self._expected = self._expected, False
            if self._leaving.is_set() or expected:
                continue
            pause = self._back_off.after(clock() - began)
            self._failed(self.number, reason, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._leaving.wait()

    def retire(self) -> None:
        """Let the worker drain, and leave the place empty."""
        self._leaving.set()
        if self._child is not None:
            self._child.terminate()

    def kill(self) -> None:
        """End the worker at once; unless it retires, another one comes."""
        if self._child is not None:
            self._child.kill()

    async def reload(self) -> str:
        """Let the worker read its settings anew; gives what went wrong, if anything.

        One that is not there reads them when it comes.
        """
        if self._child is not None and not self.ready.is_set():
            await self._next()
        if self._child is None or not self.ready.is_set():
            return ""
        self._answer = asyncio.get_running_loop().create_future()
        self._child.tell(Reload())
        try:
            async with asyncio.timeout(RELOAD_SECONDS):
                return await self._answer
        except TimeoutError:
            return f"no answer within {RELOAD_SECONDS:g} s"
        finally:
            self._answer = None

    async def replace(self, patience: float) -> bool:
        """Let the worker drain, and wait for its successor.

        Args:
            patience: Seconds after which it is killed.

        Returns:
            Whether the successor is ready; else it will be tried again.
        """
        child, ready = self._child, self._next()
        if child is not None:
            self._expected = True
            self.ready.clear()
            child.terminate()
            if not await child.ended(patience):
                logger.warning("worker %d did not drain in time: killed", self.number)
                child.kill()
        return await ready

    def _next(self) -> asyncio.Future[bool]:
        """Give whether the next start, or the one under way, will get ready."""
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._outcomes.append(outcome)
        return outcome

    def _came(self, ready: bool) -> None:
        outcomes, self._outcomes = self._outcomes, []
        for outcome in outcomes:
            if not outcome.done():
                outcome.set_result(ready)

    async def _live(self) -> str:
        """Run one process to its end, and say why that came."""
        try:
            child = await self._start(self.number)
        except OSError as error:
            self._came(ready=False)
            return f"cannot start: {error.strerror or error}"
        self._child = child
        if self._leaving.is_set():  # meanwhile
            child.terminate()
        slow = asyncio.get_running_loop().call_later(
            START_SECONDS, self._too_slow, child
        )
        fault = ""
        while (message := await child.hear()) is not None:
            match message:
                case Ready():
                    slow.cancel()
                    self.ready.set()
                    logger.info("worker %d is process %d", self.number, child.pid)
                    self._opened()
                    self._came(ready=True)
                case Reloaded():
                    self._answered("")
                case Unable(reason=reason):
                    fault = "" if self._answered(reason) else reason
        status = await child.wait()
        slow.cancel()
        self._child = None
        self.ready.clear()
        self._answered("it has ended")
        if not self._expected:  # else who waits, waits for the next
            self._came(ready=False)
        return fault or f"has ended: {ending(status)}"

    def _answered(self, fault: str) -> bool:
        """Pass on the answer to a reload, and tell whether somebody waits for it."""
        answer = self._answer
        if answer is None or answer.done():
            return False
        answer.set_result(fault)
        return True

    def _too_slow(self, child: Child) -> None:
        logger.error(
            "worker %d is not ready after %g s: killed", self.number, START_SECONDS
        )
        child.kill()
