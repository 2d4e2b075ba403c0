"""Crowds of a scene: many clients kept by one actor, which counts what they hear."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.sdk import WebPubSubClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.runtime.address import Address
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller

_AT_A_TIME = 20
"""Clients that connect at the same time."""


class Gather(msgspec.Struct, frozen=True):
    """Connect everyone."""

    answer: Reply[None]


class Count(msgspec.Struct, frozen=True):
    """Answer with all latencies, in seconds, once so many messages were heard."""

    count: int
    answer: Reply[list[float]]


class Heard(msgspec.Struct, frozen=True):
    """One of the crowd has heard a message that was sent so many seconds ago."""

    latency: float


class Disperse(msgspec.Struct, frozen=True):
    """Disconnect everyone."""

    answer: Reply[None]


ToCrowd: TypeAlias = Gather | Count | Heard | Disperse | Done


class CrowdActor(Part):
    """Many clients, each reading all the time.

    Args:
        urls: The client URL of each.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self._clients = [WebPubSubClient(url, timeout=SECONDS) for url in urls]
        self._readers: list[asyncio.Task[None]] = []
        self._latencies: list[float] = []
        self._counts: list[Count] = []

    def on_receive(self, message: ToCrowd) -> None:
        """Count, or do what the story asks."""
        match message:
            case Heard(latency=latency):
                self._latencies.append(latency)
                self._tell()
            case Gather(answer=answer):
                self.work(self._gather(), answer)
            case Count():
                self._counts.append(message)
                self._tell()
            case Disperse(answer=answer):
                self.work(self._disperse(), answer)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    def _tell(self) -> None:
        while self._counts and len(self._latencies) >= self._counts[0].count:
            self._counts.pop(0).answer.post(list(self._latencies))

    async def _gather(self) -> None:
        gate = asyncio.Semaphore(_AT_A_TIME)

        async def enter(client: WebPubSubClient) -> None:
            async with gate:
                await client.__aenter__()

        await asyncio.gather(*map(enter, self._clients))
        self._readers = [asyncio.create_task(self._read(c)) for c in self._clients]

    async def _read(self, client: WebPubSubClient) -> None:
        async for message in client.messages():
            self.address.post(Heard(time.perf_counter() - message.data["at"]))

    async def _disperse(self) -> None:
        await asyncio.gather(*(client.close() for client in self._clients))
        await asyncio.gather(*self._readers)


class Crowd:
    """A crowd as a story sees it."""

    def __init__(
        self, size: int, group: str, address: Address, stage: Stage, teller: Teller
    ) -> None:
        self.name = "the crowd"
        self._size = size
        self._group = group
        self._address = address
        self._stage = stage
        self._teller = teller

    def gathers(self) -> None:
        """Connect everyone."""
        self._teller.does(self.name, f"gathers: {self._size} clients in {self._group}")
        self._stage.ask(self._address, Gather)

    def has_heard(self, count: int) -> list[float]:
        """Wait until so many messages were heard; gives the latency of each.

        Messages must say ``at`` which moment of ``time.perf_counter`` they were sent.
        """
        return self._stage.ask(self._address, lambda answer: Count(count, answer))

    def ends(self) -> None:
        """Disconnect everyone, without a word."""
        self._stage.ask(self._address, Disperse)
