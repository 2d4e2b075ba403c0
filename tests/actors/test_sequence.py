"""Numbered batches: each is taken once and in order, whatever a network does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import peers
from hubbub.actors.policy.sequence import Arrival, Received, Unacknowledged

if TYPE_CHECKING:
    from collections.abc import Sequence


def batch(number: int, messages: int = 1) -> peers.Batch:
    return peers.Batch("gw", 1, number, 0, (peers.Complete(),) * messages)


def test_what_is_acknowledged_is_kept_no_longer() -> None:
    kept = Unacknowledged()
    for number in (1, 2, 3):
        kept.keep(batch(number, messages=2), size=10)
    assert kept.acknowledge(2)
    assert [one.number for one in kept] == [3]
    assert (len(kept), kept.size, kept.messages, kept.acknowledged) == (1, 10, 2, 2)


def test_an_acknowledgement_of_what_was_never_sent_is_ignored() -> None:
    kept = Unacknowledged()
    kept.keep(batch(1), size=10)
    assert not kept.acknowledge(7)
    assert not kept.acknowledge(-1)
    assert len(kept) == 1


def test_an_old_acknowledgement_is_no_news() -> None:
    kept = Unacknowledged()
    kept.keep(batch(1), size=10)
    kept.keep(batch(2), size=10)
    assert kept.acknowledge(2)
    assert not kept.acknowledge(1)
    assert not kept.acknowledge(2)
    assert not len(kept)


def test_only_the_next_number_is_taken() -> None:
    received = Received()
    assert received.take(2) is Arrival.EARLY
    assert received.take(1) is Arrival.NEXT
    assert received.take(1) is Arrival.SEEN
    assert received.take(2) is Arrival.NEXT
    assert received.number == 2


@given(
    sent=st.integers(0, 12),
    network=st.lists(
        st.tuples(st.sampled_from("slr"), st.integers(0, 11)), max_size=60
    ),
)
def test_losses_repeats_and_resends_change_nothing(
    sent: int, network: Sequence[tuple[str, int]]
) -> None:
    kept, received, taken = Unacknowledged(), Received(), []
    for number in range(1, sent + 1):
        kept.keep(batch(number), size=1)

    def arrive(one: peers.Batch) -> None:
        if received.take(one.number) is Arrival.NEXT:
            taken.append(one.number)

    for kind, which in network:
        left = list(kept)
        if kind == "s" and left:  # a single one gets through, any of them
            arrive(left[which % len(left)])
        elif kind == "r":  # all that is not acknowledged is sent again
            for one in left:
                arrive(one)
        else:
            kept.acknowledge(received.number)
    for one in kept:
        arrive(one)
    kept.acknowledge(received.number)
    assert taken == list(range(1, sent + 1))
    assert not len(kept)
