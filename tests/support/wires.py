"""ZeroMQ wires in this process, and what arrives on them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hubbub.actors.messages import peers
from hubbub.transport.zeromq import ZeroMqWire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hubbub.actors.messages.peers import FromWire, Packet
    from hubbub.transport.cluster_secret import ClusterSecret

SECONDS = 20.0
FREE = "tcp://127.0.0.1:0"


class Arrivals:
    """A reference that keeps what comes, for a test to wait for."""

    def __init__(self) -> None:
        self.heard: list[FromWire] = []
        self._came = asyncio.Event()

    def post(self, message: FromWire, /) -> None:
        self.heard.append(message)
        self._came.set()

    async def until(self, enough: Callable[[list[FromWire]], bool]) -> None:
        """Wait until what came is enough."""
        async with asyncio.timeout(SECONDS):
            while not enough(self.heard):
                self._came.clear()
                await self._came.wait()

    async def packets(self, count: int) -> list[FromWire]:
        """Wait for so many packets, and take them."""
        await self.until(lambda _: len(self._packets()) >= count)
        found = self._packets()
        self.heard = [one for one in self.heard if isinstance(one, peers.Trouble)]
        return found

    async def trouble(self) -> peers.Trouble:
        """Wait for the first trouble."""
        await self.until(lambda _: bool(self.troubles()))
        return self.troubles()[0]

    def troubles(self) -> list[peers.Trouble]:
        return [one for one in self.heard if isinstance(one, peers.Trouble)]

    def _packets(self) -> list[FromWire]:
        return [one for one in self.heard if not isinstance(one, peers.Trouble)]


@asynccontextmanager
async def wire(
    listen: str = FREE,
    *,
    secret: ClusterSecret | None = None,
    endpoint: str | None = None,
) -> AsyncIterator[tuple[ZeroMqWire, Arrivals]]:
    """Open a wire; gives what arrives on it too."""
    loop = asyncio.get_running_loop()
    one = ZeroMqWire(loop, (listen,), endpoint or listen, secret)
    arrivals = Arrivals()
    one.open(arrivals)
    try:
        yield one, arrivals
    finally:
        one.close()


def beat(number: int) -> Packet:
    return peers.Heartbeat("a1", 1, number, 0)


def knock(number: int) -> Packet:
    return peers.Knock(1, "hubbub", "a1", "tcp://127.0.0.1:7000", number)


async def connected(
    one: ZeroMqWire, endpoint: str, arrivals: Arrivals
) -> Callable[[Packet], None]:
    """Dial, and wait until packets get there; gives what sends."""
    channel = one.dial(endpoint)
    channel.send(knock(0))
    await arrivals.until(lambda heard: knock(0) in heard)
    arrivals.heard.clear()
    return channel.send
