"""What is kept for a client until it acknowledges it: numbers, bounds, times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages.sessions import Mail
from hubbub.actors.policy.retention import EXPIRED, Bounds, Retention
from hubbub.transport.wire.frames import TEXT, Said
from hubbub.transport.wire.numbering import Body, Letters, StampingCodec
from support.wire import ServerFrames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.runtime.ports import AnyPush


class Plainly:
    """A subprotocol that says of a message its number and its text."""

    kind = TEXT

    def compose(self, push: AnyPush) -> Said | None:
        raise AssertionError(f"nobody has {push} said")

    def stamp(self, body: bytes, sequence_id: int) -> bytes:
        return b"%d:%b" % (sequence_id, body)


STAMPER = Plainly()
CODEC = StampingCodec(STAMPER)


def letters(*bodies: str | tuple[str, int]) -> Letters:
    """Messages that came together, each with its ttl if it has one."""
    pairs = [(body, 0) if isinstance(body, str) else body for body in bodies]
    return Letters(STAMPER, [Body(text.encode(), ttl) for text, ttl in pairs])


def said(kept: Retention, now: float = 0.0) -> list[str]:
    """What a client would read of what is kept; counts are checked on the way."""
    frames = ServerFrames()
    messages: list[str] = []
    for block, count in kept.again(CODEC, now):
        before = len(messages)
        frames.feed(block)
        while (frame := frames.next()) is not None:
            messages.append(frame.data.decode())
        assert len(messages) - before == count
    assert frames.buffer == b""
    return messages


def kept_of(*blocks: Letters, since: float = 0.0) -> Retention:
    kept = Retention()
    for block in blocks:
        kept.add(block, since)
    return kept


# Numbers and acknowledgements.


def test_numbers_begin_at_1_and_go_on_from_block_to_block() -> None:
    kept = Retention()
    assert kept.add(letters("a", "b"), 0.0) == 1
    assert kept.add(letters("c"), 0.0) == 3
    assert said(kept) == ["1:a", "2:b", "3:c"]
    assert (kept.last, kept.count) == (3, 3)


@pytest.mark.parametrize(
    ("acks", "news", "left"),
    [
        pytest.param((0,), False, ["1:a", "2:b", "3:c", "4:d"], id="zero"),
        pytest.param((-1,), False, ["1:a", "2:b", "3:c", "4:d"], id="below zero"),
        pytest.param((1,), True, ["2:b", "3:c", "4:d"], id="in a block"),
        pytest.param((2,), True, ["3:c", "4:d"], id="a whole block"),
        pytest.param((3,), True, ["4:d"], id="a block and a part"),
        pytest.param((4,), True, [], id="all"),
        pytest.param((9,), True, [], id="more than there is"),
        pytest.param((3, 3), False, ["4:d"], id="a repeat"),
        pytest.param((3, 1), False, ["4:d"], id="a lower one"),
        pytest.param((9, 4), False, [], id="the last, after too high a one"),
    ],
)
def test_an_acknowledgement_is_cumulative(
    acks: tuple[int, ...], news: bool, left: list[str]
) -> None:
    kept = kept_of(letters("a", "b"), letters("c", "d"))
    *earlier, latest = acks
    for number in earlier:
        kept.acknowledge(number)
    assert kept.acknowledge(latest) is news
    assert said(kept) == left
    assert kept.count == len(left)


def test_too_high_an_acknowledgement_says_nothing_of_what_is_to_come() -> None:
    kept = kept_of(letters("a"))
    kept.acknowledge(100)
    kept.add(letters("b"), 0.0)
    assert said(kept) == ["2:b"]


def test_what_is_given_again_is_given_again() -> None:
    kept = kept_of(letters("a", "b"))
    assert said(kept) == said(kept) == ["1:a", "2:b"]


def test_bytes_are_counted_until_a_whole_block_is_acknowledged() -> None:
    kept = kept_of(letters("aaa", "bb"), letters("c"))
    assert kept.size == 6
    kept.acknowledge(1)
    assert kept.size == 6
    kept.acknowledge(2)
    assert kept.size == 1
    kept.acknowledge(3)
    assert kept.size == 0


def test_a_session_that_is_over_keeps_nothing_and_its_numbers_go_on() -> None:
    kept = kept_of(letters("a", "b"))
    kept.clear()
    assert (kept.size, kept.count, said(kept)) == (0, 0, [])
    assert kept.add(letters("c"), 0.0) == 3


# Times.


@pytest.mark.parametrize(
    ("ttl", "now", "there"),
    [
        pytest.param(0, 1e9, True, id="no limit"),
        pytest.param(5, 10.0, True, id="at once"),
        pytest.param(5, 14.9, True, id="just in time"),
        pytest.param(5, 15.0, False, id="at its end"),
        pytest.param(EXPIRED, 10.0, False, id="it was too late elsewhere"),
    ],
)
def test_a_message_waits_as_long_as_it_may(ttl: int, now: float, there: bool) -> None:
    kept = kept_of(letters(("a", ttl)), since=10.0)
    assert said(kept, now) == (["1:a"] if there else [])


def test_the_number_of_a_message_that_is_too_late_is_not_used_again() -> None:
    kept = kept_of(letters("a", ("b", 1), "c"), letters("d"))
    assert said(kept, 2.0) == ["1:a", "3:c", "4:d"]
    kept.acknowledge(1)
    assert said(kept, 2.0) == ["3:c", "4:d"]


# Moving elsewhere.


def moved(kept: Retention, now: float, then: float) -> Retention:
    """Take what is kept to a gateway with another clock."""
    other = Retention()
    other.restore(kept.export(now, 7), CODEC, then)
    return other


def test_what_is_kept_goes_on_elsewhere_under_the_same_numbers() -> None:
    kept = kept_of(letters("a", "b"), letters("c"))
    kept.acknowledge(1)
    assert kept.export(5.0, 7) == Mail(1, 3, 7, ((b"b", 0), (b"c", 0)))
    other = moved(kept, 5.0, 1000.0)
    assert (other.acknowledged, other.last) == (1, 3)
    assert other.size == 2
    assert said(other, 1000.0) == ["2:b", "3:c"]
    other.add(letters("d"), 0.0)
    assert said(other, 1000.0) == ["2:b", "3:c", "4:d"]


def test_a_time_that_is_left_is_left_elsewhere() -> None:
    kept = kept_of(letters(("a", 1), ("b", 4), "c"), since=10.0)
    other = moved(kept, 12.0, 500.0)
    assert said(other, 501.9) == ["2:b", "3:c"]
    assert said(other, 502.0) == ["3:c"]
    assert said(moved(other, 600.0, 0.0), 0.0) == ["3:c"]


def test_a_gap_in_what_arrives_is_a_bug_and_not_a_loss() -> None:
    with pytest.raises(ValueError, match="every number"):
        Retention().restore(Mail(3, 5, 7, ((b"a", 0),)), CODEC, 0.0)


def test_the_bounds_are_those_of_the_service() -> None:
    assert Bounds() == (1000, 16 << 20, 10.0, 60.0)


# Anything, in any order.

STEPS = st.lists(
    st.one_of(
        st.lists(st.text("ab", max_size=3), min_size=1, max_size=4),
        st.integers(-2, 40),
        st.just("move"),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_it_keeps_what_is_not_acknowledged(
    steps: Sequence[list[str] | int | str],
) -> None:
    kept, sent, acknowledged = Retention(), list[str](), 0
    for step in steps:
        match step:
            case int():
                news = min(step, len(sent)) > acknowledged
                assert kept.acknowledge(step) is news
                acknowledged = max(acknowledged, min(step, len(sent)))
            case str():
                kept = moved(kept, 0.0, 0.0)
            case texts:
                assert kept.add(letters(*texts), 0.0) == len(sent) + 1
                sent += texts
        expected = list(enumerate(sent, 1))[acknowledged:]
        assert said(kept) == [f"{number}:{text}" for number, text in expected]
        assert (kept.last, kept.acknowledged) == (len(sent), acknowledged)
        assert kept.size >= sum(len(text) for _, text in expected)
        if not expected:
            assert kept.size == 0


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.floats(0, 8))
def test_only_what_is_too_late_is_left_out(ttls: list[int], now: float) -> None:
    kept = kept_of(letters(*((str(ttl), ttl) for ttl in ttls)))
    assert said(kept, now) == [
        f"{number}:{ttl}" for number, ttl in enumerate(ttls, 1) if ttl == 0 or now < ttl
    ]
