"""Real gateways that are each other's peers, and the ways between them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self
from urllib.request import Request, urlopen

from support.gateway import GatewayProcess, Reachable
from support.tcp_proxy import TcpProxy, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

Peer = dict[str, Any]
SECONDS = 20.0


def peers_of(gateway: GatewayProcess) -> dict[str, Any]:
    """Ask a gateway how it sees the mesh, as ``hubbub peers --json`` does."""
    headers = {"Authorization": f"Bearer {gateway.token('/api/peers')}"}
    request = Request(f"{gateway.endpoint}/api/peers", headers=headers)
    with urlopen(request, timeout=SECONDS) as answer:
        view: dict[str, Any] = json.load(answer)
    return view


class Front(Reachable):
    """What stands before the gateways of a cluster: each connection to the next."""

    def __init__(self, proxy: TcpProxy) -> None:
        self.endpoint = f"http://127.0.0.1:{proxy.port}"


class Cluster:
    """Gateways of one service; use it as a context.

    Args:
        size: How many.
        arguments: Further arguments of each.
        secret: The file of the cluster's secret, if they have one.
        proxied: Whether the way to each leads through a proxy that can be cut.
        record: Whether these proxies keep what is said.
        environment: Further environment variables of each.
    """

    def __init__(
        self,
        size: int,
        *arguments: str,
        secret: str | None = None,
        proxied: bool = False,
        record: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._size = size
        self._arguments = arguments
        self._secret = secret
        self._proxied = proxied
        self._record = record
        self._environment = environment
        self._stack = ExitStack()
        self._logs = [""] * size
        self._read = [0] * size
        self._running: dict[int, GatewayProcess] = {}
        self._http = [free_port() for _ in range(size)]
        self.ports = [free_port() for _ in range(size)]
        """Where each gateway listens for peers, behind its proxy."""
        self.proxies: list[TcpProxy] = []
        self.gateways: list[GatewayProcess] = []
        self.front: Front

    def __getitem__(self, place: int) -> GatewayProcess:
        return self.gateways[place % self._size]

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> Self:
        with self._stack:
            if self._proxied:
                self.proxies = [
                    self._stack.enter_context(TcpProxy(port, record=self._record))
                    for port in self.ports
                ]
            self.front = Front(self._stack.enter_context(TcpProxy(*self._http)))
            self._stack.callback(self._stop)
            with ThreadPoolExecutor(self._size) as threads:
                self.gateways = list(threads.map(self._started, range(self._size)))
            self.await_linked()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            for place in range(self._size):
                print(f"--- log of gateway {place} ---\n{self.log(place)[-5000:]}")  # noqa: T201 - shown with the failure
        self._stack.close()

    def log(self, place: int) -> str:
        """Give what a gateway has logged, in all its lives, since it was restored."""
        return self._whole_log(place)[self._read[place] :]

    def await_log(self, place: int, text: str, seconds: float = SECONDS) -> str:
        """Wait until a gateway has logged a text."""
        log: str = awaited(lambda: self.log(place), lambda log: text in log, seconds)
        return log

    def restore(self) -> None:
        """Let everything be as at the beginning, whatever a test has done."""
        for proxy in self.proxies:
            proxy.heal()
        for place in range(self._size):
            if place in self._running:
                self._running[place].signal(signal.SIGCONT)
            else:
                self.start(place)
        self.await_linked()
        self._read = [len(self._whole_log(place)) for place in range(self._size)]

    def _whole_log(self, place: int) -> str:
        running = self._running.get(place)
        return self._logs[place] + (running.log if running else "")

    def endpoint(self, place: int) -> str:
        """Give where peers reach a gateway."""
        if self._proxied:
            return self.proxies[place].endpoint
        return f"tcp://127.0.0.1:{self.ports[place]}"

    def start(self, place: int) -> GatewayProcess:
        """Start a gateway again, where it was before."""
        self.gateways[place] = self._started(place)
        return self.gateways[place]

    def kill(self, place: int) -> None:
        """End a gateway at once."""
        gateway = self._running.pop(place)
        gateway.process.kill()
        gateway.process.wait()
        self._close(gateway)

    def stop(self, place: int) -> int:
        """Drain a gateway; gives its exit status."""
        gateway = self._running.pop(place)
        status = gateway.stop()
        self._close(gateway)
        return status

    def _started(self, place: int) -> GatewayProcess:
        # The first is everybody's seed; the first itself has one to come back to.
        seed = self.endpoint(1 if place == 0 else 0) if self._size > 1 else None
        urls = [f"http://127.0.0.1:{port}" for port in self._http]
        names = [urls[place], *urls[:place], *urls[place + 1 :], self.front.endpoint]
        arguments = [
            *("--port", str(self._http[place])),
            *(word for url in names for word in ("--endpoint", url)),
            *("--peer-listen", f"tcp://127.0.0.1:{self.ports[place]}"),
            *(("--peer-endpoint", self.endpoint(place)) if self._proxied else ()),
            *(("--peers", seed) if seed else ()),
            *(("--cluster-secret", self._secret) if self._secret else ()),
            *self._arguments,
        ]
        gateway = self._running[place] = GatewayProcess(
            *arguments, environment=self._environment, workers=1
        )
        return gateway

    def _stop(self) -> None:
        for gateway in self._running.values():
            gateway.signal(signal.SIGCONT)  # one that is held cannot drain
            gateway.signal(signal.SIGTERM)
        for gateway in self._running.values():
            self._close(gateway)

    def _close(self, gateway: GatewayProcess) -> None:
        self._logs[self._http.index(gateway.port)] += gateway.log
        gateway.__exit__(None, None, None)

    # How they see each other.

    def view(self, place: int) -> list[Peer]:
        """Give the peers of a gateway as it sees them."""
        peers: list[Peer] = peers_of(self.gateways[place])["peers"]
        return peers

    def peer(self, place: int, other: int) -> Peer:
        """Give one gateway as another sees it."""
        endpoint = self.endpoint(other)
        view = self.view(place)
        found = [one for one in view if one["endpoint"] == endpoint]
        assert found, view
        # One that was there before may still be listed for a moment.
        return max(found, key=lambda one: (one["state"] == "up", one["epoch"]))

    def bonds(self, *places: int) -> list[tuple[int, int, str, int, int]]:
        """Give what gateways say of each other that a healthy mesh does not change."""
        every = range(self._size)
        pairs = [(a, b) for a in places or every for b in every if a != b]
        seen = [(a, b, self.peer(a, b)) for a, b in pairs]
        return [(a, b, p["state"], p["epoch"], p["lost"]) for a, b, p in seen]

    def await_peer(
        self, place: int, other: int, seconds: float = SECONDS, **expected: object
    ) -> Peer:
        """Wait until a gateway sees another one so."""
        peer: Peer = awaited(
            lambda: self.peer(place, other),
            lambda peer: all(peer[name] == value for name, value in expected.items()),
            seconds,
        )
        return peer

    def await_quiet(self, place: int, seconds: float = SECONDS) -> None:
        """Wait until a gateway's peers have acknowledged all that it has for them."""
        awaited(
            lambda: self.view(place),
            lambda view: not any(peer["queued"] for peer in view),
            seconds,
        )

    def await_linked(self, seconds: float = SECONDS) -> None:
        """Wait until every gateway is linked with every other."""
        for place in range(self._size):
            awaited(lambda place=place: self.view(place), self._complete, seconds)  # type: ignore[misc] # the default binds it

    def _complete(self, view: list[Peer]) -> bool:
        return [peer["state"] for peer in view].count("up") == self._size - 1


def awaited(
    look: Callable[[], Any], good: Callable[[Any], bool], seconds: float = SECONDS
) -> Any:
    """Look again and again until what is seen is good, and give it."""
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {seen}"
        time.sleep(0.05)
    return seen


async def aside(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Call what blocks without holding the loop of the test."""
    return await asyncio.to_thread(function, *arguments, **more)
