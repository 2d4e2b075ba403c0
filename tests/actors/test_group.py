"""Groups: who gets what, in which order, and what a failure costs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.group import Group
from hubbub.actors.messages import commands, internal, pushes, requests
from hubbub.actors.messages import payload as payloads
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from support.fakes import FakeSocket, Probe, Stage, hub_on_virtual_time, publish, say
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address

G = commands.ToGroup("g")


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


# Alone.


class Lone:
    """A group without a hub."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.group: Address = supervision.spawn(Dispatcher(self.loop), Group)

    def member(self, name: str, receipt: commands.Receipt | None = None) -> FakeSocket:
        socket = FakeSocket()
        self.group.post(internal.Join(name, socket.outlet, receipt))
        return socket

    def deliver(
        self, text: str, *exclude: str, receipt: commands.Receipt | None = None
    ) -> None:
        push = pushes.GroupMessage("g", "u", payloads.Text(text))
        self.group.post(internal.Deliver(push, exclude, receipt))


def test_members_get_everything_in_the_order_of_publication() -> None:
    lone = Lone()
    members = [lone.member(str(number)) for number in range(3)]
    for number in range(200):
        lone.deliver(str(number))
    lone.loop.settle()
    expected = [str(number) for number in range(200)]
    assert all(member.data == expected for member in members)


def test_a_new_member_does_not_get_earlier_messages() -> None:
    lone = Lone()
    early = lone.member("early")
    lone.deliver("before")
    late = lone.member("late")
    lone.deliver("after")
    lone.loop.settle()
    assert early.data == ["before", "after"]
    assert late.data == ["after"]


def test_leaving_a_group_stops_its_messages_and_loses_none_before() -> None:
    lone = Lone()
    member = lone.member("m")
    lone.deliver("before")
    lone.group.post(internal.Part("m"))
    lone.deliver("after")
    lone.loop.settle()
    assert member.data == ["before"]


def test_the_excluded_get_the_rest_in_order() -> None:
    lone = Lone()
    member, other = lone.member("m"), lone.member("o")
    lone.deliver("1")
    lone.deliver("2", "m")
    lone.deliver("3", "m", "o", "stranger")
    lone.deliver("4")
    lone.loop.settle()
    assert member.data == ["1", "4"]
    assert other.data == ["1", "2", "4"]


def test_a_member_excluded_from_everything_gets_nothing() -> None:
    lone = Lone()
    member = lone.member("m")
    lone.deliver("1", "m")
    lone.deliver("2", "m")
    lone.loop.settle()
    assert member.journal == []


def test_a_receipt_is_paid_after_the_hand_out() -> None:
    lone = Lone()
    member = lone.member("m")
    receipt = commands.Receipt(member.outlet, pushes.Ack(7))
    lone.deliver("echo", receipt=receipt)
    lone.deliver("next")
    lone.loop.settle()
    assert member.order.index("echo") < member.order.index(7)


def test_receipts_of_an_empty_group_are_paid() -> None:
    lone, probe = Lone(), Probe()
    lone.deliver("nobody", receipt=commands.Receipt(probe, "done"))
    lone.loop.settle()
    assert probe.heard == ["done"]


def test_receipts_of_joins_and_leaves_are_paid_once_they_have_effect() -> None:
    lone, probe = Lone(), Probe()
    lone.member("m", commands.Receipt(probe, "joined"))
    lone.group.post(internal.Part("m", commands.Receipt(probe, "left")))
    lone.group.post(internal.Part("stranger", commands.Receipt(probe, "left too")))
    lone.loop.settle()
    assert probe.heard == ["joined", "left", "left too"]


def test_joining_twice_delivers_once() -> None:
    lone = Lone()
    member = lone.member("m")
    lone.group.post(internal.Join("m", member.outlet))
    lone.deliver("once")
    lone.loop.settle()
    assert member.data == ["once"]


def test_a_stopped_group_leaves_nothing_undelivered() -> None:
    lone, probe = Lone(), Probe()
    member = lone.member("m")
    lone.deliver("last", receipt=commands.Receipt(probe, "done"))
    lone.group.end()
    lone.loop.settle()
    assert member.data == ["last"]
    assert probe.heard == ["done"]


def test_members_of_all_subprotocols_get_the_same_messages_in_order() -> None:
    lone = Lone()
    member = lone.member("json")
    simple = FakeSocket(subprotocol=None)
    lone.group.post(internal.Join("simple", simple.outlet))
    lone.deliver("1")
    lone.deliver("2")
    lone.loop.settle()
    assert member.data == ["1", "2"]
    assert simple.data == [b"1", b"2"]


