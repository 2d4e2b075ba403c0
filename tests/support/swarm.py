"""Thousands of clients in one process, as light as they can be."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path
from typing import TYPE_CHECKING, cast

from support.raw import target, upgrade
from support.wire import ServerFrames

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import GatewayProcess

AT_A_TIME = 250


def raise_file_limit() -> int:
    """Let this process and its children open as many files as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def resident(pid: int) -> int:
    """Give the memory of a process and its children in bytes."""
    process = Path(f"/proc/{pid}")
    children = (process / f"task/{pid}/children").read_text().split()
    own = int((process / "statm").read_text().split()[1]) * resource.getpagesize()
    return own + sum(map(resident, map(int, children)))


class Drone(asyncio.Protocol):
    """A client that notes the data of the group messages it gets."""

    __slots__ = ("_frames", "_head", "_heard", "_request", "_told", "got", "transport")

    def __init__(self, request: bytes, told: Callable[[], None]) -> None:
        self.got: list[int] = []
        self.transport: asyncio.Transport | None = None
        self._request = request
        self._told = told
        self._head: bytes | None = b""
        self._heard = 0
        self._frames = ServerFrames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._head = None
        self._frames.feed(data)
        while (frame := self._frames.next()) is not None:
            self._heard += 1
            if self._heard == 1:
                assert b'"connected"' in frame.data, frame
            else:
                self.got.append(json.loads(frame.data)["data"])
            self._told()


class Swarm:
    """So many clients of one hub, all in the same groups."""

    def __init__(self, gateway: GatewayProcess, hub: str, groups: list[str]) -> None:
        self._gateway = gateway
        self._request = upgrade(gateway, target(gateway, hub, groups=groups))
        self._count = 0
        self._awaited = 0
        self._reached = asyncio.Event()
        self.drones: list[Drone] = []

    async def connect(self, number: int) -> None:
        """Connect clients until there are so many, and hear ``connected`` on each."""
        loop = asyncio.get_running_loop()
        host, port = self._gateway.host, self._gateway.port
        while len(self.drones) < number:
            batch = [Drone(self._request, self._told) for _ in range(AT_A_TIME)]
            batch = batch[: number - len(self.drones)]
            await asyncio.gather(
                *(
                    loop.create_connection(lambda drone=drone: drone, host, port)  # type: ignore[misc] # the default binds it
                    for drone in batch
                )
            )
            self.drones += batch
            await self.messages(len(self.drones))

    async def messages(self, number: int, seconds: float = 30.0) -> None:
        """Wait until so many messages have come, over all clients and all time."""
        self._awaited = number
        self._reached.clear()
        if self._count < number:
            async with asyncio.timeout(seconds):
                await self._reached.wait()

    def _told(self) -> None:
        self._count += 1
        if self._count == self._awaited:
            self._reached.set()

    def leave(self) -> None:
        """Cut every connection."""
        for drone in self.drones:
            if drone.transport is not None:
                drone.transport.abort()
