"""One client session: admission, requests, events that wait, and its end."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hubbub.actors.messages import commands, events, pushes, requests
from hubbub.actors.messages import payload as payloads
from hubbub.actors.policy.permissions import Permission
from support.fakes import (
    JSON,
    FakeSocket,
    Probe,
    Stage,
    hub_on_virtual_time,
    publish,
    say,
)

G = commands.ToGroup("g")
TEXT = payloads.Text("x")


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time(stash=5)


def ask(name: str, ack_id: int | None = None) -> requests.SendEvent:
    return requests.SendEvent(name, TEXT, ack_id)


def fail(reason: str = "broken") -> events.Fail:
    return events.Fail(reason)


# Admission.


def test_the_first_message_is_connected_and_initial_groups_are_joined(
    stage: Stage,
) -> None:
    socket = stage.knock(FakeSocket(), "alice", groups=["g", "h"])
    stage.settle()
    assert socket.inbox[0] == {
        "type": "system",
        "event": "connected",
        "userId": "alice",
        "connectionId": socket.connection_id,
    }
    stage.do(publish(G, "1"), publish(commands.ToGroup("h"), "2"))
    assert socket.data == ["1", "2"]


def test_without_a_handler_everybody_is_let_in() -> None:
    stage = hub_on_virtual_time(handler=False)
    assert stage.join("u").connection_id


def test_a_connection_id_is_safe_in_a_url_and_begins_with_the_gateways_name(
    stage: Stage,
) -> None:
    ids = {stage.join().connection_id for _ in range(50)}
    assert len(ids) == 50
    assert all(name.isalnum() and name.startswith("g") for name in ids)


def test_the_handler_decides_who_a_client_is(stage: Stage) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket(), "alice", roles=[], groups=["g"])
    stage.settle()
    assert socket.journal == []
    stage.desk.answer(
        events.Accept(
            user_id="bob",
            groups=("h",),
            roles=("webpubsub.sendToGroup.h",),
            state="s",
        )
    )
    stage.settle()
    assert socket.inbox[0]["userId"] == "bob"
    socket.send(say("h", "mine", 1), say("g", "not mine", 2))
    stage.settle()
    assert sorted(socket.acks) == [(1, True), (2, "Forbidden")]
    assert socket.data == ["mine"]
    assert stage.exists(commands.ToUser("bob"))
    assert not stage.exists(commands.ToUser("alice"))
    assert stage.desk.told(events.Connected)[0].client == events.Client(
        "chat", socket.connection_id, "bob", JSON, "s"
    )


@pytest.mark.parametrize(
    ("accept", "user", "groups", "may_send"),
    [
        (events.Accept(), "alice", {"g"}, True),
        (events.Accept(user_id=""), None, {"g"}, True),
        (events.Accept(groups=()), "alice", {"g"}, True),
        (events.Accept(groups=("h", "i")), "alice", {"h", "i"}, True),
        (events.Accept(roles=()), "alice", {"g"}, False),
    ],
)
def test_what_the_handler_leaves_open_the_token_decides(
    stage: Stage,
    accept: events.Accept,
    user: str | None,
    groups: set[str],
    may_send: bool,
) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket(), "alice", groups=["g"])
    stage.settle()
    stage.desk.answer(accept)
    stage.settle()
    assert socket.inbox[0]["userId"] == user
    for group in ("g", "h", "i"):
        assert stage.exists(commands.ToGroup(group)) is (group in groups)
    socket.send(say("x", "", 1))
    stage.settle()
    assert socket.acks == [(1, True if may_send else "Forbidden")]


def test_the_handler_hears_what_the_client_brought(stage: Stage) -> None:
    stage.knock(FakeSocket(), "alice", subprotocols=["a", "b"])
    stage.settle()
    connect = stage.desk.told(events.Connect)[0]
    assert connect.event_id == 0
    assert connect.client.user_id == "alice"
    assert connect.subprotocols == ("a", "b")


def test_a_rejected_client_gets_the_status_and_leaves_no_trace(stage: Stage) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket(), "alice", groups=["g"])
    stage.settle()
    stage.desk.answer(events.Reject(403, "not you"))
    stage.settle()
    assert socket.journal == [("rejected", (403, "not you"))]
    assert not stage.exists(commands.ToUser("alice"))
    assert not stage.exists(G)
    assert stage.desk.told(events.Connected) == []
    assert stage.desk.told(events.Disconnected) == []


def test_an_invalid_group_of_the_handler_is_a_500(stage: Stage) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket())
    stage.settle()
    stage.desk.answer(events.Accept(groups=("",)))
    stage.settle()
    assert socket.all("rejected")[0][0] == 500


def test_a_handshake_that_cannot_be_finished_is_refused(stage: Stage) -> None:
    socket = stage.knock(FakeSocket(refusal=events.Reject(400, "no such subprotocol")))
    stage.settle()
    assert socket.journal == [("rejected", (400, "no such subprotocol"))]
    assert stage.desk.told(events.Connected) == []


def test_a_client_that_left_while_connect_was_answered_was_never_here(
    stage: Stage,
) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket(), "alice", groups=["g"])
    stage.settle()
    socket.send(requests.SocketClosed(1006, "the client left"))
    stage.settle()
    stage.desk.answer(events.Accept())
    stage.settle()
    assert not socket.all("accepted")
    assert not stage.exists(commands.ToUser("alice"))
    assert not stage.exists(G)
    assert stage.desk.told(events.Connected) == []
    assert stage.desk.told(events.Disconnected) == []


def test_a_handler_that_does_not_answer_connect_in_time_costs_a_500(
    stage: Stage,
) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket())
    stage.loop.advance(99.0)
    assert socket.journal == []
    stage.loop.advance(2.0)
    assert socket.all("rejected")[0][0] in {500, 504}


# Requests.


def test_joins_and_leaves_are_acknowledged_also_when_they_change_nothing(
    stage: Stage,
) -> None:
    socket = stage.join()
    socket.send(
        requests.JoinGroup("g", 1),
        requests.JoinGroup("g", 2),
        requests.LeaveGroup("g", 3),
        requests.LeaveGroup("g", 4),
    )
    stage.settle()
    assert sorted(socket.acks) == [(1, True), (2, True), (3, True), (4, True)]


def test_requests_without_an_ack_id_are_not_acknowledged(stage: Stage) -> None:
    socket = stage.join(roles=[])
    socket.send(requests.JoinGroup("g"), requests.LeaveGroup("g"), say("g", "x"))
    socket.send(ask("e"))
    stage.settle()
    stage.desk.answer(fail())
    stage.settle()
    assert socket.journal == []


def test_forbidden_requests_say_what_is_missing_and_do_nothing(stage: Stage) -> None:
    member = stage.join(groups=["g"])
    socket = stage.join(roles=[])
    socket.send(
        requests.JoinGroup("g", 1), requests.LeaveGroup("g", 2), say("g", "spam", 3)
    )
    stage.settle()
    assert socket.acks == [(1, "Forbidden"), (2, "Forbidden"), (3, "Forbidden")]
    messages = [message["error"]["message"] for message in socket.inbox]
    assert all("g" in message and len(message) > 10 for message in messages)
    assert not socket.all("closed")
    stage.do(publish(G, "hi"))
    assert socket.data == []
    assert member.data == ["hi"]


@pytest.mark.parametrize(
    ("roles", "allowed", "forbidden"),
    [
        (["webpubsub.sendToGroup"], ["a", "b.c"], []),
        (["webpubsub.sendToGroup.a.b"], ["a.b"], ["a", "a.b.c", "A.B"]),
        (["webpubsub.sendToGroups.a-?"], ["a-1"], ["a-", "a-12", "a-."]),
        (["webpubsub.sendToGroups.a.**"], ["a.b.c"], ["a", "b.a"]),
        (["webpubsub.joinLeaveGroup", "f4c8"], [], ["a"]),
        (["webpubsub.sendtogroup"], [], ["a"]),
    ],
)
def test_roles_permit_groups(
    stage: Stage, roles: list[str], allowed: list[str], forbidden: list[str]
) -> None:
    socket = stage.join(roles=roles)
    for number, group in enumerate([*allowed, *forbidden]):
        socket.send(say(group, "x", number))
        stage.settle()
    verdicts = [verdict for _, verdict in socket.acks]
    assert verdicts == [True] * len(allowed) + ["Forbidden"] * len(forbidden)


def test_a_grant_and_a_revoke_work_from_the_next_request_on(stage: Stage) -> None:
    socket = stage.join(roles=["webpubsub.joinLeaveGroup"])
    probe = Probe()
    send, name = Permission.SEND_TO_GROUP, socket.connection_id
    socket.send(say("g", "1", 1))
    stage.settle()
    stage.do(commands.Grant(name, send, "g", probe))
    socket.send(requests.JoinGroup("g", 2), say("g", "2", 3))
    stage.settle()
    stage.do(commands.Revoke(name, send, "g", probe))
    socket.send(say("g", "3", 4))
    stage.settle()
    assert socket.acks == [(1, "Forbidden"), (2, True), (3, True), (4, "Forbidden")]
    assert socket.data == ["2"]


def test_a_revoke_ends_no_membership(stage: Stage) -> None:
    socket = stage.join(groups=["g"])
    name, join = socket.connection_id, Permission.JOIN_LEAVE_GROUP
    stage.do(commands.Revoke(name, join, "g", Probe()))
    stage.do(publish(G, "still"))
    assert socket.data == ["still"]


def test_a_ping_is_answered(stage: Stage) -> None:
    socket = stage.join()
    socket.send(requests.Ping(), requests.AckSequence(1))
    stage.settle()
    assert socket.inbox == [{"type": "pong"}]


# Ack ids.


def test_a_repeated_ack_id_is_a_duplicate_whatever_the_request(stage: Stage) -> None:
    socket = stage.join(groups=["g"])
    socket.send(say("g", "once", 3))
    stage.settle()
    socket.send(
        say("g", "twice", 3),
        requests.JoinGroup("h", 3),
        requests.LeaveGroup("g", 3),
        ask("e", 3),
    )
    stage.settle()
    assert socket.acks == [(3, True)] + [(3, "Duplicate")] * 4
    assert socket.data == ["once"]
    assert not stage.exists(commands.ToGroup("h"))
    assert stage.exists(G)
    assert stage.desk.told(events.UserEvent) == []
    error = socket.inbox[-1]["error"]
    assert "3" in error["message"]


def test_ack_id_zero_is_an_id_like_any_other(stage: Stage) -> None:
    socket = stage.join()
    socket.send(requests.JoinGroup("g", 0))
    stage.settle()
    socket.send(requests.JoinGroup("g", 0))
    stage.settle()
    assert socket.acks == [(0, True), (0, "Duplicate")]


def test_a_failed_request_may_be_repeated_with_its_ack_id(stage: Stage) -> None:
    socket = stage.join(roles=[])
    socket.send(say("g", "x", 1), ask("e", 2))
    stage.settle()
    stage.desk.answer(fail())
    stage.settle()
    stage.do(
        commands.Grant(socket.connection_id, Permission.SEND_TO_GROUP, "g", Probe())
    )
    socket.send(say("g", "x", 1), ask("e", 2))
    stage.settle()
    stage.desk.answer(events.Respond())
    stage.settle()
    assert socket.acks == [
        (1, "Forbidden"),
        (2, "InternalServerError"),
        (1, True),
        (2, True),
    ]


def test_a_duplicate_is_told_before_permission_is_checked(stage: Stage) -> None:
    socket = stage.join()
    socket.send(say("g", "x", 1))
    stage.settle()
    stage.do(
        commands.Revoke(socket.connection_id, Permission.SEND_TO_GROUP, "g", Probe())
    )
    socket.send(say("g", "x", 1))
    stage.settle()
    assert socket.acks == [(1, True), (1, "Duplicate")]


def test_the_last_thousand_ack_ids_are_remembered(stage: Stage) -> None:
    socket = stage.join()
    for number in range(1001):
        socket.send(requests.JoinGroup("g", number))
    stage.settle()
    socket.journal.clear()
    socket.send(requests.JoinGroup("g", 1), requests.JoinGroup("g", 0))
    stage.settle()
    assert sorted(socket.acks) == [(0, True), (1, "Duplicate")]


def test_ack_ids_belong_to_their_connection(stage: Stage) -> None:
    one, other = stage.join("u"), stage.join("u")
    one.send(requests.JoinGroup("g", 1))
    other.send(requests.JoinGroup("g", 1))
    stage.settle()
    assert one.acks == other.acks == [(1, True)]


# Events.


def test_an_events_answer_precedes_its_ack(stage: Stage) -> None:
    socket = stage.join("alice")
    socket.send(
        requests.SendEvent("order.new", payloads.Json(b'{"id":9}'), 5, {"k": "v"})
    )
    stage.settle()
    event = stage.desk.told(events.UserEvent)[0]
    assert (event.event, event.payload, event.metadata) == (
        "order.new",
        payloads.Json(b'{"id":9}'),
        {"k": "v"},
    )
    stage.desk.answer(events.Respond(payloads.Text("done"), metadata={"m": "n"}))
    stage.settle()
    assert socket.inbox == [
        {
            "type": "message",
            "from": "server",
            "dataType": "text",
            "data": "done",
            "metadata": {"m": "n"},
        },
        {"type": "ack", "ackId": 5, "success": True},
    ]


def test_what_a_handler_published_before_it_answered_comes_before_the_answer(
    stage: Stage,
) -> None:
    socket = stage.join(groups=["g"])
    socket.send(ask("e", 1))
    stage.settle()
    stage.hub().post(publish(G, "published"))
    stage.desk.answer(events.Respond(payloads.Text("answered")))
    stage.settle()
    assert socket.order == ["published", "answered", 1]


@pytest.mark.parametrize("outcome", [events.Respond(), events.Fail("no")])
def test_what_a_handler_published_comes_before_the_bare_ack(
    stage: Stage, outcome: events.Outcome
) -> None:
    socket = stage.join(groups=["g"])
    socket.send(ask("e", 1))
    stage.settle()
    stage.hub().post(publish(G, "published"))
    stage.desk.answer(outcome)
    stage.settle()
    assert socket.order == ["published", 1]


def test_a_failed_event_is_an_ack_and_the_connection_stays(stage: Stage) -> None:
    socket = stage.join()
    socket.send(ask("e", 1))
    stage.settle()
    stage.desk.answer(fail("the till is closed"))
    stage.settle()
    assert socket.inbox == [
        {
            "type": "ack",
            "ackId": 1,
            "success": False,
            "error": {"name": "InternalServerError", "message": "the till is closed"},
        }
    ]
    assert not socket.all("closed")


def test_an_event_without_a_handler_fails_alone() -> None:
    stage = hub_on_virtual_time(handler=False)
    socket = stage.join()
    socket.send(ask("e", 1), requests.Ping())
    stage.settle()
    assert socket.acks == [(1, "InternalServerError")]
    assert not socket.all("closed")


def test_an_event_that_is_not_answered_in_time_fails(stage: Stage) -> None:
    socket = stage.join()
    socket.send(ask("e", 1), requests.JoinGroup("g", 2))
    stage.loop.advance(101.0)
    assert socket.acks == [(1, "InternalServerError"), (2, True)]
    stage.desk.answer(events.Respond(payloads.Text("too late")))
    stage.settle()
    assert socket.data == []


def test_state_is_kept_for_the_next_event(stage: Stage) -> None:
    socket = stage.join()
    for state in (None, "one", "two"):
        socket.send(ask("e"))
        stage.settle()
        stage.desk.answer(events.Respond(state=state))
        stage.settle()
    socket.send(ask("e"))
    stage.settle()
    states = [event.client.state for event in stage.desk.told(events.UserEvent)]
    assert states == [None, None, "one", "two"]


def test_events_of_a_connection_are_numbered(stage: Stage) -> None:
    socket = stage.join()
    for _ in range(2):
        socket.send(ask("e"))
        stage.settle()
        stage.desk.answer(events.Respond())
        stage.settle()
    socket.leave()
    stage.settle()
    assert [d.event.event_id for d in stage.desk.deliveries] == [0, 1, 2, 3, 4]


# What waits behind an event.


def test_a_waiting_event_holds_back_its_own_connection_alone(stage: Stage) -> None:
    socket, other = stage.join(groups=["g"]), stage.join(groups=["g"])
    socket.send(ask("slow", 1), say("g", "held", 2), requests.JoinGroup("h", 3))
    other.send(say("g", "free", 1), ask("quick", 2))
    stage.settle()
    stage.desk.answer(events.Respond(), "quick")
    stage.settle()
    assert other.acks == [(1, True), (2, True)]
    assert socket.order == ["free"]
    assert not stage.exists(commands.ToGroup("h"))
    stage.desk.answer(events.Respond(), "slow")
    stage.settle()
    assert sorted(socket.acks) == [(1, True), (2, True), (3, True)]
    assert socket.data == ["free", "held"]
    assert other.data == ["free", "held"]


def test_messages_and_pongs_reach_a_connection_that_waits(stage: Stage) -> None:
    socket = stage.join(groups=["g"])
    socket.send(ask("slow", 1), requests.Ping())
    stage.settle()
    stage.do(publish(G, "news"))
    assert [message["type"] for message in socket.inbox] == ["pong", "message"]


def test_stashed_requests_are_served_in_order_one_event_at_a_time(
    stage: Stage,
) -> None:
    socket = stage.join(groups=["g"])
    socket.send(ask("a", 1), say("g", "1"), ask("b", 2), say("g", "2"))
    stage.settle()
    for name in ("a", "b"):
        assert stage.desk.told(events.UserEvent)[-1].event == name
        stage.desk.answer(events.Respond(payloads.Text(name)))
        stage.settle()
    assert socket.data == ["a", "1", "b", "2"]


def test_reading_pauses_at_the_bound_and_resumes_when_the_stash_is_served(
    stage: Stage,
) -> None:
    socket = stage.join()
    socket.send(ask("slow", 0))
    socket.send(*(requests.JoinGroup("g", n) for n in range(1, 5)))
    stage.settle()
    assert socket.all("paused") == []
    socket.send(requests.JoinGroup("g", 5))
    stage.settle()
    assert len(socket.all("paused")) == 1
    assert socket.all("resumed") == []
    stage.desk.answer(events.Respond())
    stage.settle()
    assert len(socket.all("resumed")) == 1
    assert sorted(socket.acks) == [(n, True) for n in range(6)]
    assert [what for what, _ in socket.journal].index("paused") < 2


def test_reading_stays_paused_while_the_next_event_holds_the_rest(
    stage: Stage,
) -> None:
    socket = stage.join()
    socket.send(*(ask(f"e{n}", n) for n in range(6)))
    stage.settle()
    for _ in range(4):
        stage.desk.answer(events.Respond())
        stage.settle()
        assert len(socket.all("paused")) == 1
        assert socket.all("resumed") == []
    stage.desk.answer(events.Respond())
    stage.settle()
    assert len(socket.all("resumed")) == 1


def test_a_client_that_closes_behind_an_event_has_the_rest_carried_out(
    stage: Stage,
) -> None:
    socket, other = stage.join("u"), stage.join(groups=["g"])
    socket.send(ask("e"), say("g", "will"), requests.SocketClosed(1000, ""))
    stage.settle()
    stage.desk.answer(events.Respond())
    stage.settle()
    assert other.data == ["will"]
    assert not stage.exists(commands.ToUser("u"))
    assert len(stage.desk.told(events.Disconnected)) == 1


def test_a_connection_closed_while_an_event_waits_drops_the_stash(
    stage: Stage,
) -> None:
    socket, other = stage.join(groups=["g"]), stage.join(groups=["g"])
    socket.send(ask("slow", 1), say("g", "never", 2))
    stage.settle()
    stage.do(commands.Close(commands.ToConnection(socket.connection_id)))
    assert socket.all("closed")[0][0] == 1000
    stage.desk.answer(events.Respond(payloads.Text("late")))
    stage.settle()
    assert other.data == []
    assert socket.acks == []
    assert len(stage.desk.told(events.Disconnected)) == 1


# Simple clients.


def test_a_simple_clients_frames_are_events_and_answers_bare(stage: Stage) -> None:
    socket = stage.join(subprotocol=None)
    socket.send(requests.SendFrame(payloads.Binary(b"\xff")))
    stage.settle()
    event = stage.desk.told(events.UserEvent)[0]
    assert (event.event, event.payload) == ("message", payloads.Binary(b"\xff"))
    stage.desk.answer(events.Respond(payloads.Text("ok")))
    stage.settle()
    assert socket.inbox == [b"ok"]


def test_a_simple_clients_failed_frame_closes_with_1011(stage: Stage) -> None:
    socket = stage.join(subprotocol=None)
    socket.send(requests.SendFrame(TEXT))
    stage.settle()
    stage.desk.answer(fail("secret detail"))
    stage.settle()
    ((code, reason),) = socket.all("closed")
    assert code == 1011
    assert "handler" in reason
    assert "secret" not in reason
    assert socket.inbox == []


def test_in_the_group_mode_frames_are_published(stage: Stage) -> None:
    member = stage.join(groups=["g"])
    socket = stage.join("alice", subprotocol=None, groups=["g"])
    socket.send(
        requests.PublishFrame("g", payloads.Text("hi"), False),
        requests.PublishFrame("g", payloads.Binary(b"\0"), True),
    )
    stage.settle()
    assert member.data == ["hi", "AA=="]
    assert member.inbox[0]["fromUserId"] == "alice"
    assert socket.inbox == [b"hi"]


def test_in_the_group_mode_the_first_forbidden_frame_closes_with_1008(
    stage: Stage,
) -> None:
    member = stage.join(groups=["g"])
    socket = stage.join(subprotocol=None, roles=["webpubsub.joinLeaveGroup"])
    socket.send(
        requests.PublishFrame("g", TEXT, False), requests.PublishFrame("g", TEXT, False)
    )
    stage.settle()
    ((code, reason),) = socket.all("closed")
    assert code == 1008
    assert "permission" in reason
    assert member.data == []


# The end.


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "bye", "bye"),
        (1000, "", "1000"),
        (1005, "", "1005"),
        (1006, "the connection was lost", "lost"),
    ],
)
def test_a_client_that_leaves_is_told_to_the_handler_and_gone(
    stage: Stage, code: int, reason: str, told: str
) -> None:
    socket = stage.join("u", groups=["g"])
    socket.send(requests.SocketClosed(code, reason))
    stage.settle()
    (ended,) = stage.desk.told(events.Disconnected)
    assert ended.client.user_id == "u"
    assert told in ended.reason
    assert not stage.exists(commands.ToUser("u"))
    assert not stage.exists(G)
    assert socket.all("closed") == []


def test_a_broken_stream_says_disconnected_and_closes_with_its_cause(
    stage: Stage,
) -> None:
    socket, other = stage.join("u"), stage.join(groups=["g"])
    socket.send(say("g", "before"), requests.Broken(1007, "not valid JSON"))
    socket.send(say("g", "behind"))
    stage.settle()
    assert other.data == ["before"]
    notice = {
        "type": "system",
        "event": "disconnected",
        "message": "not valid JSON",
    }
    assert socket.journal == [
        ("push", notice),
        ("closed", (1007, "not valid JSON")),
    ]
    assert not stage.exists(commands.ToUser("u"))


def test_a_failed_connection_closes_with_1011_and_leaves_the_hub(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    socket, other = stage.join("u", groups=["g"]), stage.join(groups=["g"])
    with caplog.at_level(logging.CRITICAL):
        assert socket.connection is not None
        bad: Any = pushes.Pong()
        socket.connection.post(bad)
        stage.settle()
    ((code, reason),) = socket.all("closed")
    assert code == 1011
    assert reason
    assert not stage.exists(commands.ToUser("u"))
    stage.do(publish(G, "on"))
    assert socket.data == []
    assert other.data == ["on"]


def test_a_failed_connection_is_disconnected_for_the_handler_too(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    socket = stage.join("u")
    with caplog.at_level(logging.CRITICAL):
        assert socket.connection is not None
        bad: Any = pushes.Pong()
        socket.connection.post(bad)
        stage.settle()
    assert len(stage.desk.told(events.Disconnected)) == 1


def test_a_hundred_sessions_leave_nothing_in_the_hub(stage: Stage) -> None:
    for number in range(100):
        socket = stage.join(f"u{number}", groups=["g", f"g{number}"])
        socket.send(ask("e"), requests.JoinGroup("h"))
        stage.settle()
        stage.desk.answer(events.Respond())
        stage.settle()
        socket.leave()
        stage.settle()
    hub = stage._actor(stage.hub())
    roster = hub._membership.roster
    assert not roster.connections
    assert not roster._users
    assert not roster._groups
    assert not hub._membership.groups
    upstream = stage._actor(hub._upstream)
    assert not upstream.ledger._pending
    assert not upstream.ledger._lanes._lanes
    # The group of all and the upstream.
    assert len(hub._place.children) == 2
