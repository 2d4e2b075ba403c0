"""Ways to a gateway that break off at any moment, in the manners of networks."""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from support.gateway import GatewayProcess

SECONDS = 10.0


class Cut(enum.Enum):
    """How a connection ends without a close frame."""

    FIN = "both ends see an orderly end of the stream"
    RESET = "both ends see a reset"
    TORN = "the client gets half of what comes next, and the end of the stream"
    UNNOTICED = "the client sees the end of the stream, the gateway sees nothing"


class Way:
    """A port of its own that leads to a gateway; made by ``Ways``."""

    def __init__(self, ways: Ways, port: int) -> None:
        self.ways = ways
        self._do = ways.do
        self._gateway = ways.gateway
        self._port = port
        self._pairs: set[_Pair] = set()
        self._refusals = 0
        self.cuts = 0
        """Connections of a client that were cut."""

    def client_url(self, *client: Any) -> str:
        """Make the URL of a client that comes this way; see ``Reachable``."""
        url = self._gateway.client_url(*client)
        return url.replace(f":{self._gateway.port}/", f":{self._port}/")

    @property
    def busy(self) -> bool:
        """Whether a client is connected, and something came to it."""
        return any(pair.busy for pair in tuple(self._pairs))

    def cut(self, kind: Cut, refusals: int = 0) -> None:
        """Cut what is connected, and refuse so many attempts to connect again."""

        def cut() -> None:
            self._refusals += refusals
            for pair in tuple(self._pairs):
                if pair.busy:
                    self.cuts += 1
                    pair.cut(kind)

        self._do(cut)

    # In the thread of the ways.

    def arrived(self, client: asyncio.Transport, gateway_port: int) -> _Pair | None:
        """Take a client's connection, or reset it."""
        if self._refusals:
            self._refusals -= 1
            _reset(client)
            return None
        pair = _Pair(client, gateway_port, self._pairs.discard, self.ways.stir)
        self._pairs.add(pair)
        return pair

    def abort(self) -> None:
        """End what is left."""
        for pair in tuple(self._pairs):
            pair.cut(Cut.RESET)


class Ways:
    """Ways to one gateway, in a thread of their own; use it as a context."""

    def __init__(self, gateway: GatewayProcess, count: int) -> None:
        self.gateway = gateway
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self.all = [Way(self, listener.getsockname()[1]) for listener in listeners]
        self._listeners = listeners
        self._servers: list[asyncio.Server] = []
        self._stirred = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    async def busy(self, ways: Sequence[Way]) -> list[Way]:
        """Wait until some of these ways are busy; gives all that are."""
        waiting = asyncio.run_coroutine_threadsafe(self._busy(ways), self._loop)
        return await asyncio.wrap_future(waiting)

    def do(self, action: Callable[[], None]) -> None:
        """Do something in the thread, and wait for it."""

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(SECONDS)

    # In the thread.

    def stir(self) -> None:
        """Look again whether ways are busy."""
        self._stirred.set()

    async def _busy(self, ways: Sequence[Way]) -> list[Way]:
        while not (found := [way for way in ways if way.busy]):
            self._stirred.clear()
            await self._stirred.wait()
        return found

    async def _listen(self) -> None:
        for way, listener in zip(self.all, self._listeners, strict=True):
            side = partial(_ClientSide, way, self.gateway.port)
            server = await self._loop.create_server(side, sock=listener)
            self._servers.append(server)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for way in self.all:
            way.abort()
        await asyncio.sleep(0)  # transports that were aborted close in the next round


class _Side(asyncio.Protocol):
    """One end of a connection: what comes goes out at the other end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.pair: _Pair | None = None
        self.chunks = 0
        """How many times something came from this end; the first is its handshake."""

    @property
    def other(self) -> _Side | None:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.chunks += 1
        if self.pair is not None and self.chunks == 2:
            self.pair.stir()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None
        if self.pair is not None:
            self.pair.lost(self)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _ClientSide(_Side):
    def __init__(self, way: Way, gateway_port: int) -> None:
        super().__init__()
        self._way = way
        self._port = gateway_port

    @property
    def other(self) -> _Side | None:
        return None if self.pair is None else self.pair.gateway

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.pair = self._way.arrived(self.transport, self._port)
        if self.pair is not None:
            self.pair.client = self


class _GatewaySide(_Side):
    def __init__(self, pair: _Pair) -> None:
        super().__init__()
        self.pair = pair

    @property
    def other(self) -> _Side | None:
        return None if self.pair is None else self.pair.client

    def data_received(self, data: bytes) -> None:
        assert self.pair is not None
        if self.pair.torn:
            super().data_received(data[: len(data) // 2])
            self.pair.cut(Cut.FIN)
        else:
            super().data_received(data)


class _Pair:
    """A client's connection and ours to the gateway."""

    def __init__(
        self,
        client: asyncio.Transport,
        gateway_port: int,
        forget: Callable[[_Pair], None],
        stir: Callable[[], None],
    ) -> None:
        self._forget = forget
        self.stir = stir
        self.client: _Side | None = None
        self.gateway = _GatewaySide(self)
        self.torn = False
        client.pause_reading()
        loop = asyncio.get_running_loop()
        self._dial = loop.create_task(self._connect(client, gateway_port))

    @property
    def busy(self) -> bool:
        """Whether both are through the handshake, and not cut off from each other."""
        if self.client is None or self.torn:
            return False
        return self.gateway.chunks > 1 or self.client.chunks > 1

    async def _connect(self, client: asyncio.Transport, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.gateway, "127.0.0.1", port)
        except OSError:
            client.abort()
            return
        client.resume_reading()

    def cut(self, kind: Cut) -> None:
        match kind:
            case Cut.FIN:
                self._both(_close)
            case Cut.RESET:
                self._both(_reset)
            case Cut.TORN:
                self.torn = True
            case Cut.UNNOTICED:
                client, self.client = self.client, None
                if client is not None and client.transport is not None:
                    client.transport.close()

    def _both(self, end: Callable[[asyncio.Transport], None]) -> None:
        self._dial.cancel()
        for side in (self.client, self.gateway):
            if side is not None and side.transport is not None:
                end(side.transport)

    def lost(self, side: _Side) -> None:
        """Close the other end too, unless the client's end was cut unnoticed."""
        if side is self.gateway or self.client is not None:
            self._forget(self)
            self._both(_close)


def _close(transport: asyncio.Transport) -> None:
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Close by a reset (SO_LINGER of no time)."""
    plain = transport.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
