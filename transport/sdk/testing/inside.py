"""A gateway inside the test's own process: a thread, a fresh tree for each."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import uvloop

from hubbub.actors.messages import internal
from hubbub.actors.runtime.reply import Reply
from hubbub.sdk.testing.gateway import GatewayEvent, HubbubGateway
from hubbub.sdk.testing.watch import PRESENCE, Watch
from hubbub.transport.serve import Process, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hubbub.actors.hub_mail import HubSetup
    from hubbub.transport.settings import Settings

T = TypeVar("T")

_START = 10.0
"""Seconds until a start or a verb that does not come to its end is an error."""

_GLANCE = 0.005
"""Seconds between looks at whether all clients have left."""

_LONGEST_FREEZE = 60.0
"""Seconds after which a frozen loop thaws by itself: a test run must end."""


class LoopThread:
    """An event loop in a thread of its own, for the gateways of a test session."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, name="hubbub-gateway", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = _START) -> T:
        """Run a coroutine there and wait for its result.

        Raises:
            TimeoutError: It did not end in time.
        """
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def call(self, function: Callable[[], T], seconds: float = _START) -> T:
        """Call a function there and wait for its result."""
        done: Future[T] = Future()

        def carry_out() -> None:
            try:
                done.set_result(function())
            except BaseException as error:  # noqa: BLE001 - goes to who called
                done.set_exception(error)

        self._loop.call_soon_threadsafe(carry_out)
        return done.result(seconds)

    def post(self, function: Callable[[], object]) -> None:
        """Call a function there, and do not wait."""
        self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


class WatchedProcess(Process):
    """A gateway that tells what happens, cuts sockets, and ends without delay.

    Args:
        settings: Its settings.
        tell: Takes each event, in any thread.
    """

    def __init__(
        self, settings: Settings, tell: Callable[[GatewayEvent], None]
    ) -> None:
        listener = socket.create_server((settings.host, settings.port))
        listener.setblocking(False)
        self._watch = Watch(tell)
        super().__init__(settings, listener, None, self._watch, entry_of(settings))

    def cut(self, connection_id: str | None = None) -> int:
        """Cut the sockets of one client or server, or of all, and tell how many."""
        return self._watch.cut(connection_id)

    def _setup(self, hub: str) -> HubSetup:
        setup = super()._setup(hub)
        handlers = (*setup.handlers, PRESENCE)
        return msgspec.structs.replace(setup, handlers=handlers)

    async def leave(self) -> None:
        """Drain as in production, but look more often than uvicorn for the end."""
        if self._gateway is None or self._server is None:
            return
        self._server.refuse_newcomers()
        drained: Reply[bool] = Reply()
        self._gateway.post(internal.Drain(drained))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._live.settings.drain_seconds):
                await drained
                while self._stats.open:  # noqa: ASYNC110 - counted, not signalled
                    await asyncio.sleep(_GLANCE)
        await self.crash()

    async def crash(self) -> None:
        """End without a word to clients and handlers."""
        if self._gateway is None or self._server is None or self._serving is None:
            return
        self._server.refuse_newcomers()
        self._gateway.end()
        self.cut()  # in the same round: nobody finds the time to say goodbye
        if self._keepalive is not None:
            self._keepalive.stop()
        for caller in tuple(self._server.server_state.connections):
            caller.transport.abort()
        self._serving.cancel()
        await asyncio.wait([self._serving], timeout=_START)
        if self._entry is not None:
            await self._entry.close()


class _Ice:
    """What a frozen loop is stuck in."""

    def __init__(self) -> None:
        self.frozen, self.thawed = threading.Event(), threading.Event()
        self.then: Callable[[], object] | None = None
        """What the loop does first when it is free."""

    def block(self) -> None:
        self.frozen.set()
        self.thawed.wait(_LONGEST_FREEZE)
        if self.then is not None:
            self.then()


class InsideGateway(HubbubGateway):
    """A gateway on the loop of another thread.

    Args:
        settings: Its settings; port 0 takes a free one, and keeps it.
        thread: Where it runs.
    """

    def __init__(self, settings: Settings, thread: LoopThread) -> None:
        super().__init__(settings.keys.primary)
        self._settings = settings
        self._thread = thread
        self._ice: _Ice | None = None
        self._interval = sys.getswitchinterval()
        thread.run(self._start())

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self._process.endpoint

    def cut(self, connection_id: str | None = None) -> int:
        """Cut the sockets of one client or of all."""
        return self._thread.call(lambda: self._process.cut(connection_id))

    def freeze(self) -> None:
        """Block its loop, for a minute at most."""
        if self._ice is None:
            ice = _Ice()
            self._thread.post(ice.block)
            if not ice.frozen.wait(_START):
                raise TimeoutError("the gateway's loop is busy")
            self._ice = ice

    def thaw(self) -> None:
        """Let its loop go on."""
        ice, self._ice = self._ice, None
        if ice is not None:
            ice.thawed.set()

    def restart(self) -> None:
        """Crash and come back on the same port."""
        if self._ice is not None:
            self._ice.then = self._process.cut  # it dies without another word
        self.thaw()
        self._settings = msgspec.structs.replace(self._settings, port=self.port)
        self._thread.run(self._process.crash())
        self._thread.run(self._start())

    def stop(self) -> None:
        """Drain, then cut who did not leave."""
        self.thaw()
        try:
            seconds = _START + self._settings.drain_seconds
            self._thread.run(self._process.leave(), seconds)
        finally:
            sys.setswitchinterval(self._interval)

    async def _start(self) -> None:
        self._process = WatchedProcess(self._settings, self._log.add)
        await self._process.start()
