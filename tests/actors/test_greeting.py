"""The greeting of two gateways: up when both are there, and never by a recording."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.policy.greeting import Greeting, Step

if TYPE_CHECKING:
    from collections.abc import Sequence


class Side:
    """A gateway's end of a link: what it says goes into the other's mail."""

    def __init__(self, first: int) -> None:
        numbers = itertools.count(first)
        self.greeting = Greeting(lambda: next(numbers))
        self.said: list[tuple[str, int, int]] = []
        self.epochs = 0

    def greet(self) -> None:
        self.said.append(("hello", *self.greeting.offer))

    def beat(self) -> None:
        if self.greeting.up:
            self.said.append(("beat", self.greeting.current.theirs, 0))

    def hear(self, letter: tuple[str, int, int]) -> None:
        kind, first, second = letter
        if kind == "hello":
            self._do(self.greeting.hear(first, second))
        else:
            self._do(self.greeting.tagged(first))

    def _do(self, step: Step) -> None:
        match step:
            case Step.GREET:
                self.greet()
            case Step.PROVE:
                self.beat()
            case Step.RISE | Step.RENEW:
                self.epochs += 1
                self.beat()
            case Step.IGNORE:
                pass


def talk(one: Side, other: Side, most: int = 50) -> int:
    """Carry mail both ways until there is none; gives the number of letters."""
    letters = 0
    while one.said or other.said:
        for sender, taker in ((one, other), (other, one)):
            mail, sender.said = sender.said, []
            for letter in mail:
                taker.hear(letter)
                letters += 1
        assert letters < most, "they greet each other for ever"
    return letters


def linked() -> tuple[Side, Side]:
    one, other = Side(1), Side(1001)
    one.greet()
    talk(one, other)
    return one, other


def fit(one: Side, other: Side) -> bool:
    """Whether each tags with what the other takes."""
    return other.greeting.fits(one.greeting.current.theirs) and one.greeting.fits(
        other.greeting.current.theirs
    )


def test_two_gateways_that_hear_each_other_are_up() -> None:
    one, other = linked()
    assert fit(one, other)
    assert (one.epochs, other.epochs) == (1, 1)


def test_both_may_greet_at_once() -> None:
    one, other = Side(1), Side(1001)
    one.greet()
    other.greet()
    talk(one, other)
    assert fit(one, other)


def test_a_side_that_fell_begins_anew_and_so_does_the_other() -> None:
    one, other = linked()
    before = one.greeting.current
    one.greeting.fall()
    one.greet()
    talk(one, other)
    assert fit(one, other)
    assert other.epochs == 2
    assert not other.greeting.fits(before.theirs), "the old tag counts no more"


def test_a_side_that_falls_while_another_begins_anew_comes_up_again() -> None:
    one, other = linked()
    one.greeting.fall()
    one.greet()
    other.hear(one.said.pop())  # which considers a new epoch,
    other.said.clear()
    other.greeting.fall()  # and falls itself
    one.greet()
    other.greet()
    talk(one, other)
    assert fit(one, other)


def test_hearing_a_hello_alone_brings_no_link_up() -> None:
    side = Side(1)
    assert side.greeting.hear(77, 0) is Step.GREET
    assert not side.greeting.up


def test_a_tag_alone_brings_no_link_up() -> None:
    side = Side(1)
    assert side.greeting.tagged(side.greeting.current.own) is Step.IGNORE
    assert not side.greeting.up


@given(
    lost=st.lists(st.booleans(), max_size=12),
    falls=st.lists(st.sampled_from(["one", "other", "both", "none"]), max_size=6),
)
def test_whatever_gets_lost_they_are_up_once_mail_gets_through(
    lost: Sequence[bool], falls: Sequence[str]
) -> None:
    one, other = linked()
    losses = iter(lost)
    for fall in falls:
        for side, name in ((one, "one"), (other, "other")):
            if fall in {name, "both"}:
                side.greeting.fall()
            side.greet() if not side.greeting.up else side.beat()
            side.said = [letter for letter in side.said if not next(losses, False)]
        talk(one, other)
    for side in (one, other) * 3:  # time passes: a greeting or a sign of life
        side.greet() if not side.greeting.up else side.beat()
        talk(one, other)
    for side, peer in ((one, other), (other, one)):
        if not fit(one, other):  # one holds on to an epoch that the other left
            peer.greeting.fall()
            peer.greet()
            talk(side, peer)
    assert fit(one, other)


@given(data=st.data())
def test_a_recording_of_earlier_epochs_neither_ends_nor_begins_one(
    data: st.DataObject,
) -> None:
    one, other = Side(1), Side(1001)
    recorded: list[tuple[str, int, int]] = []
    for _ in range(3):
        one.greeting.fall()
        other.greeting.fall()
        one.greet()
        other.greet()
        while one.said or other.said:
            for sender, taker in ((one, other), (other, one)):
                mail, sender.said = sender.said, []
                recorded += mail
                for letter in mail:
                    taker.hear(letter)
    assert fit(one, other)
    now = (one.greeting.current, other.greeting.current)
    epochs = (one.epochs, other.epochs)
    for _ in range(data.draw(st.integers(1, 5))):
        side = data.draw(st.sampled_from([one, other]))
        side.hear(data.draw(st.sampled_from(recorded)))
        talk(one, other)
    assert (one.greeting.current, other.greeting.current) == now
    assert (one.epochs, other.epochs) == epochs
