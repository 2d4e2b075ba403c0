"""Answers of several gateways put together."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.actors.gather import (
    Both,
    Done,
    Gather,
    merging,
    paying,
    receipt_into,
    telling_any,
)
from hubbub.actors.messages import commands, peers, pushes
from support.fakes import Probe

GONE = commands.Unavailable("The gateway b is gone.")
NO = peers.Declined("The group g did not admit the connection.")


def receipt(probe: Probe) -> commands.Receipt:
    return commands.Receipt(probe, pushes.Ack(1), missing="missing")


@pytest.mark.parametrize(
    ("values", "paid"),
    [
        ((True, False), pushes.Ack(1)),
        ((False, False), "missing"),
        ((Done(), False), pushes.Ack(1)),
        ((Done(found=False), False), "missing"),
        ((True, GONE), pushes.Ack(1).failed(GONE.reason)),
        ((NO, True), pushes.Ack(1).refused(NO.reason)),
    ],
)
def test_a_receipt_is_paid_by_what_the_parts_came_to(values: Any, paid: Any) -> None:
    probe = Probe()
    gather = Gather(len(values), paying(receipt(probe)))
    for value in values:
        probe.expect_nothing()
        gather.post(value)
    assert probe.heard == [paid]


def test_where_all_must_agree_one_that_does_not_is_enough() -> None:
    probe = Probe()
    gather = Gather(2, paying(receipt(probe), every=True))
    gather.post(True)
    gather.post(False)
    assert probe.heard == ["missing"]


def test_where_it_may_come_later_a_missing_part_is_passed_over() -> None:
    probe = Probe()
    gather = Gather(2, paying(receipt(probe), lenient=True, every=True))
    gather.post(GONE)
    gather.post(True)
    assert probe.heard == [pushes.Ack(1)]


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ((False, False), False),
        ((False, True), True),
        ((GONE, True), True),
        ((False, GONE), GONE),
    ],
)
def test_one_yes_is_enough_and_a_missing_part_leaves_a_no_open(
    values: Any, answer: Any
) -> None:
    probe = Probe()
    gather = Gather(2, telling_any(probe))
    for value in values:
        gather.post(value)
    assert probe.heard == [answer]


def page(*ids: str, more: bool = False) -> commands.MemberPage:
    return commands.MemberPage(tuple((one, None) for one in ids), more=more)


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ((page("a", "d"), page("b")), page("a", "b", "d")),
        ((page("a", "d"), page("b", "c")), page("a", "b", "c", more=True)),
        ((page("a", more=True), page()), page("a", more=True)),
        ((page(), page()), page()),
        ((page("a"), GONE), GONE),
    ],
)
def test_pages_are_put_together_in_order(pages: Any, whole: Any) -> None:
    probe = Probe()
    gather = Gather(2, merging(probe, 3))
    for one in pages:
        gather.post(one)
    assert probe.heard == [whole]


def test_a_join_is_acknowledged_when_group_and_peers_are_done() -> None:
    probe = Probe()
    both = Both(receipt(probe))
    group, known = receipt_into(both), receipt_into(both)
    group.pay()
    probe.expect_nothing()
    known.pay()
    assert probe.heard == [pushes.Ack(1)]


def test_a_group_that_refuses_is_not_waited_for() -> None:
    probe = Probe()
    both = Both(receipt(probe))
    receipt_into(both).refuse(NO.reason)
    receipt_into(both).pay()
    assert probe.heard == [pushes.Ack(1).refused(NO.reason)]
