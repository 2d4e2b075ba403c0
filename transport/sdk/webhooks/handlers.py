"""Keeps which function answers which event, and calls it.

Functions may be ``async def``; others may block and run in threads. Knows nothing of
HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Payload
from hubbub.actors.policy.patterns import EventPattern

if TYPE_CHECKING:
    from hubbub.sdk.webhooks.reading import Event, Kind

T = TypeVar("T")
Maybe: TypeAlias = T | Awaitable[T]
"""What a function may return that may be ``async def``."""

ConnectAnswer: TypeAlias = events.Accept | events.Reject | None
"""What may answer ``connect``; None accepts the client as its token says."""

Jsonable: TypeAlias = Mapping[str, object] | Sequence[object] | int | float | bool
EventAnswer: TypeAlias = (
    events.Respond | events.Fail | Payload | str | bytes | Jsonable | None
)
"""What may answer a user event.

A str is sent as text, bytes as binary data, other values as JSON; None succeeds without
a message.
"""

OnConnect = TypeVar("OnConnect", bound=Callable[[events.Connect], Maybe[ConnectAnswer]])
OnEvent = TypeVar("OnEvent", bound=Callable[[events.UserEvent], Maybe[EventAnswer]])
OnConnected = TypeVar("OnConnected", bound=Callable[[events.Connected], Maybe[None]])
OnDisconnected = TypeVar(
    "OnDisconnected", bound=Callable[[events.Disconnected], Maybe[None]]
)
OnJoined = TypeVar("OnJoined", bound=Callable[[events.Joined], Maybe[None]])
OnLeft = TypeVar("OnLeft", bound=Callable[[events.Left], Maybe[None]])

Handler: TypeAlias = Callable[["Event"], object]
"""A registered function; it is called with the kind of event it was registered for."""


class Handlers:
    """Which function answers which event; the methods are decorators.

    Each gives back its function unchanged, and refuses a second one for the same event
    with a ValueError.
    """

    def __init__(self) -> None:
        self._system: dict[Kind, Handler] = {}
        self._user: dict[str, tuple[EventPattern, Handler]] = {}

    def connect(self, handler: OnConnect) -> OnConnect:
        """Answer ``connect``: let a client in, or keep it out."""
        return self._put("connect", handler)

    def connected(self, handler: OnConnected) -> OnConnected:
        """Hear that a client is connected."""
        return self._put("connected", handler)

    def disconnected(self, handler: OnDisconnected) -> OnDisconnected:
        """Hear that a client is gone for good."""
        return self._put("disconnected", handler)

    def joined(self, handler: OnJoined) -> OnJoined:
        """Hear that a client joined a group."""
        return self._put("joined", handler)

    def left(self, handler: OnLeft) -> OnLeft:
        """Hear that a client left a group."""
        return self._put("left", handler)

    def event(self, pattern: str) -> Callable[[OnEvent], OnEvent]:
        """Answer the user events whose name fits a pattern; the first that fits does.

        Args:
            pattern: As ``user_events`` of a hub's handlers: a comma list of names;
                ``*`` alone takes all.

        Raises:
            ValueError: It is no pattern, or has a function already.
        """
        compiled = EventPattern(pattern)

        def register(handler: OnEvent) -> OnEvent:
            if pattern in self._user:
                raise ValueError(f"{pattern!r} has a handler already")
            self._user[pattern] = compiled, cast("Handler", handler)
            return handler

        return register

    def _put(self, kind: Kind, handler: T) -> T:
        if kind in self._system:
            raise ValueError(f"{kind} has a handler already")
        self._system[kind] = cast("Handler", handler)
        return handler

    def _find(self, kind: Kind, name: str) -> Handler | None:
        if kind != "user":
            return self._system.get(kind)
        fitting = (one for pattern, one in self._user.values() if pattern.matches(name))
        return next(fitting, None)


class Caller:
    """Calls functions: ``async def`` on the loop, others in threads of its own.

    A thread cannot be stopped: when nobody waits any more it keeps its place until its
    function returns, and whoever finds no place waits.

    Args:
        threads: How many functions run at once in threads.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._begin()

    def _begin(self) -> None:
        """Have a pool, whose threads start when they are needed, and places in it."""
        name = "hubbub-webhooks"
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=name)
        self._places = asyncio.Semaphore(self._threads)

    async def call(self, handler: Handler, event: Event) -> object:
        """Give what a function returns.

        Raises:
            Exception: Whatever it raises.
        """
        try:
            if _is_async(handler):
                result = handler(event)
            else:
                result = await self._in_thread(handler, event)
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not ours: something that the handler waited for was cancelled.
            raise RuntimeError("a handler was cancelled from within") from None

    def close(self) -> None:
        """Give the threads up, without waiting for functions under way.

        Another server, on another loop, may serve the application after this one.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._begin()

    async def _in_thread(self, handler: Handler, event: Event) -> object:
        places = self._places
        await places.acquire()
        loop = asyncio.get_running_loop()
        work = self._pool.submit(copy_context().run, _guarded, handler, event)

        def free(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended before the function
                loop.call_soon_threadsafe(places.release)

        work.add_done_callback(free)
        result, error = await asyncio.wrap_future(work)
        if error is None:
            return result
        if isinstance(error, Exception):
            raise error
        raise RuntimeError("a handler wanted to end its thread") from error


def _guarded(handler: Handler, event: Event) -> tuple[object, BaseException | None]:
    # As a value: futures refuse to carry StopIteration, and SystemExit ends the loop.
    try:
        return handler(event), None
    except BaseException as error:  # noqa: BLE001 - raised again on the loop
        return None, error


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - is it async, not is it there
    )
