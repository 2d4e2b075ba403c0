"""Numbered messages, read back by a reader that is not ours: ``websockets``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols import SPOKEN, numbering
from hubbub.transport.subprotocols.webpubsub_pb2 import DownstreamMessage
from hubbub.transport.wire.numbering import Body, StampingCodec

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.reliable.webpubsub.azure.v1"
CBOR = "cbor.reliable.webpubsub.hubbub.v1"
NAMES = [JSON, PROTOBUF, CBOR]
END = payloads.StreamMark("s", 2, end=True)


def codec_of(name: str) -> StampingCodec:
    codec = numbering(name)
    assert isinstance(codec, StampingCodec)
    return codec


def read(name: str, data: bytes) -> list[tuple[int | None, Any]]:
    """Give the sequence id of each frame, None without, and its text."""
    client = ClientProtocol(parse_uri("ws://gateway/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    found = []
    for frame in client.events_received():
        assert isinstance(frame, Frame)
        assert frame.opcode is (Opcode.TEXT if name == JSON else Opcode.BINARY)
        assert not (frame.rsv1)
        assert not (frame.rsv2)
        assert not (frame.rsv3)
        found.append(_READERS[name](bytes(frame.data)))
    return found


def _of_map(content: dict[str, Any]) -> tuple[int | None, Any]:
    return content.get("sequenceId"), content.get("data")


def _of_protobuf(data: bytes) -> tuple[int | None, Any]:
    message = DownstreamMessage.FromString(data).data_message
    number = message.sequence_id if message.HasField("sequence_id") else None
    return number, message.data.text_data or None


_READERS: dict[str, Callable[[bytes], tuple[int | None, Any]]] = {
    JSON: lambda data: _of_map(json.loads(data)),
    PROTOBUF: _of_protobuf,
    CBOR: lambda data: _of_map(cbor2.loads(data)),
}


def message(text: str, ttl: int = 0) -> pushes.GroupMessage:
    return pushes.GroupMessage("g", "u", payloads.Text(text), ttl=ttl)


each = pytest.mark.parametrize("name", NAMES)


@each
def test_messages_are_numbered_in_order_from_any_number(name: str) -> None:
    codec = codec_of(name)
    said = [codec.encode(message(text)) for text in ("a", "b", "c")]
    block = codec.join(said)
    assert block.count == 3
    for first in (1, 100, 2**40):
        assert read(name, block.numbered(first)) == [
            (first, "a"),
            (first + 1, "b"),
            (first + 2, "c"),
        ]


@each
def test_who_is_in_step_shares_bytes(name: str) -> None:
    codec = codec_of(name)
    block = codec.join([codec.encode(message("a"))])
    assert block.numbered(7) is block.numbered(7)
    assert block.numbered(7) != block.numbered(8)


@each
@pytest.mark.parametrize(
    "push",
    [
        pushes.Ack(1),
        pushes.Pong(),
        pushes.Connected("c", "u", "t"),
        pushes.Disconnected("bye"),
    ],
)
def test_what_is_no_message_is_a_frame_without_a_number(
    name: str, push: pushes.Push
) -> None:
    frame = codec_of(name).encode(push)
    assert type(frame) is bytes
    assert read(name, frame)[0][0] is None


@each
def test_what_cannot_be_said_takes_no_number(name: str) -> None:
    codec = codec_of(name)
    unsayable: dict[str, list[pushes.Push]] = {
        JSON: [pushes.ServerMessage(payloads.Json(b"null"))],
        PROTOBUF: [
            pushes.GroupMessage("g", "u", payloads.Text(""), stream=END),
            pushes.StreamAck("s", 1),
        ],
        CBOR: [],
    }
    unsaid = unsayable[name]
    said = [codec.encode(one) for one in (message("a"), *unsaid, message("b"))]
    block = codec.join(said)
    assert block.count == 2
    assert read(name, block.numbered(5)) == [(5, "a"), (6, "b")]


@each
def test_what_is_kept_comes_again_behind_what_was_acknowledged(name: str) -> None:
    codec = codec_of(name)
    texts = ["a", "bb", "ccc"]
    letters = codec.join([codec.encode(message(text)) for text in texts]).letters
    assert letters.size == sum(len(data) for data, _ in letters.bodies)
    assert read(name, letters.numbered(4, after=4)) == [(5, "bb"), (6, "ccc")]
    assert letters.numbered(4, after=6) == b""
    again = codec.restore([(data, ttl) for data, ttl in letters.bodies])
    assert again.numbered(4) == letters.numbered(4)


@each
def test_a_message_knows_how_long_it_may_wait(name: str) -> None:
    codec = codec_of(name)
    short = codec.encode(message("a", ttl=30))
    assert isinstance(short, Body)
    assert short.ttl == 30
    assert codec.join([short]).letters.ttls
    assert not codec.join([codec.encode(message("b"))]).letters.ttls
    assert codec.restore([(short.data, 30)]).ttls


@each
@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5),
    st.integers(1, 2**63),
)
def test_any_messages_arrive_whole_under_their_numbers(
    name: str, texts: list[str], first: int
) -> None:
    codec = codec_of(name)
    block = codec.join([codec.encode(message(text)) for text in texts])
    expected = [(first + place, text) for place, text in enumerate(texts)]
    assert read(name, block.numbered(first)) == expected


def test_only_the_reliable_subprotocols_number() -> None:
    assert [name for name in SPOKEN if numbering(name) is not None] == NAMES
