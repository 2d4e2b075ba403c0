"""A hub: every command finds its target, in order, and closes are final at once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hubbub.actors.messages import commands, events, internal, requests
from hubbub.actors.messages import payload as payloads
from hubbub.actors.policy.permissions import Permission
from hubbub.actors.sends import SLICE
from support.fakes import (
    FakeSocket,
    Probe,
    Stage,
    hub_on_virtual_time,
    publish,
    say,
)

ALL = commands.Everyone()
G = commands.ToGroup("g")


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


def to(socket: FakeSocket) -> commands.ToConnection:
    return commands.ToConnection(socket.connection_id)


def server_message(text: str) -> dict[str, Any]:
    return {"type": "message", "from": "server", "dataType": "text", "data": text}


# Sends.


def test_a_send_to_all_reaches_everybody_and_no_other_hub(stage: Stage) -> None:
    here = [stage.join(), stage.join(groups=["g"])]
    there = stage.join(hub="other")
    stage.do(publish(ALL, "hi", exclude=("stranger",)))
    assert [socket.inbox for socket in here] == [[server_message("hi")]] * 2
    assert there.inbox == []


def test_a_send_to_a_user_reaches_all_connections_of_that_user(stage: Stage) -> None:
    alice = [stage.join("alice"), stage.join("alice")]
    others = [stage.join("Alice"), stage.join("bob"), stage.join()]
    stage.do(publish(commands.ToUser("alice"), "hi"))
    assert [socket.inbox for socket in alice] == [[server_message("hi")]] * 2
    assert all(socket.inbox == [] for socket in others)


def test_a_send_to_a_connection_reaches_it_alone(stage: Stage) -> None:
    one, other = stage.join("u"), stage.join("u")
    stage.do(publish(to(one), "hi"))
    assert one.inbox == [server_message("hi")]
    assert other.inbox == []


def test_a_send_to_a_group_from_a_server_names_no_user(stage: Stage) -> None:
    member = stage.join(groups=["g"])
    stage.do(publish(G, "hi", metadata={"k": "v"}))
    assert member.inbox == [
        {
            "type": "message",
            "from": "group",
            "group": "g",
            "dataType": "text",
            "data": "hi",
            "metadata": {"k": "v"},
        }
    ]


@pytest.mark.parametrize(
    "target", [ALL, G, commands.ToUser("u"), commands.ToConnection("nobody")]
)
def test_a_send_to_nobody_pays_its_receipt(
    stage: Stage, target: commands.Target
) -> None:
    probe = Probe()
    stage.do(publish(target, "hi", receipt=commands.Receipt(probe, "done", "missing")))
    assert probe.heard == ["done"]


@pytest.mark.parametrize("target", [ALL, G, commands.ToUser("u")])
def test_the_excluded_are_spared(stage: Stage, target: commands.Target) -> None:
    one, other = stage.join("u", groups=["g"]), stage.join("u", groups=["g"])
    stage.do(publish(target, "hi", exclude=(one.connection_id, "stranger")))
    assert one.data == []
    assert other.data == ["hi"]


def test_a_filter_and_exclusions_combine(stage: Stage) -> None:
    alice, bob, carol = (
        stage.join(user, groups=["g"]) for user in ("alice", "bob", "carol")
    )
    stage.do(
        publish(
            G,
            "hi",
            where=lambda subject: subject.user_id != "bob",
            exclude=(carol.connection_id,),
        )
    )
    assert (alice.data, bob.data, carol.data) == (["hi"], [], [])


def test_a_filter_sees_user_groups_and_protocol(stage: Stage) -> None:
    stage.join("alice", groups=["a", "b"])
    stage.join(subprotocol=None)
    seen: list[tuple[str | None, list[str], str | None]] = []

    def where(subject: commands.Subject) -> bool:
        seen.append((subject.user_id, sorted(subject.groups), subject.protocol))
        return False

    stage.do(publish(ALL, "hi", where=where))
    assert seen == [
        ("alice", ["a", "b"], "json.webpubsub.azure.v1"),
        (None, [], None),
    ]


def crowd(stage: Stage, size: int) -> list[FakeSocket]:
    sockets = [
        stage.knock(FakeSocket(), f"u{number}", groups=["g"]) for number in range(size)
    ]
    stage.settle()
    return sockets


def test_a_filtered_send_lets_others_have_their_turn_between_slices(
    stage: Stage,
) -> None:
    sockets = crowd(stage, SLICE * 3)
    looked = 0

    def where(_: commands.Subject) -> bool:
        nonlocal looked
        looked += 1
        return True

    probe = Probe()
    receipt = commands.Receipt(probe, "done")
    hub = stage.hub()
    hub.post(publish(ALL, "hi", where=where, receipt=receipt))
    hub.post(commands.Exists(to(sockets[0]), probe))
    stage.settle()
    assert looked == len(sockets)
    assert probe.heard == [True, "done"]
    assert all(socket.data == ["hi"] for socket in sockets)


@pytest.mark.parametrize("target", [ALL, G])
def test_sends_arrive_in_order_although_one_is_filtered_in_slices(
    stage: Stage, target: commands.Target
) -> None:
    sockets = crowd(stage, SLICE * 2 + 1)
    stage.command(
        publish(target, "1"),
        publish(target, "2", where=lambda _: True),
        publish(target, "3"),
        publish(target, "4", where=lambda _: True),
    )
    stage.settle()
    wrong = {tuple(socket.data) for socket in sockets} - {("1", "2", "3", "4")}
    assert wrong == set()


def test_a_direct_message_follows_earlier_group_messages(stage: Stage) -> None:
    member = stage.join("u", groups=["g"])
    stage.command(
        publish(G, "1"),
        publish(to(member), "2"),
        publish(G, "3"),
        publish(commands.ToUser("u"), "4"),
        publish(G, "5"),
        publish(ALL, "6", where=lambda _: True),
        publish(G, "7"),
    )
    stage.settle()
    assert member.data == ["1", "2", "3", "4", "5", "6", "7"]


def test_sends_that_are_awaited_one_by_one_arrive_in_order(stage: Stage) -> None:
    member = stage.join("u", groups=["a", "b"])
    targets: list[commands.Target] = [
        commands.ToGroup("a"),
        ALL,
        commands.ToGroup("b"),
        to(member),
        commands.ToUser("u"),
    ]
    for number in range(20):
        probe = Probe()
        receipt = commands.Receipt(probe, "done")
        stage.command(publish(targets[number % 5], str(number), receipt=receipt))
        while not probe.heard:
            stage.loop.turn()
    stage.settle()
    assert member.data == [str(number) for number in range(20)]


def test_a_connection_that_left_between_slices_is_skipped(stage: Stage) -> None:
    sockets = crowd(stage, SLICE + 1)
    hub = stage.hub()
    hub.post(publish(ALL, "hi", where=lambda _: True))
    hub.post(internal.Gone(to(sockets[-1]).connection_id, Probe()))
    stage.settle()
    assert sockets[-1].data == []
    assert sockets[0].data == ["hi"]


def test_a_close_behind_a_filtered_send_comes_after_it(stage: Stage) -> None:
    sockets = crowd(stage, SLICE + 1)
    hub = stage.hub()
    hub.post(publish(ALL, "hi", where=lambda _: True))
    hub.post(commands.Close(to(sockets[-1])))
    stage.settle()
    assert sockets[-1].data == ["hi"]
    assert sockets[-1].all("closed")


def test_json_null_is_skipped_for_json_clients(stage: Stage) -> None:
    member, simple = stage.join(), stage.join(subprotocol=None)
    stage.do(commands.Publish(ALL, payloads.Json(b"null")))
    stage.do(commands.Publish(to(member), payloads.Json(b"null")))
    assert member.inbox == []
    assert simple.inbox == [b"null"]


# Membership.


def test_a_server_adds_and_removes_a_connection(stage: Stage) -> None:
    member = stage.join(roles=[])
    probe = Probe()
    stage.do(
        commands.AddToGroup(to(member), "g", commands.Receipt(probe, "in", "no one"))
    )
    stage.do(publish(G, "hi"))
    stage.do(
        commands.RemoveFromGroup(
            to(member), "g", commands.Receipt(probe, "out", "no one")
        )
    )
    stage.do(publish(G, "bye"))
    assert probe.heard == ["in", "out"]
    assert member.data == ["hi"]


def test_a_server_adds_and_removes_all_connections_of_a_user(stage: Stage) -> None:
    sockets = [stage.join("u") for _ in range(3)]
    stage.do(commands.AddToGroup(commands.ToUser("u"), "g"))
    stage.do(publish(G, "hi"))
    stage.do(commands.RemoveFromGroup(commands.ToUser("u"), "g"))
    stage.do(publish(G, "bye"))
    assert [socket.data for socket in sockets] == [["hi"]] * 3


@pytest.mark.parametrize(
    "target", [commands.ToUser("nobody"), commands.ToConnection("nobody")]
)
def test_membership_of_nobody_is_told_as_missing(
    stage: Stage, target: commands.ToUser | commands.ToConnection
) -> None:
    probe = Probe()
    receipt = commands.Receipt(probe, "done", "missing")
    stage.do(
        commands.AddToGroup(target, "g", receipt),
        commands.RemoveFromGroup(target, "g", receipt),
        commands.RemoveFromGroup(target, None, receipt),
    )
    assert probe.heard == ["missing"] * 3


def test_removing_from_all_groups_removes_from_all(stage: Stage) -> None:
    member = stage.join(groups=["a", "b"])
    probe = Probe()
    stage.do(
        commands.RemoveFromGroup(to(member), None, commands.Receipt(probe, "done"))
    )
    stage.do(publish(commands.ToGroup("a"), "1"), publish(commands.ToGroup("b"), "2"))
    assert probe.heard == ["done"]
    assert member.data == []
    assert not stage.exists(commands.ToGroup("a"))


def test_bulk_membership_follows_a_filter(stage: Stage) -> None:
    alice, bob = stage.join("alice"), stage.join("bob")
    probe = Probe()

    def where(subject: commands.Subject) -> bool:
        return subject.user_id == "alice"

    receipt = commands.Receipt(probe, "done")
    stage.do(commands.AddAllToGroups(("a", "b"), where, receipt))
    stage.do(publish(commands.ToGroup("a"), "1"), publish(commands.ToGroup("b"), "2"))
    stage.do(commands.RemoveAllFromGroups(("a",), None, receipt))
    stage.do(publish(commands.ToGroup("a"), "3"), publish(commands.ToGroup("b"), "4"))
    assert probe.heard == ["done", "done"]
    assert alice.data == ["1", "2", "4"]
    assert bob.data == []


def test_groups_exist_from_the_first_member_to_the_last(stage: Stage) -> None:
    one, two = stage.join(groups=["g"]), stage.join(groups=["g"])
    assert stage.exists(G)
    one.leave()
    stage.settle()
    assert stage.exists(G)
    two.send(requests.LeaveGroup("g"))
    stage.settle()
    assert not stage.exists(G)
    stage.do(commands.AddToGroup(to(two), "g"))
    assert stage.exists(G)
    stage.do(publish(G, "back"))
    assert two.data == ["back"]


def test_users_exist_from_the_first_connection_to_the_last(stage: Stage) -> None:
    user = commands.ToUser("u")
    assert not stage.exists(user)
    one, two = stage.join("u"), stage.join("u")
    one.leave()
    stage.settle()
    assert stage.exists(user)
    two.leave()
    stage.settle()
    assert not stage.exists(user)
    assert not stage.exists(to(two))


def test_members_are_paged_by_connection_id_and_shift_by_nobody(stage: Stage) -> None:
    sockets = [stage.join(f"u{number}", groups=["g"]) for number in range(5)]
    ids = sorted(socket.connection_id for socket in sockets)
    users = {s.connection_id: f"u{n}" for n, s in enumerate(sockets)}
    probe = Probe()
    stage.do(commands.Members("g", "", 2, probe))
    first = probe.expect(commands.MemberPage)
    assert first == commands.MemberPage(
        tuple((name, users[name]) for name in ids[:2]), more=True
    )
    stage.do(commands.Close(commands.ToConnection(ids[0])))
    stage.do(commands.Members("g", ids[1], 3, probe))
    assert probe.expect(commands.MemberPage) == commands.MemberPage(
        tuple((name, users[name]) for name in ids[2:]), more=False
    )
    stage.do(commands.Members("nowhere", "", 3, probe))
    assert probe.expect(commands.MemberPage) == commands.MemberPage((), more=False)


def test_presence_is_told_of_the_groups_a_handler_watches(stage: Stage) -> None:
    member = stage.join(groups=["watched", "other"])
    member.send(
        requests.LeaveGroup("watched"),
        requests.LeaveGroup("other"),
        requests.JoinGroup("watched"),
        requests.JoinGroup("watched"),
    )
    stage.settle()
    told = [
        (type(delivery.event).__name__, delivery.event.group)
        for delivery in stage.desk.deliveries
        if isinstance(delivery.event, events.Joined | events.Left)
    ]
    assert told == [("Joined", "watched"), ("Left", "watched"), ("Joined", "watched")]


@pytest.mark.parametrize("closed_by", ["client", "server"])
def test_the_groups_of_a_connection_are_left_before_its_end_is_told(
    stage: Stage, closed_by: str
) -> None:
    member = stage.join(groups=["watched"])
    if closed_by == "client":
        member.leave()
    else:
        stage.do(commands.Close(to(member)))
    stage.settle()
    told = [
        type(delivery.event).__name__
        for delivery in stage.desk.deliveries
        if isinstance(delivery.event, events.Left | events.Disconnected)
    ]
    assert told == ["Left", "Disconnected"]


# Permissions.


def verdicts(stage: Stage, *questions: Any) -> list[tuple[bool, bool]]:
    probe = Probe()
    stage.do(*(kind(*rest, probe) for kind, *rest in questions))
    return [(verdict.found, verdict.done) for verdict in probe.heard]


def test_permissions_are_granted_checked_and_revoked(stage: Stage) -> None:
    member = stage.join(roles=["webpubsub.sendToGroups.room-*"])
    name, send = member.connection_id, Permission.SEND_TO_GROUP
    assert verdicts(
        stage,
        (commands.HasPermission, name, send, "room-1"),
        (commands.HasPermission, name, send, "hall"),
        (commands.HasPermission, name, Permission.JOIN_LEAVE_GROUP, "room-1"),
        (commands.Grant, name, send, "hall"),
        (commands.HasPermission, name, send, "hall"),
        (commands.Revoke, name, send, "room-1"),
        (commands.HasPermission, name, send, "room-1"),
        (commands.HasPermission, name, send, "room-2"),
        (commands.Grant, name, send, "room-1"),
        (commands.HasPermission, name, send, "room-1"),
    ) == [
        (True, True),
        (True, False),
        (True, False),
        (True, True),
        (True, True),
        (True, True),
        (True, False),
        (True, True),
        (True, True),
        (True, True),
    ]


def test_permissions_of_a_missing_connection_are_not_found(stage: Stage) -> None:
    for kind in (commands.Grant, commands.Revoke, commands.HasPermission):
        question = (kind, "nobody", Permission.SEND_TO_GROUP, "g")
        assert verdicts(stage, question) == [(False, False)]


def test_a_full_table_of_permissions_refuses_the_next_rule(stage: Stage) -> None:
    name, send = stage.join().connection_id, Permission.SEND_TO_GROUP
    grants = [(commands.Grant, name, send, f"g{number}") for number in range(1001)]
    done = [done for _, done in verdicts(stage, *grants)]
    assert done == [True] * 1000 + [False]


# Closes.


def test_a_closed_connection_does_not_exist_any_more_at_once(stage: Stage) -> None:
    member = stage.join("u", groups=["g"])
    probe = Probe()
    receipt = commands.Receipt(probe, "done")
    hub = stage.hub()
    for question in (
        commands.Close(to(member), receipt=receipt),
        commands.Exists(to(member), probe),
        commands.Exists(commands.ToUser("u"), probe),
        commands.Exists(G, probe),
    ):
        hub.post(question)
    stage.settle()
    assert probe.heard == ["done", False, False, False]


def test_a_close_says_disconnected_with_the_reason_then_closes(stage: Stage) -> None:
    member = stage.join(groups=["g"])
    stage.command(publish(G, "last"), commands.Close(to(member), reason="you smell"))
    stage.settle()
    notice = "Application server closed the connection. Reason: you smell"
    assert member.data == ["last"]
    assert member.journal[-2:] == [
        (
            "push",
            {"type": "system", "event": "disconnected", "message": notice},
        ),
        ("closed", (1000, "closed by the application server")),
    ]
    assert len(member.journal) == 3


def test_a_close_without_a_reason_gives_none(stage: Stage) -> None:
    member = stage.join()
    stage.do(commands.Close(to(member)))
    assert member.inbox[-1]["message"] == "Application server closed the connection."
    assert [event.reason for event in stage.desk.told(events.Disconnected)] == [""]


def test_a_simple_client_sees_only_the_close(stage: Stage) -> None:
    simple = stage.join(subprotocol=None)
    stage.do(commands.Close(to(simple), reason="x"))
    assert simple.journal == [("closed", (1000, "closed by the application server"))]


def test_the_handler_hears_the_reason_of_a_close_once(stage: Stage) -> None:
    member = stage.join("u")
    stage.do(commands.Close(to(member), reason="enough"))
    member.send(requests.SocketClosed(1000, ""))
    stage.settle()
    ended = stage.desk.told(events.Disconnected)
    assert [(event.client.connection_id, event.reason) for event in ended] == [
        (member.connection_id, "enough")
    ]


@pytest.mark.parametrize("target", [ALL, G, commands.ToUser("u")])
def test_a_close_of_many_spares_the_excluded(
    stage: Stage, target: commands.Target
) -> None:
    members = [stage.join("u", groups=["g"]) for _ in range(3)]
    probe = Probe()
    stage.do(
        commands.Close(
            target,
            exclude=(members[1].connection_id,),
            receipt=commands.Receipt(probe, "done"),
        )
    )
    assert [bool(member.all("closed")) for member in members] == [True, False, True]
    assert probe.heard == ["done"]
    stage.do(publish(ALL, "still here"))
    assert [member.data for member in members] == [[], ["still here"], []]


def test_a_close_does_not_touch_who_comes_later(stage: Stage) -> None:
    stage.join()
    stage.command(commands.Close(ALL))
    late = stage.knock(FakeSocket())
    stage.settle()
    assert late.all("accepted")
    assert not late.all("closed")


def test_requests_behind_a_close_are_not_carried_out(stage: Stage) -> None:
    member, other = stage.join(groups=["g"]), stage.join(groups=["g"])
    hub = stage.hub()
    hub.post(commands.Close(to(member)))
    stage.settle()
    member.send(say("g", "ghost", 1), requests.JoinGroup("h", 2))
    stage.settle()
    assert other.data == []
    assert member.acks == []
    assert not stage.exists(commands.ToGroup("h"))


# Failures.


def test_a_poisonous_filter_does_not_close_the_hub(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    member = stage.join()

    def where(_: commands.Subject) -> bool:
        raise ZeroDivisionError

    with caplog.at_level(logging.CRITICAL):
        stage.do(publish(ALL, "hi", where=where))
        stage.loop.advance(1.0)
    assert not member.all("closed")
    stage.do(publish(ALL, "alive"))
    assert member.data == ["alive"]


def test_a_failed_hub_closes_its_clients_with_1012_and_takes_new_ones(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    members = [stage.join("u"), stage.join("u", subprotocol=None)]
    bystander = stage.join(hub="other")
    with caplog.at_level(logging.CRITICAL):
        stage.hub().post("not a message")
        stage.settle()
    for member in members:
        code, reason = member.all("closed")[0]
        assert code == 1012
        assert reason
        assert len(member.all("closed")) == 1
    assert not bystander.all("closed")
    late = stage.knock(FakeSocket(), "u", groups=["g"])
    stage.loop.advance(1.0)
    assert late.all("accepted")
    stage.do(publish(commands.ToUser("u"), "new life"))
    assert late.data == ["new life"]


def test_a_failed_hub_says_disconnected_before_it_closes(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    member = stage.join()
    with caplog.at_level(logging.CRITICAL):
        stage.hub().post("not a message")
        stage.settle()
    assert [what for what, _ in member.journal] == ["push", "closed"]
    assert member.inbox[0]["event"] == "disconnected"


def test_clients_at_the_door_of_a_failing_hub_are_turned_away(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.join()
    stage.desk.accepts = False
    waiting = stage.knock(FakeSocket())
    stage.settle()
    with caplog.at_level(logging.CRITICAL):
        stage.hub().post("not a message")
        stage.settle()
    (status, reason) = waiting.all("rejected")[0]
    assert status in {500, 503}
    assert reason


# Drain.


def test_a_drain_says_goodbye_to_everybody_and_answers_once(stage: Stage) -> None:
    members = [stage.join(groups=["g"]), stage.join()]
    probe = Probe()
    hub = stage.hub()
    hub.post(publish(ALL, "last"))
    hub.post(internal.Drain(probe))
    stage.settle()
    assert probe.heard == [True]
    for member in members:
        assert member.data == ["last"]
        assert [what for what, _ in member.journal] == ["push", "push", "closed"]
        assert member.inbox[-1]["event"] == "disconnected"
        assert member.inbox[-1]["message"]
        assert member.all("closed")[0][0] == 1001


def test_a_drain_of_an_empty_hub_answers_at_once(stage: Stage) -> None:
    stage.join().leave()
    stage.settle()
    probe = Probe()
    stage.hub().post(internal.Drain(probe))
    stage.settle()
    assert probe.heard == [True]


def test_nobody_is_let_in_during_a_drain(stage: Stage) -> None:
    stage.join()
    stage.desk.accepts = False
    waiting = stage.knock(FakeSocket())
    stage.settle()
    probe = Probe()
    stage.hub().post(internal.Drain(probe))
    late = stage.knock(FakeSocket())
    stage.settle()
    stage.desk.answer(events.Accept())
    stage.settle()
    assert late.all("rejected")[0][0] == 503
    assert waiting.all("rejected") or waiting.all("closed")[0][0] == 1001
    assert not stage.exists(to(waiting))


# Order.


def script(seed: int) -> list[list[tuple[str, Any]]]:
    """Play a busy hub; give what every client saw."""
    stage = hub_on_virtual_time(seed=seed)
    sockets = [
        stage.join(f"u{number % 3}", groups=[f"g{number % 2}"]) for number in range(6)
    ]
    for number in range(200):
        socket = sockets[number * 7 % 6]
        socket.send(
            say(f"g{number % 2}", str(number), number + 1, no_echo=number % 3 == 0)
        )
        if number % 5 == 0:
            stage.command(publish(commands.ToUser("u1"), f"direct {number}"))
        if number % 11 == 0:
            socket.send(requests.LeaveGroup("g0"), requests.JoinGroup("g1"))
        if number % 17 == 0:
            stage.loop.turn()
    stage.command(commands.Close(commands.ToUser("u2")))
    stage.settle()
    return [socket.journal for socket in sockets]


def test_the_same_script_gives_the_same_order_twice() -> None:
    assert script(1) == script(1)
    assert script(2) == script(2)
