"""The load of the mesh benchmark: closed loops whose members sit at any gateway.

Clients stay while the load is switched on and off, so that what is compared can take
turns a second long.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from hubbub.transport.bench.mesh_clients import (
    SIZE,
    client,
    frame,
    joining,
    publication,
    server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hubbub.transport.bench.mesh_clients import Client

_AT_ONCE: Final = 50
"""Handshakes under way at a time."""
_POLL: Final = 0.02
_POLLS: Final = 250
"""Looks without anything new until what is missing counts as lost."""


class Slice(NamedTuple):
    """What came of some seconds of load."""

    seconds: float
    deliveries: int
    messages: float
    cpu: tuple[float, ...]
    """Seconds of processor time of each process that was watched."""
    own: float
    """Seconds of processor time of the load itself."""
    median: float
    """Seconds from a publication to its last delivery, one at a time; else 0."""


class _Loop:
    """One publisher's closed loop: a message is done when every member has it."""

    def __init__(self, members: int, window: int, message: bytes) -> None:
        self.members = members
        self._window = window
        self._message = message
        self._began = 0.0
        self.publisher: Client
        self.heard = 0
        self.published = 0
        self.lost = 0
        self.running = False
        self.times: list[float] = []

    def hear(self, count: int) -> None:
        self.heard += count
        if self._window == 1 and self.missing <= 0:
            self.times.append(time.perf_counter() - self._began)
        self.fill()

    def fill(self) -> None:
        room = self._window - (self.published - self.heard // self.members)
        if self.running and room > 0:
            self.published += room
            self._began = time.perf_counter()
            self.publisher.send(self._message * room)

    @property
    def missing(self) -> int:
        return self.published * self.members - self.heard

    def give_up(self) -> None:
        """Count what is missing as lost, and begin anew."""
        self.lost += self.missing
        self.published = self.heard = 0


class Load:
    """Closed loops, with their clients connected.

    Args:
        watch: Gives the processor seconds of each process to be watched.
    """

    def __init__(self, watch: Callable[[], tuple[float, ...]]) -> None:
        self._watch = watch
        self._loops: list[_Loop] = []
        self._clients: list[Client] = []

    async def group(
        self, name: str, publisher: int | None, members: Sequence[int], window: int
    ) -> None:
        """Add a group.

        Args:
            name: Its name.
            publisher: The port of a publisher that is no member; None lets the first
                member publish.
            members: The port of each member.
            window: Messages under way.
        """
        loop = _Loop(len(members), window, publication(name))
        joined: list[Client] = []
        for start in range(0, len(members), _AT_ONCE):
            few = members[start : start + _AT_ONCE]
            joined += await asyncio.gather(*(client(port, loop.hear) for port in few))
        for member in joined:
            member.send(joining(name, 1))
        await asyncio.gather(*(member.acked(1) for member in joined))
        self._clients += joined
        loop.publisher = joined[0]
        if publisher is not None:
            loop.publisher = await client(publisher)
            self._clients.append(loop.publisher)
        self._loops.append(loop)

    async def user(self, name: str, publisher: int, port: int, window: int) -> None:
        """Add a user with one connection, to whom an attached server sends."""
        message = {"type": "publish", "userId": name, "dataType": "text"}
        loop = _Loop(1, window, frame({**message, "data": "x" * SIZE}))
        loop.publisher = await server(publisher)
        self._clients += [loop.publisher, await client(port, loop.hear, name)]
        self._loops.append(loop)

    async def run(self, seconds: float) -> Slice:
        """Put the load on for some seconds, after a fifth of them to warm up."""
        for loop in self._loops:
            loop.running = True
            loop.fill()
        await asyncio.sleep(seconds / 5)
        for loop in self._loops:
            loop.times.clear()
        before, watched, own = self._heard(), self._watch(), time.process_time()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        own, cpu, after = time.process_time() - own, self._watch(), self._heard()
        used = tuple(now - then for now, then in zip(cpu, watched, strict=True))
        counts = [now - then for now, then in zip(after, before, strict=True)]
        done = sum(
            n / loop.members for n, loop in zip(counts, self._loops, strict=True)
        )
        times = sorted(one for loop in self._loops for one in loop.times)
        median = times[len(times) // 2] if times else 0.0
        await self._rest()
        return Slice(took, sum(counts), done, used, own, median)

    async def close(self) -> int:
        """Disconnect everybody; gives how many deliveries never came."""
        for one in self._clients:
            one.close()
        await asyncio.sleep(0)  # the loop closes what was aborted
        return sum(loop.lost for loop in self._loops)

    def _heard(self) -> list[int]:
        return [loop.heard for loop in self._loops]

    async def _rest(self) -> None:
        """Take the load off, and wait until all has arrived or nothing more does."""
        for loop in self._loops:
            loop.running = False
        last, patience = 0, _POLLS
        while patience and (missing := sum(loop.missing for loop in self._loops)):
            patience = _POLLS if missing != last else patience - 1
            last = missing
            await asyncio.sleep(_POLL)
        for loop in self._loops:
            loop.give_up()