def test_what_one_subprotocol_cannot_say_does_not_hurt_another() -> None:
    lone = Lone()
    member = lone.member("json")
    simple = FakeSocket(subprotocol=None)
    lone.group.post(internal.Join("simple", simple.outlet))
    for raw in (b"1", b"null", b"2"):
        push = pushes.GroupMessage("g", None, payloads.Json(raw))
        lone.group.post(internal.Deliver(push))
    lone.loop.settle()
    assert simple.data == [b"1", b"null", b"2"]
    assert member.data == [1, 2]


# In a hub.


def test_a_join_takes_effect_before_its_ack(stage: Stage) -> None:
    member, server = stage.join(), stage.join()
    member.send(requests.JoinGroup("g", 1))
    while not member.acks:
        stage.loop.turn()
    server.send(say("g", "hello"))
    stage.settle()
    assert member.acks == [(1, True)]
    assert member.data == ["hello"]


def test_an_echo_precedes_its_ack(stage: Stage) -> None:
    member = stage.join(groups=["g"])
    member.send(say("g", "a", 1), say("g", "b", 2), say("g", "c", 3))
    stage.settle()
    order = member.order
    assert all(
        order.index(text) < order.index(ack)
        for text, ack in (("a", 1), ("b", 2), ("c", 3))
    )


def test_no_echo_spares_the_sender_alone(stage: Stage) -> None:
    sender, other = stage.join(groups=["g"]), stage.join(groups=["g"])
    sender.send(say("g", "a", 1, no_echo=True), say("g", "b", 2))
    stage.settle()
    assert sender.data == ["b"]
    assert other.data == ["a", "b"]
    assert sender.acks == [(1, True), (2, True)]


def test_publishing_needs_no_membership_and_an_empty_group_is_no_error(
    stage: Stage,
) -> None:
    sender, member = stage.join("alice"), stage.join(groups=["g"])
    sender.send(say("g", "hello", 1), say("nowhere", "hello", 2))
    stage.settle()
    assert sorted(sender.acks) == [(1, True), (2, True)]
    assert sender.data == []
    assert member.inbox == [
        {
            "type": "message",
            "from": "group",
            "group": "g",
            "fromUserId": "alice",
            "dataType": "text",
            "data": "hello",
        }
    ]


def test_a_group_knows_its_name_by_case(stage: Stage) -> None:
    lower, upper = stage.join(groups=["g"]), stage.join(groups=["G"])
    stage.do(publish(G, "small"))
    assert lower.data == ["small"]
    assert upper.data == []


def test_a_failed_group_restarts_with_its_members(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    members = [stage.join(groups=["g"]) for _ in range(3)]
    with caplog.at_level(logging.CRITICAL):
        stage.group("g").post("not a message")
        stage.settle()
    stage.loop.advance(1.0)
    stage.do(publish(G, "again"))
    assert [member.data for member in members] == [["again"]] * 3
    assert all(not member.all("closed") for member in members)


def test_what_is_published_while_a_group_restarts_reaches_its_members(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    member = stage.join(groups=["g"])
    with caplog.at_level(logging.CRITICAL):
        stage.group("g").post("not a message")
        stage.settle()
    stage.do(publish(G, "meanwhile"))
    stage.loop.advance(1.0)
    stage.do(publish(G, "again"))
    assert member.data == ["meanwhile", "again"]


def test_joins_and_leaves_while_a_group_restarts_have_effect(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    leaver, joiner = stage.join(groups=["g"]), stage.join()
    stayer = stage.join(groups=["g"])
    with caplog.at_level(logging.CRITICAL):
        stage.group("g").post("not a message")
        stage.settle()
    leaver.send(requests.LeaveGroup("g", 1))
    joiner.send(requests.JoinGroup("g", 2))
    stage.loop.advance(1.0)
    stage.do(publish(G, "again"))
    assert leaver.acks == [(1, True)]
    assert leaver.data == []
    assert joiner.acks == [(2, True)]
    assert joiner.data == ["again"]
    assert stayer.data == ["again"]


def test_a_failed_group_of_all_restarts_with_everybody(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    members = [stage.join() for _ in range(3)]
    hub: Any = stage._actor(stage.hub())
    with caplog.at_level(logging.CRITICAL):
        hub._membership.everyone.post("not a message")
        stage.settle()
    stage.loop.advance(1.0)
    stage.do(publish(commands.Everyone(), "again"))
    assert [member.data for member in members] == [["again"]] * 3
