"""One write a round, in order, and a bound on what waits for a slow client."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.transport.outlet import PatientOutlet, SocketOutlet
from hubbub.transport.settings import Limits
from hubbub.transport.subprotocols import SIMPLE
from hubbub.transport.wire.frames import PlainCodec
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    import asyncio


class FakeTransport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)


class Desk:
    """An outlet on virtual time, with what it writes and whether it gave up."""

    kind: type[SocketOutlet] = SocketOutlet

    def __init__(self, messages: int = 10, size: int = 1000) -> None:
        self.loop = VirtualLoop()
        self.dispatcher = Dispatcher(self.loop)
        self.transport = FakeTransport()
        self.gave_up = 0
        self.limits = Limits(queue_messages=messages, queue_bytes=size)
        self.outlet = self.make(self.transport)

    def make(self, transport: FakeTransport) -> SocketOutlet:
        return self.kind(
            cast("asyncio.Transport", transport),
            PlainCodec(SIMPLE),
            None,
            self.dispatcher,
            self.limits,
            self.too_slow,
        )

    def too_slow(self) -> None:
        self.gave_up += 1


def test_what_a_round_brings_leaves_in_one_write() -> None:
    desk = Desk()
    for block in (b"a", b"b", b"c"):
        desk.outlet.append(block, 1)
    assert desk.transport.writes == []
    desk.loop.settle()
    assert desk.transport.writes == [b"abc"]


def test_the_next_round_is_the_next_write() -> None:
    desk = Desk()
    desk.outlet.append(b"a", 1)
    desk.loop.settle()
    desk.outlet.append(b"b", 1)
    desk.loop.settle()
    assert desk.transport.writes == [b"a", b"b"]


def test_every_outlet_of_a_round_is_written() -> None:
    desk = Desk()
    others = [FakeTransport() for _ in range(1200)]
    for transport in others:
        desk.make(transport).append(b"x", 1)
    desk.loop.settle()
    assert all(transport.writes == [b"x"] for transport in others)


def test_a_push_is_encoded_and_one_without_words_is_not_written() -> None:
    desk = Desk()
    desk.outlet.post(pushes.Pong())
    desk.loop.settle()
    assert desk.transport.writes == []
    desk.outlet.post(pushes.ServerMessage(payloads.Text("hi")))
    desk.loop.settle()
    assert desk.transport.writes == [b"\x81\x02hi"]


def test_a_blocked_outlet_holds_back_and_writes_everything_later_in_order() -> None:
    desk = Desk()
    desk.outlet.append(b"a", 1)
    desk.outlet.block()
    desk.outlet.append(b"b", 1)
    desk.loop.settle()
    assert desk.transport.writes == []
    desk.outlet.unblock()
    desk.outlet.append(b"c", 1)
    desk.loop.settle()
    assert desk.transport.writes == [b"abc"]


def test_an_outlet_that_is_not_blocked_takes_more_than_the_bound() -> None:
    desk = Desk(messages=10)
    for _ in range(100):
        desk.outlet.append(b"x", 1)
    desk.loop.settle()
    assert desk.transport.writes == [b"x" * 100]
    assert desk.gave_up == 0


def test_one_message_above_the_bound_ends_it_once() -> None:
    desk = Desk(messages=10)
    desk.outlet.block()
    for _ in range(10):
        desk.outlet.append(b"x", 1)
    assert desk.gave_up == 0
    desk.outlet.append(b"x", 1)
    assert desk.gave_up == 1
    assert desk.outlet.dead
    for _ in range(50):
        desk.outlet.append(b"x", 1)
    assert desk.gave_up == 1


def test_messages_in_one_block_are_counted_one_by_one() -> None:
    desk = Desk(messages=10)
    desk.outlet.block()
    desk.outlet.append(b"x" * 11, 11)
    assert desk.gave_up == 1


def test_one_byte_above_the_bound_ends_it() -> None:
    desk = Desk(size=1000)
    desk.outlet.block()
    desk.outlet.append(b"x" * 1000, 1)
    assert desk.gave_up == 0
    desk.outlet.append(b"x", 1)
    assert desk.gave_up == 1


def test_answers_to_pings_are_bounded_too() -> None:
    desk = Desk(size=1000)
    desk.outlet.block()
    for _ in range(101):
        desk.outlet.append(b"\x8a\x08pongpong", 0)
    assert desk.gave_up == 1


def test_what_is_written_counts_no_more() -> None:
    desk = Desk(messages=10)
    for _ in range(5):
        desk.outlet.block()
        for _ in range(9):
            desk.outlet.append(b"x", 1)
        desk.outlet.unblock()
        desk.loop.settle()
    assert desk.gave_up == 0
    assert b"".join(desk.transport.writes) == b"x" * 45


def test_an_outlet_that_ended_stays_silent() -> None:
    desk = Desk()
    desk.outlet.append(b"a", 1)
    desk.outlet.end()
    desk.outlet.unblock()
    desk.outlet.append(b"b", 1)
    desk.loop.settle()
    assert desk.transport.writes == []
    assert desk.gave_up == 0


class PatientDesk(Desk):
    kind = PatientOutlet


def test_a_patient_outlet_writes_a_moment_later_and_once() -> None:
    desk = PatientDesk()
    desk.outlet.append(b"a", 1)
    desk.loop.settle()
    assert desk.transport.writes == []
    desk.loop.advance(PatientOutlet.MOMENT / 2)
    desk.outlet.append(b"b", 1)
    desk.loop.advance(PatientOutlet.MOMENT / 2)
    assert desk.transport.writes == [b"ab"]
    desk.outlet.append(b"c", 1)
    desk.loop.advance(PatientOutlet.MOMENT)
    assert desk.transport.writes == [b"ab", b"c"]


def test_a_patient_outlet_says_its_last_words_at_once() -> None:
    desk = PatientDesk()
    desk.outlet.append(b"a", 1)
    desk.outlet.append(b"bye", 0)
    desk.outlet.seal()
    assert desk.transport.writes == [b"abye"]
    desk.outlet.append(b"late", 1)
    desk.loop.advance(1)
    assert desk.transport.writes == [b"abye"]
