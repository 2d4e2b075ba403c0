"""Clients of every subprotocol, written from the specification alone.

They stand on the ``websockets`` library, json, cbor2 and a few lines of protobuf: what
they read and write owes nothing to the gateway's own codecs.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import cbor2
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from types import TracebackType

SECONDS = 10.0


class Said(NamedTuple):
    """One of the four kinds of data; JSON and base64 as their text."""

    kind: str
    data: str | bytes


ANY: Final = b"\x0a\x16type.example/some.Kind\x12\x02\x08\x05"
"""A serialized ``google.protobuf.Any``."""

SAYINGS: Final = (
    Said("text", "grüß dich"),
    Said("json", '{"n": 1.10, "a":[null, "ü"]}'),
    Said("binary", b"\x00\x01\xff"),
    Said("protobuf", ANY),
)


# A little protobuf (encoding guide): varints and length-delimited fields.


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def field(number: int, data: bytes | str | int) -> bytes:
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    raw = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def fields(data: bytes) -> dict[int, Any]:
    """Read a message; of a repeated field the last."""
    found: dict[int, Any] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            found[tag >> 3] = number()
        else:
            assert tag & 7 == 2, f"wire type {tag & 7}"
            length = number()
            found[tag >> 3] = data[at : at + length]
            at += length
    return found


_KINDS: Final = {"text": 1, "binary": 2, "protobuf": 3, "json": 4}
_NAMES: Final = {number: kind for kind, number in _KINDS.items()}


class Speaker:
    """A client; use it as an asynchronous context.

    Args:
        url: Where it connects.
        name: Its subprotocol; None for a simple client.
    """

    name: str | None = None
    kinds: tuple[str, ...] = ("text", "json", "binary", "protobuf")
    """What it can publish."""

    def __init__(self, url: str) -> None:
        names = None if self.name is None else [Subprotocol(self.name)]
        self._connecting = connect(
            url, subprotocols=names, compression=None, proxy=None
        )
        self.socket: ClientConnection

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(SECONDS):
            self.socket = await self._connecting
        assert self.socket.subprotocol == self.name
        if self.name is not None:
            await self.frame()  # connected
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with asyncio.timeout(SECONDS):
            await self.socket.close()

    async def frame(self) -> str | bytes:
        async with asyncio.timeout(SECONDS):
            return await self.socket.recv()

    def publication(self, group: str, said: Said) -> str | bytes:
        raise NotImplementedError

    def event(self, name: str, said: Said) -> str | bytes:
        raise NotImplementedError

    def heard(self, frame: str | bytes) -> Said:
        raise NotImplementedError

    def expects(self, said: Said) -> Said:
        """What it should hear of something that was published."""
        return said

    async def publish(self, group: str, said: Said) -> None:
        await self.socket.send(self.publication(group, said))

    async def send_event(self, name: str, said: Said) -> None:
        await self.socket.send(self.event(name, said))

    async def hear(self) -> Said:
        return self.heard(await self.frame())


def json_data(said: Said) -> str:
    """Give the JSON text of ``data``."""
    if said.kind == "json":
        return str(said.data)
    if isinstance(said.data, bytes):
        return json.dumps(base64.b64encode(said.data).decode())
    return json.dumps(said.data)


class JsonSpeaker(Speaker):
    name = "json.webpubsub.azure.v1"

    def publication(self, group: str, said: Said) -> str:
        return (
            f'{{"type":"sendToGroup","group":{json.dumps(group)},'
            f'"dataType":"{said.kind}","data":{json_data(said)}}}'
        )

    def event(self, name: str, said: Said) -> str:
        return (
            f'{{"type":"event","event":"{name}",'
            f'"dataType":"{said.kind}","data":{json_data(said)}}}'
        )

    def heard(self, frame: str | bytes) -> Said:
        assert isinstance(frame, str)
        message = json.loads(frame)
        assert message["type"] == "message"
        self.check(message)
        kind, data = message["dataType"], message["data"]
        if kind == "json":
            start = frame.index('"data":') + len('"data":')
            whole = frame[start:]
            end = json.JSONDecoder().raw_decode(whole)[1]
            return Said(kind, whole[:end])
        return Said(kind, base64.b64decode(data) if kind != "text" else data)

    def check(self, message: dict[str, Any]) -> None:
        assert "sequenceId" not in message


class ReliableJsonSpeaker(JsonSpeaker):
    name = "json.reliable.webpubsub.azure.v1"
    _last = 0

    def check(self, message: dict[str, Any]) -> None:
        self._last += 1
        assert message["sequenceId"] == self._last


class CborSpeaker(Speaker):
    name = "cbor.webpubsub.hubbub.v1"

    def publication(self, group: str, said: Said) -> bytes:
        return cbor2.dumps(
            {
                "type": "sendToGroup",
                "group": group,
                "dataType": said.kind,
                "data": said.data,
            }
        )

    def event(self, name: str, said: Said) -> bytes:
        return cbor2.dumps(
            {"type": "event", "event": name, "dataType": said.kind, "data": said.data}
        )

    def heard(self, frame: str | bytes) -> Said:
        assert isinstance(frame, bytes)
        message = cbor2.loads(frame)
        assert message["type"] == "message"
        self.check(message)
        return Said(message["dataType"], message["data"])

    def check(self, message: dict[str, Any]) -> None:
        assert "sequenceId" not in message


class ReliableCborSpeaker(CborSpeaker):
    name = "cbor.reliable.webpubsub.hubbub.v1"
    _last = 0

    def check(self, message: dict[str, Any]) -> None:
        self._last += 1
        assert message["sequenceId"] == self._last


class ProtobufSpeaker(Speaker):
    name = "protobuf.webpubsub.azure.v1"

    def publication(self, group: str, said: Said) -> bytes:
        data = field(3, field(_KINDS[said.kind], said.data))
        return field(1, field(1, group) + data)

    def event(self, name: str, said: Said) -> bytes:
        return field(5, field(1, name) + field(2, field(_KINDS[said.kind], said.data)))

    def heard(self, frame: str | bytes) -> Said:
        assert isinstance(frame, bytes)
        message = fields(fields(frame)[2])
        self.check(message)
        ((number, data),) = fields(message[3]).items()
        kind = _NAMES[number]
        return Said(kind, data.decode() if kind in {"text", "json"} else data)

    def check(self, message: dict[int, Any]) -> None:
        assert 4 not in message


class ReliableProtobufSpeaker(ProtobufSpeaker):
    name = "protobuf.reliable.webpubsub.azure.v1"
    _last = 0

    def check(self, message: dict[int, Any]) -> None:
        self._last += 1
        assert message[4] == self._last


class DraftProtobufSpeaker(ProtobufSpeaker):
    name = "protobuf.webpubsub.azure"


class DraftJsonSpeaker(Speaker):
    name = "json.webpubsub.azure"
    kinds = ("json",)

    def publication(self, group: str, said: Said) -> str:
        return (
            f'{{"event":"publish","group":{json.dumps(group)},'
            f'"payload":{json_data(said)}}}'
        )

    def event(self, name: str, said: Said) -> str:
        return JsonSpeaker.event(self, name, said)  # type: ignore[arg-type] # a frame with a type is one of v1

    def heard(self, frame: str | bytes) -> Said:
        assert isinstance(frame, str)
        message = json.loads(frame)
        assert message["event"] == "message"
        return Said("json", json.dumps(message["payload"]))

    def expects(self, said: Said) -> Said:
        """Draft clients are not told the kind: they get a value."""
        return Said("json", json.dumps(json.loads(json_data(said))))


class SimpleSpeaker(Speaker):
    """A simple client; it publishes with the raw mode in its URL."""

    kinds = ("text", "binary")

    def publication(self, group: str, said: Said) -> str | bytes:
        assert group  # it is in the URL
        return said.data

    def heard(self, frame: str | bytes) -> Said:
        return Said("text" if isinstance(frame, str) else "binary", frame)

    def expects(self, said: Said) -> Said:
        return Said("text" if isinstance(said.data, str) else "binary", said.data)


SPEAKERS: Final = (
    JsonSpeaker,
    ReliableJsonSpeaker,
    CborSpeaker,
    ReliableCborSpeaker,
    ProtobufSpeaker,
    ReliableProtobufSpeaker,
    DraftProtobufSpeaker,
    DraftJsonSpeaker,
    SimpleSpeaker,
)
