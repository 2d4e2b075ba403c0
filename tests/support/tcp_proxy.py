"""A way to ports of loopback that a test can cut, stall and heal.

With several targets it is what stands before a service of several gateways: each
connection goes to the next of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SECONDS = 10.0
CHUNK = 1 << 16
_PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever asks for any."""


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    for _ in range(1000):
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class TcpProxy:
    """Forwards connections, in a thread of its own; use it as a context.

    Args:
        targets: Ports of loopback; connections go to them in turns.
        record: Whether to keep what those who connect have said.
    """

    def __init__(self, *targets: int, record: bool = False) -> None:
        self.targets = list(targets)
        self.said: list[bytearray] = []
        """What each connection has said, if that is kept."""
        self.accepted = 0
        self._record = record
        self._turns = itertools.count()
        self._closed = False
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._pairs)

    def cut(self) -> None:
        """Reset every connection; from now on new ones are reset at once."""

        def cut() -> None:
            self._closed = True
            self._abort()

        self._do(cut)

    def reset(self) -> None:
        """Reset every connection; new ones get through."""
        self._do(self._abort)

    def stall(self) -> None:
        """Let no byte pass, and keep the connections."""
        self._do(self._flowing.clear)

    def heal(self) -> None:
        """Let connections and bytes pass again."""

        def heal() -> None:
            self._closed = False
            self._flowing.set()

        self._do(heal)

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

    # In the thread.

    def _do(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._connected, sock=self._listener, limit=CHUNK
        )

    async def _end(self) -> None:
        self._server.close()
        self._abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort(self) -> None:
        for pair in tuple(self._pairs):
            pair.abort()

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        target = None if self._closed else await self._dial()
        if target is None or self._closed:
            writer.transport.abort()
            if target is not None:
                target[1].transport.abort()
            return
        pair = _Pair(writer, target[1])
        self._pairs.add(pair)
        said = None
        if self._record:
            self.said.append(said := bytearray())
        try:
            await asyncio.gather(
                self._pump(reader, target[1], said), self._pump(target[0], writer, None)
            )
        except OSError:
            pass  # one side is gone: so is the other
        finally:
            pair.abort()
            self._pairs.discard(pair)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next target that is there."""
        for _ in self.targets:
            port = self.targets[next(self._turns) % len(self.targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        return None

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        said: bytearray | None,
    ) -> None:
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            if said is not None:
                said += data
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()
        if writer.can_write_eof():
            writer.write_eof()


class _Pair:
    """The two ends of a forwarded connection."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._transports: tuple[Any, ...] = tuple(w.transport for w in writers)

    def abort(self) -> None:
        for transport in self._transports:
            transport.abort()
