"""Runs the handlers of a server, and answers for them.

An async handler runs in a task, any other function in a thread. What goes wrong fails
its event alone, and says nothing of it to the client.

A task takes one event after the other as long as their handlers do not wait: a task for
each would double the cost of short handlers. A handler that waits has its task for
itself, the rest goes on in another; and none sees context variables of another.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Final, Protocol

from hubbub.actors.policy.routes import event_name
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.server.events import (
    BUSY,
    FAILED,
    UNHANDLED,
    answer,
    failed,
    outcome_of,
    read_event,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hubbub.actors.messages import events
    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.server.frames import Event, Map
    from hubbub.sdk.server.handlers import Function, Handler, Registry
    from hubbub.sdk.server.threads import Threads

logger = logging.getLogger(__name__)

_SPARE: Final = 2
"""Events at a time, in windows: the gateway forgets those whose time is up, while
their handlers may still run."""

_attempt: Final = ContextVar("hubbub_attempt", default=1)


def attempt() -> int:
    """Tell, in a handler, which server in turn was given its event.

    Above 1, a server that had the event before is gone, and may have acted on it.
    """
    return _attempt.get()


def _again(function: Function, number: int) -> Function:
    def call(event: events.Event) -> Any:
        _attempt.set(number)
        return function(event)

    return call


class Line(Protocol):
    """A connection, as answers need it."""

    def send(self, frame: Map, payload: Payload | None = None) -> None:
        """Send a frame; nothing happens when the connection has ended."""


class Job:
    """An event under way."""

    __slots__ = (
        "call",
        "event",
        "given_up",
        "handler",
        "line",
        "number",
        "result",
        "task",
    )

    def __init__(
        self, line: Line, frame: Event, event: events.Event, handler: Handler
    ) -> None:
        function, attempt = handler.function, frame.attempt
        self.line = line
        self.number = frame.event_id
        self.event = event
        self.handler = handler
        self.call = function if attempt == 1 else _again(function, attempt)
        self.given_up = False
        """Whether nobody waits for its answer any more."""
        self.result: Awaitable[Any] | None = None
        """What is left to await, of a function that ran in a thread."""
        self.task: asyncio.Task[None] | None = None


class Runner:
    """The events of one server.

    Args:
        registry: Its handlers.
        threads: Runs those that are not async.
        window: How many events the gateway may give at a time.
        hub: The hub's name.
    """

    def __init__(
        self, registry: Registry, threads: Threads, window: int, hub: str
    ) -> None:
        self._registry = registry
        self._threads = threads
        self._most = _SPARE * window
        self._hub = hub
        self._jobs: dict[tuple[Line, int], Job] = {}
        self._queue: deque[Job] = deque()
        self._begun = False
        self._idle = asyncio.Event()
        self._idle.set()

    def take(self, line: Line, frame: Event, payload: Payload | None) -> None:
        """Handle an event.

        Raises:
            ProtocolError: The frame lacks what its kind needs, or its id is not new.
        """
        event = read_event(frame, payload, self._hub)
        number = frame.event_id
        if (line, number) in self._jobs:
            raise ProtocolError(f"the event id {number} is given twice")
        handler = self._registry.find(event)
        if handler is None:
            line.send(*failed(event, UNHANDLED, number))
            return
        if len(self._jobs) >= self._most:
            logger.warning("an event fails: %d are under way", len(self._jobs))
            line.send(*failed(event, BUSY, number))
            return
        job = Job(line, frame, event, handler)
        self._jobs[line, number] = job
        self._idle.clear()
        if handler.is_async:
            self._queue.append(job)
            self._begin()
        else:
            self._threads.submit(
                job.call, event, lambda *done: self._returned(job, *done)
            )

    def cancel(self, line: Line, number: int) -> None:
        """Give an event up: nobody waits for its answer any more.

        An async handler is cancelled; a thread cannot be.
        """
        job = self._jobs.get((line, number))
        if job is not None:
            name = event_name(job.event)
            who = job.event.client.connection_id
            logger.warning("the time for %s of connection %s is up", name, who)
            job.given_up = True
            if job.task is not None:
                job.task.cancel()
                # A task that had not begun would not say that it is over.
                job.task.add_done_callback(lambda _: self._over(job))
            elif job in self._queue:
                self._queue.remove(job)
                self._over(job)

    async def quiet(self) -> None:
        """Wait until no event is under way."""
        await self._idle.wait()

    def stop(self) -> None:
        """Cancel what is under way."""
        self._queue.clear()
        for job in self._jobs.values():
            job.given_up = True
            if job.task is not None:
                job.task.cancel()

    def _begin(self) -> None:
        """Have a task for what is in the queue, unless one is about to begin."""
        if not self._begun:
            self._begun = True
            loop = asyncio.get_running_loop()
            loop.create_task(self._work())  # noqa: RUF006 - jobs know their tasks
            loop.call_soon(self._next_round)

    def _next_round(self) -> None:
        """Give what a waiting handler has left in the queue tasks of its own."""
        self._begun = False
        loop = asyncio.get_running_loop()
        while self._queue:
            job = self._queue.popleft()
            job.task = loop.create_task(self._run(job))

    async def _work(self) -> None:
        clean, task = copy_context(), asyncio.current_task()
        while self._queue and copy_context() == clean:
            job = self._queue.popleft()
            job.task = task
            await self._run(job)

    async def _run(self, job: Job) -> None:
        try:
            value = await (job.result or job.call(job.event))
        except asyncio.CancelledError as error:
            self._fail(job, error)
            raise
        except Exception as error:  # noqa: BLE001 - it fails this event alone
            self._fail(job, error)
        else:
            self._settle(job, value)

    def _returned(self, job: Job, result: Any, error: BaseException | None) -> None:
        if error is not None:
            self._fail(job, error)
        elif inspect.isawaitable(result):
            job.result = result
            self._queue.append(job)
            self._begin()
        else:
            self._settle(job, result)

    def _settle(self, job: Job, result: Any) -> None:
        try:
            outcome = outcome_of(job.event, result)
            if not job.given_up:
                job.line.send(*answer(outcome, job.number))
        except Exception as error:  # noqa: BLE001 - what users return may do anything
            self._fail(job, error)
        else:
            self._over(job)

    def _fail(self, job: Job, error: BaseException) -> None:
        event = job.event
        if not job.given_up:
            logger.error(
                "the handler %s failed at %s of connection %s",
                getattr(job.handler.function, "__qualname__", "of a server"),
                event_name(event),
                event.client.connection_id,
                exc_info=error,
            )
            job.line.send(*failed(event, FAILED, job.number))
        self._over(job)

    def _over(self, job: Job) -> None:
        self._jobs.pop((job.line, job.number), None)
        if not self._jobs:
            self._idle.set()
