"""The composition root: sockets, loop, actors, HTTP, signals; one gateway process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import uvicorn
import uvloop

from hubbub.actors.gateway import Gateway, Reconfigure
from hubbub.actors.messages import internal
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.reply import Reply
from hubbub.actors.runtime.trace import TracingDispatcher
from hubbub.transport.configuration import is_loopback
from hubbub.transport.front import Front
from hubbub.transport.front_door import FrontDoor
from hubbub.transport.hub_setup import hub_setup
from hubbub.transport.keepalive import Keepalive
from hubbub.transport.metrics import Stats
from hubbub.transport.settings import HubSettings, Live, Settings
from hubbub.transport.trace_edge import Entrance
from hubbub.transport.web import web_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubbub.actors.hub import HubSetup
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.trace import Recorder

logger = logging.getLogger(__name__)

_BACKLOG = 4096
_ALLOCATIONS_PER_COLLECTION = 50_000
"""Between collections of the youngest; the default of 700 costs a tenth of a core."""
_ANY_HOST = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
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
    # Until the loop handles it, a reload must not end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        listener = _listen(settings)
    except OSError as error:
        logger.error(  # noqa: TRY400 - the message says all, a trace nothing
            "cannot listen on %s port %d: %s; is another gateway running?",
            settings.host,
            settings.port,
            error.strerror or error,
        )
        return 1
    return uvloop.run(Process(settings, listener, reload, trace).main(announce))


class Process:
    """One gateway in this process: built, running, drained.

    Also what an in-process test runs on its own loop: ``start`` and ``stop``.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        reload: Callable[[], Settings] | None = None,
        trace: Recorder | None = None,
    ) -> None:
        self._port: int = listener.getsockname()[1]
        self._listener = listener
        self._reload = reload
        self._trace = trace
        self._live = Live(with_endpoints(settings, self._port))
        self._stats = Stats()
        self._leave = asyncio.Event()
        self._status = 0
        self._gateway: Address | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._keepalive: Keepalive | None = None

    @property
    def endpoint(self) -> str:
        """The public URL of this gateway."""
        endpoints = self._live.settings.endpoints
        return endpoints[0] if endpoints else f"http://127.0.0.1:{self._port}"

    async def main(self, announce: Callable[[str], None]) -> int:
        """Run until a signal; see ``run``."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._leave.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        await self.start()
        gc.collect()
        gc.freeze()  # what lives since the start is not looked at again
        gc.set_threshold(_ALLOCATIONS_PER_COLLECTION, 20, 20)
        announce(self.endpoint)
        await self._leave.wait()
        logger.info("draining")
        await self.stop()
        return self._status

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
        self._gateway = supervision.spawn(
            dispatcher,
            partial(Gateway, self._setup, secrets.token_hex(3), self._give_up),
        )
        self._keepalive = Keepalive(loop)
        compile_filter("true")  # builds the parser now, so that no caller waits for it
        entrance = self._gateway if trace is None else Entrance(self._gateway, trace)
        front = Front(entrance, dispatcher, self._live, self._stats, self._keepalive)
        self._server = _Server(front)
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

    def reload(self) -> None:
        """Read handlers, keys and limits anew; a bad file leaves the old in force."""
        if self._reload is None or self._gateway is None:
            logger.warning("there is no configuration file to reload")
            return
        old = self._live.settings
        try:
            fresh = with_endpoints(self._reload(), self._port)
            self._live.settings = fresh
            for name in fresh.hubs:
                self._setup(name)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, keep running
            self._live.settings = old
            logger.error("not reloaded, the old settings stay: %s", error)  # noqa: TRY400
            return
        self._gateway.post(Reconfigure(self._setup))
        # Said once the hubs have them: who reads the line may rely on it.
        asyncio.get_running_loop().call_soon(logger.info, "settings reloaded")

    def _setup(self, hub: str) -> HubSetup:
        settings = self._live.settings
        hub_settings = settings.hub(hub) or HubSettings()
        if any(handler.handler for handler in hub_settings.handlers):
            sys.setswitchinterval(_SWITCH_INTERVAL)
        return hub_setup(hub, hub_settings, self._live)


class _Server(uvicorn.Server):
    """uvicorn's server, with our signals and our drain."""

    def __init__(self, front: Front) -> None:
        super().__init__(_http_config(front))
        self._front = front
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: uvicorn would exit with 143 on SIGTERM."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so; uvicorn's own sets no limit to a TLS handshake."""
        config, front = self.config, self._front
        loop = asyncio.get_running_loop()
        limit = front.live.settings.limits.head_seconds
        self.servers = [
            await loop.create_server(
                lambda: FrontDoor(front, config, self.server_state, {}, loop),
                sock=listener,
                ssl=config.ssl,
                ssl_handshake_timeout=limit if config.ssl else None,
                backlog=config.backlog,
            )
            for listener in sockets or ()
        ]
        self.started = True
        self.listening.set()

    def refuse_newcomers(self) -> None:
        """Close the listening sockets; established connections stay."""
        for server in self.servers:
            server.close()


def _http_config(front: Front) -> uvicorn.Config:
    settings = front.live.settings
    return uvicorn.Config(
        web_app(front),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(settings.limits.idle_seconds),
        timeout_graceful_shutdown=int(settings.drain_seconds),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def with_endpoints(settings: Settings, port: int) -> Settings:
    """Fill in the endpoints: where we listen, and the other names of loopback.

    Tokens name their audience; on loopback 127.0.0.1 and localhost are the same to a
    person, so they are to us. A gateway that listens everywhere and was not told its
    name has none: then the request's own Host counts.
    """
    endpoints = list(settings.endpoints)
    if not endpoints and settings.host not in _ANY_HOST:
        scheme = "https" if settings.tls_cert else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        endpoints = [f"{scheme}://{host}:{port}"]
    for url in tuple(endpoints):
        parts = urlsplit(url)
        if parts.hostname is not None and is_loopback(parts.hostname):
            tail = f":{parts.port}" if parts.port else ""
            for host in ("127.0.0.1", "localhost", "[::1]"):
                alias = f"{parts.scheme}://{host}{tail}{parts.path}"
                if alias not in endpoints:
                    endpoints.append(alias)
    return msgspec.structs.replace(settings, port=port, endpoints=tuple(endpoints))
