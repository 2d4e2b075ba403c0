"""Whatever a gateway sends is a packet, malformed or a violation; nothing else."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import commands, peers
from hubbub.actors.messages.payload import Text
from hubbub.transport.wire.peering import PeeringViolation, decode, encode
from support.peering_examples import EXAMPLES, batches, packets

PACKETS = (peers.Knock, peers.Hello, peers.Refusal, peers.Heartbeat, peers.Batch)
SAID = [encode(packet) for packet in EXAMPLES.values()]


def outcome(data: bytes) -> object:
    """Read bytes: only a violation may be raised, and what is read can be said."""
    try:
        found = decode(data)
    except PeeringViolation:
        return None
    if isinstance(found, peers.Malformed):
        assert found.reason
        assert found.tag > 0
    else:
        assert isinstance(found, PACKETS)
        assert decode(encode(found)) == found
    return found


@given(packets)
@settings(max_examples=500, deadline=None)
def test_a_packet_comes_out_as_it_went_in(packet: peers.Packet) -> None:
    assert decode(encode(packet)) == packet


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x81" * 100_000)
@example(b"\x9f" * 100_000)
@example(b"\xa1\x61a" * 100_000)
@example(b"\x9b" + b"\xff" * 8)
@example(b"\x87\x05\x62a1\x01\x01\x01\xf4" + b"\x81" * 100_000)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_packet_or_not(data: bytes) -> None:
    outcome(data)


@given(packets, st.data())
@settings(max_examples=500, deadline=None)
def test_a_damaged_packet_is_a_packet_or_not(
    packet: peers.Packet, data: st.DataObject
) -> None:
    whole = encode(packet)
    place = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=4))
    gone = data.draw(st.integers(0, 4))
    outcome(whole[:place] + junk + whole[place + gone :])


def test_every_truncation_and_every_other_byte_is_a_packet_or_not() -> None:
    for whole in SAID:
        for place in range(len(whole)):
            assert not isinstance(outcome(whole[:place]), PACKETS)
            for flip in (0x01, 0x20, 0x80, 0xFF):
                damaged = bytearray(whole)
                damaged[place] ^= flip
                outcome(bytes(damaged))


@given(batches, batches)
@settings(deadline=None)
def test_two_packets_at_once_are_none(first: peers.Batch, second: peers.Batch) -> None:
    assert not isinstance(outcome(encode(first) + encode(second)), PACKETS)


numbers = st.integers(-(2**70), 2**70) | st.integers(0, 17)
anything = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from(["chat", "*", "event", "joined", "sendToGroup", "userId eq 'a'"])
    | st.datetimes()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 3), inner, max_size=3)
        | st.builds(cbor2.CBORTag, st.integers(0, 2**32), inner)
    ),
    max_leaves=10,
)
shaped = st.builds(
    lambda kind, rest: [kind, *rest], numbers, st.lists(anything, max_size=10)
)


@given(st.lists(shaped | anything, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_values_in_a_batch_are_messages_or_not(values: list[Any]) -> None:
    said = cbor2.dumps([5, "a1", 9, 1, 0, False, values], timezone=UTC)
    assert isinstance(outcome(said), peers.Batch | peers.Malformed)


@given(anything | shaped)
@settings(max_examples=300, deadline=None)
def test_any_value_is_a_packet_or_not(value: Any) -> None:
    outcome(cbor2.dumps(value, timezone=UTC))


def test_small_values_by_the_million_are_not_read() -> None:
    head = b"\x87\x05\x62a1\x01\x01\x01\xf4\x9a\x00\x80\x00\x00"
    for value in (b"\x80", b"\xa0", b"\x60", b"\x00", b"\x81"):
        found = outcome(head + value * (8 << 20))
        assert isinstance(found, peers.Malformed)
        assert "too many values" in found.reason


@pytest.mark.parametrize("size", [1, 1000, 70_000, 5 << 20])
def test_a_long_payload_is_no_matter(size: int) -> None:
    published = commands.Publish(commands.Everyone(), Text("x" * size))
    batch = peers.Batch("a1", 1, 1, 0, (peers.Relay("chat", published),))
    assert decode(encode(batch)) == batch


def test_lengths_that_are_not_there_take_no_memory() -> None:
    head = b"\x87\x05\x62a1\x01\x01\x01\xf4"
    for kind in (0x5A, 0x7A, 0x9A, 0xBA):
        for size in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"):
            found = outcome(head + b"\x81" + bytes([kind]) + size + b"abc")
            assert isinstance(found, peers.Malformed)
