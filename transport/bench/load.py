"""The load: clients on raw sockets that count messages without parsing them."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.transport.bench.servers import Place

_MARK = b'"type":"message"'
_ACK = b'"type":"ack"'
_SMALL = 125
_PATIENCE = 30.0
"""Seconds until a server that does not answer is given up."""


class Workload(NamedTuple):
    """Groups, each with one publisher that keeps so many messages under way.

    ``members`` receive; with one member, it publishes itself (round trips).
    """

    name: str
    groups: int
    members: int
    window: int
    size: int = 128


class Result(NamedTuple):
    """What came of it: messages delivered a second, and how many are missing."""

    deliveries_per_second: float
    lost: int


class _Client(asyncio.Protocol):
    """A socket that has joined a group, or only publishes to it."""

    def __init__(self, url: str, host: str, heard: Callable[[int], None]) -> None:
        self._hello = greeting(url, host, "json.webpubsub.azure.v1")
        self._heard = heard
        self._tail = b""
        self.transport: asyncio.Transport
        self.open = asyncio.get_running_loop().create_future()
        self.joined = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # a socket's transport
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        if not self.open.done():
            if b"\r\n\r\n" not in data:
                self._tail = data
                return
            self.open.set_result(data.split(b"\r\n", 1)[0])
        if not self.joined.done() and _ACK in data:
            self.joined.set_result(None)
        count = data.count(_MARK)
        # A mark may be cut by a packet; one that was counted must not come again.
        at = data.rfind(b"{")
        self._tail = data[at:] if at >= 0 and _MARK not in data[at:] else b""
        if count:
            self._heard(count)

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.open, self.joined):
            if not future.done():
                future.set_exception(exc or ConnectionError("closed"))

    def send(self, message: bytes) -> None:
        self.transport.write(message)


class _Group:
    """One group's closed loop: a message is done when every member has it."""

    def __init__(self, workload: Workload, message: bytes) -> None:
        self._workload = workload
        self._message = message
        self.publisher: _Client
        self.heard = 0
        self.published = 0
        self.running = True

    def hear(self, count: int) -> None:
        self.heard += count
        self.fill()

    def fill(self) -> None:
        done = self.heard // self._workload.members
        room = self._workload.window - (self.published - done)
        if self.running and room > 0:
            self.published += room
            self.publisher.send(self._message * room)

    @property
    def missing(self) -> int:
        return self.published * self._workload.members - self.heard


async def measure(
    workload: Workload, host: str, port: int, url: str, seconds: float
) -> Result:
    """Put a load on a server and count what arrives.

    Args:
        workload: The load.
        host: Where the server listens.
        port: Its port.
        url: Path and query of the handshake, with a token if one is needed.
        seconds: How long to measure, after a warm-up of a fifth.

    Raises:
        ConnectionError: The server refused a client, or did not answer.
    """
    groups = []
    clients: list[_Client] = []
    for number in range(workload.groups):
        group = _Group(workload, _publication(number, workload.size))
        for _ in range(workload.members):
            client = await _connect(host, port, url, group.hear)
            client.send(
                _frame({"type": "joinGroup", "group": f"b{number}", "ackId": 1})
            )
            clients.append(client)
            group.publisher = client
        if workload.members > 1:
            group.publisher = await _connect(host, port, url, group.hear)
        groups.append(group)
    await asyncio.wait_for(asyncio.gather(*(c.joined for c in clients)), _PATIENCE)
    rate = await _run(groups, seconds)
    lost = await _drain(groups)
    for client in (*clients, *(group.publisher for group in groups)):
        client.joined.cancel()  # a publisher never joined
        client.transport.abort()
    return Result(rate, lost)


async def _connect(
    host: str, port: int, url: str, heard: Callable[[int], None]
) -> _Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: _Client(url, f"{host}:{port}", heard), host, port
    )
    status: bytes = await asyncio.wait_for(client.open, _PATIENCE)
    if b" 101 " not in status:
        raise ConnectionError(f"the server refused a client: {status.decode()}")
    return client


