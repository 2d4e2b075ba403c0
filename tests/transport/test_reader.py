"""The reader agrees with the library it goes around, wherever packets are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from hubbub.transport.reader import Control, Message, Reader
from hubbub.transport.wire.frames import frame
from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    client_frame,
    close,
    text,
)

LIMIT = 1000
MANY = 1 << 20
PONG_BACK = b"\x8a\x01?"

Found = list[tuple[bytes, bool] | Control]


def protocol(limit: int = LIMIT) -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, max_size=limit)


def read(stream: bytes, *cuts: int, most: int = MANY, limit: int = LIMIT) -> Found:
    """Feed a stream in pieces and read as sessions do."""
    reader = Reader(protocol(limit), limit)
    found: Found = []
    edges = [0, *sorted(cuts), len(stream)]
    for start, stop in pairwise(edges):
        if start == stop:
            continue
        reader.feed(stream[start:stop])
        while True:
            messages = reader.read(most)
            found += messages
            if Control(None) in found or len(messages) < most:
                break
        if Control(None) in found:
            break
    return found


def verdict(stream: bytes) -> tuple[int, str]:
    """Give the code and the reason with which the library failed a stream."""
    core = protocol()
    reader = Reader(core, LIMIT)
    reader.feed(stream)
    assert reader.read(MANY)[-1] == Control(None)
    assert core.close_sent is not None
    return core.close_sent.code, core.close_sent.reason


WHOLE = [
    ("an empty text", text(""), [Message(b"", True)]),
    ("a text", text("hällo"), [Message("hällo".encode(), True)]),
    ("bytes", client_frame(BINARY, b"\0\xff"), [Message(b"\0\xff", False)]),
    ("125 bytes", text("x" * 125), [Message(b"x" * 125, True)]),
    ("126 bytes", text("x" * 126), [Message(b"x" * 126, True)]),
    ("the limit", text("x" * LIMIT), [Message(b"x" * LIMIT, True)]),
    (
        "a length in more bytes than needed",
        b"\x81\xff" + (3).to_bytes(8, "big") + b"\0\0\0\0abc",
        [Message(b"abc", True)],
    ),
    (
        "several",
        text("a") + client_frame(BINARY, b"b") + text("c"),
        [Message(b"a", True), Message(b"b", False), Message(b"c", True)],
    ),
    (
        "fragments",
        client_frame(TEXT, b"a", fin=False)
        + client_frame(CONT, b"b", fin=False)
        + client_frame(CONT, b"c"),
        [Message(b"abc", True)],
    ),
    (
        "empty fragments",
        client_frame(BINARY, fin=False)
        + client_frame(CONT, fin=False)
        + client_frame(CONT),
        [Message(b"", False)],
    ),
    (
        "a ping inside fragments",
        client_frame(TEXT, b"a", fin=False)
        + client_frame(PING, b"?")
        + client_frame(CONT, b"b")
        + text("c"),
        [Control(Opcode.PING, PONG_BACK), Message(b"ab", True), Message(b"c", True)],
    ),
    ("a pong", client_frame(PONG, b"!"), [Control(Opcode.PONG)]),
    ("a close", text("a") + close(1000, b"bye"), None),
]


@pytest.mark.parametrize(
    ("stream", "expected"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE]
)
def test_messages_are_read_whole_and_cut_at_every_byte(
    stream: bytes, expected: Found | None
) -> None:
    if expected is None:
        expected = [Message(b"a", True), Control(Opcode.CLOSE)]
    assert read(stream) == expected
    for cut in range(1, len(stream)):
        assert read(stream, cut) == expected
    assert read(stream, *range(len(stream))) == expected
    assert read(stream, most=1) == expected


BROKEN = [
    ("an unmasked text", client_frame(TEXT, b"x", mask=None), 1002),
    ("an unmasked ping", client_frame(PING, mask=None), 1002),
    ("an unmasked close", client_frame(CLOSE, mask=None), 1002),
    ("RSV1 without extension", client_frame(TEXT, b"x", rsv=4), 1002),
    ("RSV2", client_frame(TEXT, b"x", rsv=2), 1002),
    ("RSV3", client_frame(BINARY, b"x", rsv=1), 1002),
    ("RSV on a ping", client_frame(PING, b"x", rsv=4), 1002),
    *(
        (f"opcode {opcode:#x}", client_frame(opcode, b"x"), 1002)
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
    ),
    ("a continuation of nothing", client_frame(CONT, b"x"), 1002),
    (
        "a text inside fragments",
        client_frame(TEXT, b"x", fin=False) + text("y"),
        1002,
    ),
    (
        "bytes inside fragments",
        client_frame(TEXT, b"x", fin=False) + client_frame(BINARY, b"y"),
        1002,
    ),
    (
        "a close inside fragments",
        client_frame(TEXT, b"x", fin=False) + close(),
        1002,
    ),
    ("a fragmented ping", client_frame(PING, b"x", fin=False), 1002),
    ("a fragmented close", client_frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    ("a ping of 126 bytes", client_frame(PING, b"x" * 126), 1002),
    ("a close of 126 bytes", client_frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    ("a close of one byte", client_frame(CLOSE, b"\x03"), 1002),
    *((f"close code {code}", close(code), 1002) for code in (0, 999, 1004, 1005)),
    *((f"close code {code}", close(code), 1002) for code in (1006, 1015, 5000, 65535)),
    ("a close reason that is no UTF-8", close(1000, b"\xff"), 1007),
    ("one byte too many", text("x" * (LIMIT + 1)), 1009),
    ("a length of 2^63-1", client_frame(TEXT, length=2**63 - 1), 1009),
    ("a length of 2^64-1", client_frame(TEXT, length=2**64 - 1), 1009),
    ("a ping of 2^40 bytes", client_frame(PING, length=2**40), 1009),
    (
        "fragments that add up to one byte too many",
        client_frame(TEXT, b"x" * LIMIT, fin=False) + client_frame(CONT, b"y"),
        1009,
    ),
]


@pytest.mark.parametrize(
    ("stream", "code"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_broken_streams_end_with_a_code_and_a_reason(stream: bytes, code: int) -> None:
    got, reason = verdict(stream)
    assert got == code
    assert reason
    for cut in range(1, min(len(stream), 200)):
        assert read(stream, cut)[-1] == Control(None)


def test_what_came_before_the_broken_frame_is_still_given() -> None:
    stream = text("before") + client_frame(TEXT, b"x", mask=None) + text("after")
    assert read(stream) == [Message(b"before", True), Control(None)]


def test_a_too_large_frame_is_refused_before_its_payload_arrives() -> None:
    head = client_frame(BINARY, length=LIMIT + 1, mask=None)
    head = head[:1] + bytes([head[1] | 0x80]) + head[2:]
    assert read(head) == [Control(None)]


def test_reading_stops_at_the_number_asked_for_and_goes_on_later() -> None:
    reader = Reader(protocol(), LIMIT)
    reader.feed(b"".join(text(str(number)) for number in range(10)))
    pages = [reader.read(4) for _ in range(4)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    expected = [Message(b"%d" % number, True) for number in range(10)]
    assert [message for page in pages for message in page] == expected


def test_pings_are_answered_with_their_payload() -> None:
    core = protocol()
    reader = Reader(core, LIMIT)
    reader.feed(client_frame(PING, b"mark"))
    assert reader.read(MANY) == [Control(Opcode.PING, b"\x8a\x04mark")]
    assert core.data_to_send() == []


def test_empty_fragments_do_not_pile_up() -> None:
    reader = Reader(protocol(), LIMIT)
    reader.feed(client_frame(TEXT, fin=False))
    reader.feed(client_frame(CONT, fin=False) * 5000)
    assert reader.read(MANY) == []
    assert len(reader._fragments or ()) < 100


def oracle(stream: bytes) -> tuple[Found, int | None]:
    """Read a stream with the library alone; its close code if it failed."""
    core = protocol()
    core.receive_data(stream)
    found: Found = []
    parts: list[bytes] = []
    kind = Opcode.TEXT
    for event in core.events_received():
        opcode, data = event.opcode, bytes(event.data)  # type: ignore[union-attr] # frames only, after the handshake
        if opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if opcode is not Opcode.CONT:
                kind = opcode
            parts.append(data)
            if event.fin:  # type: ignore[union-attr] # as above
                found.append(Message(b"".join(parts), kind is Opcode.TEXT))
                parts = []
        elif opcode is Opcode.PING:
            found.append(Control(opcode, frame(0x8A, data)))
        elif opcode is Opcode.PING:
            found.append(Control(opcode, b"\x8a%c%b" % (len(data), data)))
        else:
            found.append(Control(opcode))
    if core.parser_exc is None:
        return found, None
    assert core.close_sent is not None
    return [*found, Control(None)], core.close_sent.code


payload = st.one_of(
    st.binary(max_size=20),
    st.integers(120, 130).map(bytes),
    st.integers(300, 600).map(bytes),
)
well_formed = st.one_of(
    st.builds(client_frame, st.sampled_from([TEXT, BINARY]), payload),
    st.builds(
        lambda opcode, data: client_frame(opcode, data, fin=False),
        st.sampled_from([TEXT, BINARY, CONT]),
        payload,
    ),
    st.builds(client_frame, st.just(CONT), payload),
    st.builds(client_frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
)
any_frame = st.one_of(
    well_formed,
    well_formed,
    st.builds(
        lambda opcode, data, fin, rsv: client_frame(opcode, data, fin=fin, rsv=rsv),
        st.integers(0, 15),
        payload,
        st.booleans(),
        st.integers(0, 7),
    ),
    st.builds(close, st.one_of(st.none(), st.integers(0, 65535))),
    st.just(client_frame(TEXT, b"x", mask=None)),
    st.just(client_frame(BINARY, length=2**40)),
)


@settings(deadline=None)
@given(st.lists(any_frame, max_size=8), st.data())
def test_any_stream_cut_anywhere_is_read_as_the_library_reads_it(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    most = data.draw(st.integers(1, 5))
    expected, code = oracle(stream)
    got = read(stream, *cuts, most=most)
    if Control(Opcode.CLOSE) in expected:
        # Nothing counts behind a close frame; the session stops there too.
        end = expected.index(Control(Opcode.CLOSE)) + 1
        expected, got = expected[:end], got[:end]
        code = None
    assert got == expected
    if code is not None:
        assert verdict(stream)[0] == code


@settings(deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_arbitrary_bytes_never_raise(stream: bytes, cuts: list[int]) -> None:
    read(stream, *(min(cut, len(stream)) for cut in cuts))
