"""Publications under way between gateways, and whether all of them arrive in order."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.official import Bystander

WINDOW = 64
"""Publications of a client that are not acknowledged yet."""


class Publisher:
    """Publishes numbers to a group, one after the other, as fast as acks allow."""

    def __init__(
        self, client: Bystander, group: str, *, noise: str = "", window: int = WINDOW
    ) -> None:
        self.name: str = client.connected["userId"]
        self.acknowledged = 0
        self._client = client
        self._group = group
        self._noise = noise
        self._window = asyncio.Semaphore(window)
        self._progress = asyncio.Condition()

    async def publish(self, count: int) -> None:
        """Publish so many, and wait until all are acknowledged."""
        first = self.acknowledged
        reading = asyncio.create_task(self._acknowledge(first + count))
        socket = self._client.socket
        for number in range(first, first + count):
            await self._window.acquire()
            frame = {
                "type": "sendToGroup",
                "group": self._group,
                "noEcho": True,
                "ackId": 1_000_000 + number,
                "data": {"n": number, "x": self._noise},
            }
            await socket.send(json.dumps(frame))
        await reading

    async def reached(self, number: int) -> None:
        """Wait until so many are acknowledged."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.acknowledged >= number)

    async def _acknowledge(self, until: int) -> None:
        while self.acknowledged < until:
            push = json.loads(await self._client.socket.recv())
            if push["type"] == "ack":
                assert push["success"], push
                self._window.release()
                async with self._progress:
                    self.acknowledged += 1
                    self._progress.notify_all()


class Member:
    """Notes which numbers of which publisher come, in their order."""

    def __init__(self, client: Bystander) -> None:
        self.heard: dict[str, list[int]] = {}
        self._client = client
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            push: dict[str, Any] = json.loads(await self._client.socket.recv())
            if push["type"] != "message":
                continue
            async with self._changed:
                self.heard.setdefault(push["fromUserId"], []).append(push["data"]["n"])
                self._changed.notify_all()

    async def heard_last(
        self, name: str, number: int, seconds: float = 60.0
    ) -> list[int]:
        """Wait until a publisher's number has come; gives all that came of it."""

        def there() -> bool:
            return self._task.done() or number in self.heard.get(name, ())[-1:]

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(there)
        return self.heard[name]

    async def stop(self) -> None:
        """Listen no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def complete(members: Iterable[Member], publishers: Iterable[Publisher]) -> None:
    """Check that each member hears all numbers of each publisher, once, in order."""
    for member in members:
        for publisher in publishers:
            count = publisher.acknowledged
            heard = await member.heard_last(publisher.name, count - 1)
            assert heard == list(range(count)), _difference(heard, count)


def _difference(heard: list[int], count: int) -> str:
    lost = sorted(set(range(count)) - set(heard))
    twice = len(heard) - len(set(heard))
    ordered = heard == sorted(heard)
    return f"{len(lost)} lost {lost[:10]}, {twice} twice, in order: {ordered}"