async def _run(groups: list[_Group], seconds: float) -> float:
    loop = asyncio.get_running_loop()
    for group in groups:
        group.fill()
    await asyncio.sleep(seconds / 5)
    began, before = loop.time(), sum(group.heard for group in groups)
    await asyncio.sleep(seconds)
    ended, after = loop.time(), sum(group.heard for group in groups)
    for group in groups:
        group.running = False
    return (after - before) / (ended - began)


async def _drain(groups: list[_Group]) -> int:
    """Wait until all has arrived, or nothing more does for a second."""
    missing = sum(group.missing for group in groups)
    while missing:
        await asyncio.sleep(1)
        now = sum(group.missing for group in groups)
        if now == missing:
            break
        missing = now
    return missing


def _publication(number: int, size: int) -> bytes:
    return _frame(
        {
            "type": "sendToGroup",
            "group": f"b{number}",
            "dataType": "text",
            "data": "x" * size,
        }
    )


def _frame(message: dict[str, object]) -> bytes:
    return Frame(Opcode.TEXT, msgspec.json.encode(message)).serialize(mask=True)


def greeting(url: str, host: str, subprotocol: str) -> bytes:
    """Write a handshake request."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {url} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


def frame_of(first: int, data: bytes) -> bytes:
    """Write a client's frame of up to 64 KiB; its mask is zero, so it costs nothing."""
    length = len(data)
    if length <= _SMALL:
        return bytes((first, 0x80 | length, 0, 0, 0, 0)) + data
    return bytes((first, 0xFE, length >> 8, length & 255, 0, 0, 0, 0)) + data


class _Asker:
    """One client that sends an event whenever the last one is answered."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._sent = 0.0
        self.client: _Client
        self.answered = 0
        self.times: list[float] = []
        self.running = True

    def ask(self) -> None:
        self._sent = time.perf_counter()
        self.client.send(self._frame)

    def hear(self, count: int) -> None:
        self.times.append(time.perf_counter() - self._sent)
        self.answered += count
        if self.running:
            self.ask()


class Asking(NamedTuple):
    """What came of events: how many a second, their median round trip in seconds."""

    rate: float
    median: float
    per_core: float | None
    """Events a second of the server's processor time; None where it is not known."""


async def measure_events(
    place: Place, path: str, clients: int, seconds: float
) -> Asking:
    """Let clients send events, one at a time each, and count the answers.

    Args:
        place: The server.
        path: Path and query of the handshake.
        clients: How many.
        seconds: How long to measure, after a warm-up of a fifth.

    Raises:
        ConnectionError: The server refused a client, or did not answer.
    """
    event = {"type": "event", "event": "say", "dataType": "text", "data": "x" * 64}
    frame = frame_of(0x81, msgspec.json.encode(event))
    askers = [_Asker(frame) for _ in range(clients)]
    for asker in askers:
        asker.client = await _connect("127.0.0.1", place.port, path, asker.hear)
        asker.ask()
    await asyncio.sleep(seconds / 5)
    for asker in askers:
        asker.times.clear()
    began, cpu_before = time.perf_counter(), place.cpu_seconds()
    await asyncio.sleep(seconds)
    took, cpu_after = time.perf_counter() - began, place.cpu_seconds()
    times = sorted(one for asker in askers for one in asker.times)
    for asker in askers:
        asker.running = False
        asker.client.joined.cancel()  # it joined nothing
        asker.client.transport.abort()
    await asyncio.sleep(0)  # the loop closes what was aborted
    if not times:
        raise ConnectionError("no event was answered")
    used = (cpu_after or 0) - (cpu_before or 0)
    return Asking(
        len(times) / took,
        times[len(times) // 2],
        len(times) / used if used > 0 else None,
    )
