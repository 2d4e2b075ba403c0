"""The composition root: sockets, loop, actors, HTTP, signals; one gateway process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from hubbub.actors.gateway import Gateway, Reconfigure
from hubbub.actors.messages import internal
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.reply import Reply
from hubbub.actors.runtime.trace import TracingDispatcher
from hubbub.transport.config_mesh_rules import uses_mesh
from hubbub.transport.front import Front
from hubbub.transport.http_server import HttpServer
from hubbub.transport.hub_setup import hub_setup
from hubbub.transport.keepalive import Keepalive
from hubbub.transport.listening import (
    PortError,
    public_endpoint,
    take_port,
    with_endpoints,
)
from hubbub.transport.metrics import Stats, figures
from hubbub.transport.settings import HubSettings, Live, Settings
from hubbub.transport.trace_edge import Entrance

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from hubbub.actors.hub_mail import HubSetup
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.trace import Recorder
    from hubbub.transport.mesh_entry import MeshEntry
    from hubbub.transport.mesh_plan import Worker

logger = logging.getLogger(__name__)

_ALLOCATIONS_PER_COLLECTION = 50_000
"""Between collections of the youngest; the default of 700 costs a tenth of a core."""
_ID_BYTES = 4
"""Of the random id of a gateway, with which the ids of its connections begin."""
_SWITCH_INTERVAL = 0.0005
"""Seconds a thread may keep the interpreter: handler threads must get turns."""


def run(
    settings: Settings,
    *,
    reload: Callable[[], Settings] | None = None,
    announce: Callable[[str], None],
    trace: Recorder | None = None,
) -> int:
    """Run a gateway until SIGTERM or SIGINT.

    Args:
        settings: The settings; port 0 takes a free one.
        reload: Reads the settings anew on SIGHUP; may raise to keep the old ones.
        announce: Called with the endpoint once the port accepts connections.
        trace: Takes down what the actors tell each other; None costs nothing.

    Returns:
        The exit status: 0 after a drain, 1 when the port cannot be opened or the
        gateway failed.
    """
    # Until the loop handles them, these must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        listener = take_port(settings)
        process = Process(settings, listener, reload, trace, entry_of(settings))
        return uvloop.run(process.main(announce))
    except PortError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all, a trace nothing
        return 1


def entry_of(settings: Settings, worker: Worker | None = None) -> MeshEntry | None:
    """Give a gateway its way into the mesh; None when there is none.

    Nothing of a mesh is loaded for a gateway that stands alone.
    """
    if worker is None and not uses_mesh(settings):
        return None
    from hubbub.transport.mesh_entry import mesh_entry  # noqa: PLC0415 - see above

    return mesh_entry(settings, worker)


class Process:
    """One gateway in this process: built, running, drained.

    Also what an in-process test runs on its own loop: ``start`` and ``stop``.

    Args:
        settings: The settings.
        listener: The port, bound.
        reload: Reads the settings anew; None when they cannot change.
        trace: Takes down what the actors tell each other.
        entry: The way into the mesh; None without one.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        reload: Callable[[], Settings] | None = None,
        trace: Recorder | None = None,
        entry: MeshEntry | None = None,
    ) -> None:
        self._port: int = listener.getsockname()[1]
        self._listener = listener
        self._reload = reload
        self._trace = trace
        self._entry = entry
        self._live = Live(with_endpoints(settings, self._port))
        self._stats = Stats()
        self._leave = asyncio.Event()
        self._status = 0
        self._gateway: Address | None = None
        self._server: HttpServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._keepalive: Keepalive | None = None

    @property
    def endpoint(self) -> str:
        """The public URL of this gateway."""
        return public_endpoint(self._live.settings, self._port)

    async def main(self, announce: Callable[[str], None]) -> int:
        """Run until a signal; see ``run``."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave_soon)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        loop.add_signal_handler(signal.SIGUSR2, self._on_replace)
        await self.start()
        gc.collect()
        gc.freeze()  # what lives since the start is not looked at again
        gc.set_threshold(_ALLOCATIONS_PER_COLLECTION, 20, 20)
        announce(self.endpoint)
        await self._leave.wait()
        logger.info("draining")
        await self.stop()
        return self._status

    def leave_soon(self) -> None:
        """Let ``main`` drain and return."""
        self._leave.set()

    def _give_up(self) -> None:
        """End the process: without its gateway actor it serves nobody."""
        logger.critical("the gateway actor failed; ending the process")
        self._status = 1
        self._leave.set()

    async def start(self) -> None:
        """Start actors and server; the port accepts connections when this returns."""
        loop = asyncio.get_running_loop()
        settings = self._live.settings
        setups = {name: self._setup(name) for name in settings.hubs}
        logger.debug("%d hubs are configured", len(setups))
        trace = self._trace
        dispatcher = (
            Dispatcher(loop) if trace is None else TracingDispatcher(loop, trace)
        )
        mesh = None
        if self._entry is not None:
            mesh = await self._entry.open(partial(figures, self._stats))
        name = secrets.token_hex(_ID_BYTES)
        self._gateway = supervision.spawn(
            dispatcher, partial(Gateway, self._setup, name, self._give_up, mesh)
        )
        self._keepalive = Keepalive(loop)
        compile_filter("true")  # builds the parser now, so that no caller waits for it
        entrance = self._gateway if trace is None else Entrance(self._gateway, trace)
        front = Front(entrance, dispatcher, self._live, self._stats, self._keepalive)
        if self._entry is not None:
            await self._entry.settle(self._gateway)
        self._server = HttpServer(front)
        self._serving = loop.create_task(self._server.serve([self._listener]))
        await self._server.listening.wait()

    async def stop(self) -> None:
        """Drain: refuse newcomers, close every client with a reason, then end."""
        if self._gateway is None or self._server is None or self._serving is None:
            return
        seconds = self._live.settings.drain_seconds
        self._server.refuse_newcomers()
        drained: Reply[bool] = Reply()
        self._gateway.post(internal.Drain(drained))
        try:
            async with asyncio.timeout(seconds):
                await drained
                while self._stats.open:  # noqa: ASYNC110 - counted, not signalled
                    await asyncio.sleep(0.01)
        except TimeoutError:
            logger.warning("%d clients did not leave in time", self._stats.open)
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._serving
        if self._keepalive is not None:
            self._keepalive.stop()
        self._gateway.end()
        await asyncio.sleep(0)
        if self._entry is not None:
            await self._entry.close()

    def reload(self) -> bool:
        """Read handlers, keys and limits anew; a bad file leaves the old in force.

        Returns:
            Whether the new ones are in force.
        """
        if self._reload is None or self._gateway is None:
            logger.warning("there is no configuration file to reload")
            return False
        old = self._live.settings
        try:
            fresh = with_endpoints(self._reload(), self._port)
            self._live.settings = fresh
            for name in fresh.hubs:
                self._setup(name)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, keep running
            self._live.settings = old
            logger.error("not reloaded, the old settings stay: %s", error)  # noqa: TRY400
            return False
        self._gateway.post(Reconfigure(self._setup))
        return True

    def _on_hangup(self) -> None:
        if self.reload():
            # Said once the hubs have them: who reads the line may rely on it.
            asyncio.get_running_loop().call_soon(logger.info, "settings reloaded")

    @staticmethod
    def _on_replace() -> None:
        logger.warning("SIGUSR2 replaces the workers of a gateway; here are none")

    def _setup(self, hub: str) -> HubSetup:
        settings = self._live.settings
        hub_settings = settings.hub(hub) or HubSettings()
        if any(handler.handler for handler in hub_settings.handlers):
            sys.setswitchinterval(_SWITCH_INTERVAL)
        return hub_setup(hub, hub_settings, self._live)
