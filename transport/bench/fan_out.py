"""One publisher to many subscribers of a subprotocol, on raw sockets.

Each message has a mark in its text, and marks are counted: nothing is parsed, so every
subprotocol costs this side the same.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cbor2
import msgspec

from hubbub.transport.bench.load import frame_of, greeting

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.transport.bench.servers import Place

_MARK: Final = b"<#hub#>"
_GROUP: Final = "bench"
_PATIENCE: Final = 30.0
_AT_ONCE: Final = 50
_LOOK: Final = 0.05
_LOOKS: Final = 20
"""Looks without anything new until what is missing counts as lost."""
_WINDOW: Final = 16
_TEXT, _BINARY = 0x81, 0x82


def _json(message: dict[str, Any]) -> bytes:
    return frame_of(_TEXT, msgspec.json.encode(message))


def _cbor(message: dict[str, Any]) -> bytes:
    return frame_of(_BINARY, cbor2.dumps(message))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def _protobuf(message: dict[str, Any]) -> bytes:
    """Write a join (6) or a sequence ack (8) of the published schema."""
    if message["type"] == "joinGroup":
        name = message["group"].encode()
        fields = b"\x0a" + _varint(len(name)) + name + b"\x10\x01"
        return frame_of(_BINARY, b"\x32" + _varint(len(fields)) + fields)
    fields = b"\x08" + _varint(message["sequenceId"])
    return frame_of(_BINARY, b"\x42" + _varint(len(fields)) + fields)


class Spoken(NamedTuple):
    """A subprotocol as its subscribers speak it."""

    name: str
    say: Callable[[dict[str, Any]], bytes]
    reliable: bool = False


SPOKEN: Final = (
    Spoken("json.webpubsub.azure.v1", _json),
    Spoken("json.reliable.webpubsub.azure.v1", _json, reliable=True),
    Spoken("protobuf.webpubsub.azure.v1", _protobuf),
    Spoken("protobuf.reliable.webpubsub.azure.v1", _protobuf, reliable=True),
    Spoken("cbor.webpubsub.hubbub.v1", _cbor),
    Spoken("cbor.reliable.webpubsub.hubbub.v1", _cbor, reliable=True),
)


class Outcome(NamedTuple):
    """What came of it: deliveries a second, how many are missing, and their cost."""

    deliveries_per_second: float
    lost: int
    cpu: float
    """Microseconds of the gateway's processor time for a delivery."""


class _Subscriber(asyncio.Protocol):
    def __init__(self, hello: bytes, heard: Callable[[int], None]) -> None:
        self._hello = hello
        self._heard = heard
        self._tail = b""
        self.count = 0
        self.transport: asyncio.Transport
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # a socket's transport
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        if not self.open.done() and b"\r\n\r\n" in data:
            self.open.set_result(data.split(b"\r\n", 1)[0])
        count = data.count(_MARK)
        after = data.rfind(_MARK) + len(_MARK) if count else 0
        # A mark may be cut by a packet; one that was counted must not come again.
        self._tail = data[max(after, len(data) - len(_MARK) + 1) :]
        if count:
            self.count += count
            self._heard(count)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("closed"))


class _Crowd:
    """The subscribers, and the publisher's closed loop."""

    def __init__(self, place: Place, url: str, spoken: Spoken, size: int) -> None:
        self._place = place
        self._url = url
        self._spoken = spoken
        text = _MARK.decode() + "x" * (size - len(_MARK))
        self._message = _json(
            {"type": "sendToGroup", "group": _GROUP, "dataType": "text", "data": text}
        )
        self.subscribers: list[_Subscriber] = []
        self._publisher: _Subscriber
        self.heard = self.published = 0
        self.running = True

    async def gather(self, members: int) -> None:
        for first in range(0, members, _AT_ONCE):
            few = range(first, min(first + _AT_ONCE, members))
            joined = [self._connect(self._spoken.name, self._hear) for _ in few]
            self.subscribers += await asyncio.gather(*joined)
        join = self._spoken.say({"type": "joinGroup", "group": _GROUP, "ackId": 1})
        for subscriber in self.subscribers:
            subscriber.transport.write(join)
        self._publisher = await self._connect(SPOKEN[0].name, lambda _: None)

    async def _connect(self, name: str, heard: Callable[[int], None]) -> _Subscriber:
        port = self._place.port
        hello = greeting(self._url, f"127.0.0.1:{port}", name)
        _, found = await asyncio.get_running_loop().create_connection(
            lambda: _Subscriber(hello, heard), "127.0.0.1", port
        )
        status: bytes = await asyncio.wait_for(found.open, _PATIENCE)
        if b" 101 " not in status:
            raise ConnectionError(f"the gateway refused a client: {status.decode()}")
        return found

    def _hear(self, count: int) -> None:
        self.heard += count
        self.fill()

    def fill(self) -> None:
        done = self.heard // len(self.subscribers)
        room = _WINDOW - (self.published - done)
        if self.running and room > 0:
            self.published += room
            self._publisher.transport.write(self._message * room)

    async def acknowledge(self) -> None:
        """Acknowledge each second, as the official clients do."""
        while True:
            await asyncio.sleep(1)
            for one in self.subscribers:
                ack = {"type": "sequenceAck", "sequenceId": one.count}
                one.transport.write(self._spoken.say(ack))

    @property
    def missing(self) -> int:
        return self.published * len(self.subscribers) - self.heard

    def close(self) -> None:
        for one in (*self.subscribers, self._publisher):
            one.transport.abort()


async def measure_fan_out(
    place: Place, url: str, spoken: Spoken, members: int, seconds: float, size: int
) -> Outcome:
    """Publish to subscribers that speak a subprotocol, and count what arrives.

    Args:
        place: The gateway.
        url: Path and query of the handshake.
        spoken: The subprotocol; the publisher speaks JSON.
        members: How many subscribers.
        seconds: How long to measure, after a warm-up of a fifth.
        size: Characters of a message.

    Raises:
        ConnectionError: The gateway refused a client, or did not answer.
    """
    crowd = _Crowd(place, url, spoken, size)
    await crowd.gather(members)
    await asyncio.sleep(min(seconds, 1))  # until all have joined
    acks = asyncio.create_task(crowd.acknowledge()) if spoken.reliable else None
    crowd.fill()
    await asyncio.sleep(seconds / 5)
    began, before, used = time.perf_counter(), crowd.heard, place.cpu_seconds()
    await asyncio.sleep(seconds)
    took, heard = time.perf_counter() - began, crowd.heard - before
    spent = (place.cpu_seconds() or 0) - (used or 0)
    crowd.running = False
    missing, looks = crowd.missing, 0
    while missing and looks < _LOOKS:
        await asyncio.sleep(_LOOK)
        looks = looks + 1 if crowd.missing == missing else 0
        missing = crowd.missing
    if acks is not None:
        acks.cancel()
    crowd.close()
    await asyncio.sleep(0)  # the loop closes what was aborted
    return Outcome(heard / took, crowd.missing, spent / max(heard, 1) * 1e6)
