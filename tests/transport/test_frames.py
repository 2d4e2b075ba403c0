"""Frames are read back by a reader that is not ours: the ``websockets`` library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.transport.wire import frames

SIZES = [0, 1, 63, 64, 125, 126, 127, 65_535, 65_536, 1 << 20]


class Bare:
    """A composer that says the bytes of server messages and nothing else."""

    def __init__(self, kind: int = frames.BINARY) -> None:
        self.kind = kind

    def compose(self, push: pushes.Push) -> frames.Said | None:
        match push:
            case pushes.ServerMessage(payload=payloads.Binary(data=data)):
                return (self.kind, data)
            case _:
                return None


def message(data: bytes) -> pushes.Push:
    return pushes.ServerMessage(payloads.Binary(data))


def read(data: bytes, window_bits: int | None = None) -> list[Frame]:
    client = ClientProtocol(parse_uri("ws://gateway/"), state=State.OPEN, max_size=None)
    if window_bits is not None:
        client.extensions = [
            PerMessageDeflate(
                remote_no_context_takeover=True,
                local_no_context_takeover=True,
                remote_max_window_bits=window_bits,
                local_max_window_bits=window_bits,
            )
        ]
    client.receive_data(data)
    assert client.parser_exc is None
    events = client.events_received()
    assert all(isinstance(event, Frame) for event in events)
    return [event for event in events if isinstance(event, Frame)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kind", "opcode"),
    [(frames.TEXT, Opcode.TEXT), (frames.BINARY, Opcode.BINARY)],
)
def test_a_frame_of_any_size_is_read_back(size: int, kind: int, opcode: Opcode) -> None:
    data = b"x" * size
    assert read(frames.frame(kind, data)) == [Frame(opcode, data)]


@pytest.mark.parametrize("size", SIZES)
def test_a_length_is_written_in_its_shortest_form(size: int) -> None:
    head = len(frames.frame(frames.TEXT, b"x" * size)) - size
    assert head == (2 if size < 126 else 4 if size < 65_536 else 10)


def test_frames_in_one_block_are_read_in_order() -> None:
    codec = frames.PlainCodec(Bare())
    datas = [b"a", b"", b"b" * 200, b"c" * 70_000]
    block = b"".join(codec.encode(message(data)) for data in datas)
    assert [bytes(frame.data) for frame in read(block)] == datas


@pytest.mark.parametrize(
    "codec", [frames.PlainCodec(Bare()), frames.DeflateCodec(Bare(), 12)]
)
def test_a_push_without_words_makes_no_bytes(
    codec: frames.PlainCodec | frames.DeflateCodec,
) -> None:
    assert codec.encode(pushes.Pong()) == b""


def test_a_large_message_is_deflated_and_shrinks() -> None:
    data = b"the same again and " * 500
    block = frames.DeflateCodec(Bare(frames.TEXT), 12).encode(message(data))
    assert len(block) < len(data) // 10
    assert read(block, 12) == [Frame(Opcode.TEXT, data)]


def test_a_small_message_is_not_deflated_for_clients_that_could_read_it() -> None:
    block = frames.DeflateCodec(Bare(), 12).encode(message(b"small"))
    assert block == frames.frame(frames.BINARY, b"small")
    assert read(block, 12) == [Frame(Opcode.BINARY, b"small")]


def test_deflated_frames_depend_on_nothing_before_them() -> None:
    codec = frames.DeflateCodec(Bare(), 12)
    data = b"the same again and " * 50
    first, second = codec.encode(message(data)), codec.encode(message(data))
    assert first == second
    assert read(second + first, 12) == [Frame(Opcode.BINARY, data)] * 2


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_messages_are_read_back_plain(datas: list[bytes]) -> None:
    codec = frames.PlainCodec(Bare())
    block = b"".join(codec.encode(message(data)) for data in datas)
    assert [bytes(frame.data) for frame in read(block)] == datas


@given(
    st.lists(
        st.builds(bytes.__mul__, st.binary(max_size=20), st.integers(0, 500)),
        max_size=4,
    ),
    st.integers(9, 15),
)
def test_any_messages_are_read_back_deflated(datas: list[bytes], bits: int) -> None:
    codec = frames.DeflateCodec(Bare(), bits)
    block = b"".join(codec.encode(message(data)) for data in datas)
    assert [bytes(frame.data) for frame in read(block, bits)] == datas
