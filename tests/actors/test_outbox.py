"""What goes to one peer: one batch a round, a window, bounds, receipts."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import commands, peers
from hubbub.actors.messages.payload import Binary
from hubbub.actors.outbox import BATCH_BYTES, WINDOW, Outbox
from hubbub.actors.runtime.dispatcher import Dispatcher
from support.fakes import Probe
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from hubbub.actors.messages.peers import Packet

MOST = 1 << 20


class Way:
    """A channel that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, packet: Packet) -> None:
        self.sent.append(packet)

    def close(self) -> None: ...

    @property
    def batches(self) -> list[peers.Batch]:
        return [packet for packet in self.sent if isinstance(packet, peers.Batch)]


class Bench:
    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.dispatcher = Dispatcher(self.loop, chance=random.Random(1))
        self.way = Way()
        self.outbox = Outbox(self.way, "us", 7, self.dispatcher, MOST)

    def put(self, *sizes: int) -> None:
        for size in sizes:
            self.outbox.put(relay(size))

    def settle(self) -> None:
        self.loop.settle()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def relay(size: int = 0) -> peers.Relay:
    publish = commands.Publish(commands.ToGroup("g"), Binary(bytes(size)))
    return peers.Relay("chat", publish)


def receipt(probe: Probe, text: str) -> commands.Receipt:
    return commands.Receipt(probe, text)


def test_what_a_round_brings_travels_as_one_batch(bench: Bench) -> None:
    bench.put(1, 2, 3)
    bench.settle()
    (batch,) = bench.way.batches
    assert (batch.gateway, batch.tag, batch.number) == ("us", 7, 1)
    assert len(batch.messages) == 3
    bench.put(4)
    bench.settle()
    assert [one.number for one in bench.way.batches] == [1, 2]


def test_a_big_round_travels_in_several_batches(bench: Bench) -> None:
    bench.put(*[BATCH_BYTES // 2] * 5)
    bench.settle()
    assert [len(batch.messages) for batch in bench.way.batches] == [2, 2, 1]


def test_beyond_the_window_messages_wait_and_share_a_batch(bench: Bench) -> None:
    for _ in range(WINDOW + 5):
        bench.put(1)
        bench.settle()
    assert len(bench.way.batches) == WINDOW
    bench.outbox.acknowledge(1)
    bench.settle()
    assert len(bench.way.batches[-1].messages) == 5


def test_a_receipt_is_paid_when_the_peer_has_the_batch(bench: Bench) -> None:
    probe = Probe()
    bench.put(1)
    bench.settle()
    bench.outbox.put(relay(), receipt(probe, "known"))
    bench.settle()
    assert bench.way.batches[-1].prompt, "somebody waits"
    bench.outbox.acknowledge(1)
    probe.expect_nothing()
    bench.outbox.acknowledge(2)
    assert probe.heard == ["known"]


def test_receipts_are_paid_late_when_the_peer_says_nothing(bench: Bench) -> None:
    probe = Probe()
    bench.outbox.put(relay(), receipt(probe, "known"))
    bench.settle()
    began = bench.loop.now
    bench.loop.advance(3)
    assert bench.outbox.pay_late(began) == 0
    assert bench.outbox.pay_late(began + 1) == 1
    assert probe.heard == ["known"]


def test_the_end_of_an_epoch_pays_receipts_and_counts_what_is_lost(
    bench: Bench,
) -> None:
    probe = Probe()
    bench.put(1, 1)
    bench.settle()
    bench.outbox.acknowledge(1)
    bench.put(1)
    bench.settle()
    bench.outbox.put(relay(), receipt(probe, "known"))
    assert bench.outbox.close() == 2
    assert probe.heard == ["known"]


def test_a_queue_that_is_too_long_holds_up_the_readers(bench: Bench) -> None:
    bench.put(MOST + 1)
    assert bench.dispatcher.held
    bench.settle()
    assert bench.dispatcher.congested, "readers stay paused"
    relieved = Probe()
    bench.dispatcher.when_relieved(lambda: relieved.post("go on"))
    bench.settle()
    relieved.expect_nothing()
    bench.outbox.acknowledge(1)
    bench.settle()
    assert relieved.heard == ["go on"]
    assert not bench.dispatcher.held


def test_the_end_of_an_epoch_lets_readers_go_on(bench: Bench) -> None:
    bench.put(MOST + 1)
    bench.outbox.close()
    assert not bench.dispatcher.held


def test_a_peer_that_takes_nothing_of_a_long_queue_is_stuck(bench: Bench) -> None:
    bench.put(MOST + 1)
    bench.settle()
    bench.loop.advance(2)
    assert bench.outbox.is_stuck(bench.loop.now - 1)
    bench.put(1)
    bench.outbox.acknowledge(1)
    assert not bench.outbox.is_stuck(bench.loop.now - 1), "it goes on"


def test_a_queue_has_an_end(bench: Bench) -> None:
    bench.put(*[MOST + 1] * 4)
    assert bench.outbox.is_stuck(bench.loop.now - 1), "four times the bound"


def test_what_was_sent_is_sent_again_from_the_last_acknowledgement(
    bench: Bench,
) -> None:
    for _ in range(3):
        bench.put(1)
        bench.settle()
    bench.outbox.acknowledge(1)
    bench.way.sent.clear()
    assert bench.outbox.resend() == 2
    assert [batch.number for batch in bench.way.batches] == [2, 3]


def test_a_batch_tells_what_was_taken_so_that_no_beat_need_to(bench: Bench) -> None:
    bench.outbox.take(4, prompt=True)
    bench.put(1)
    bench.settle()
    (batch,) = bench.way.sent
    assert batch.received == 4


def test_a_prompt_batch_is_acknowledged_at_once(bench: Bench) -> None:
    bench.outbox.take(4, prompt=True)
    bench.settle()
    assert bench.way.sent == [peers.Heartbeat("us", 7, sent=0, received=4)]


def test_other_batches_are_acknowledged_some_at_a_time(bench: Bench) -> None:
    for number in range(1, 8):
        bench.outbox.take(number, prompt=False)
    bench.settle()
    assert bench.way.sent == []
    bench.outbox.take(8, prompt=False)
    bench.settle()
    assert bench.way.sent == [peers.Heartbeat("us", 7, sent=0, received=8)]
