"""Reliable sessions on one gateway: numbers, acknowledgements, and coming back."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.actors.messages import commands, events, requests, returning
from hubbub.actors.messages import payload as payloads
from support.fakes import RELIABLE, FakeSocket, publish, say
from support.reliable_stage import ReliableStage

ALL = commands.Everyone()
G = commands.ToGroup("g")


@pytest.fixture
def stage() -> ReliableStage:
    return ReliableStage()


def numbers(socket: FakeSocket) -> list[int]:
    """The sequence ids of everything that a socket was sent."""
    return [m["sequenceId"] for m in socket.inbox if "sequenceId" in m]


def said(socket: FakeSocket) -> list[tuple[int, Any]]:
    return [(m["sequenceId"], m["data"]) for m in socket.inbox if "sequenceId" in m]


# Numbers.


def test_the_first_message_brings_a_token_to_come_back_with(
    stage: ReliableStage,
) -> None:
    client = stage.client("alice")
    assert client.socket.inbox == [
        {
            "type": "system",
            "event": "connected",
            "userId": "alice",
            "connectionId": client.connection_id,
            "reconnectionToken": f"token of {client.connection_id}",
        }
    ]


def test_messages_of_every_origin_share_one_series_from_1(
    stage: ReliableStage,
) -> None:
    client = stage.client("alice", ["g", "h"])
    me = commands.ToConnection(client.connection_id)
    stage.command(publish(G, "1"), publish(ALL, "2"), publish(me, "3"))
    stage.command(publish(commands.ToUser("alice"), "4"), publish(G, "5"))
    stage.do(publish(commands.ToGroup("h"), "6"))
    client.socket.send(requests.SendEvent("ask", payloads.Text("x"), 1))
    stage.settle()
    stage.desk.answer(events.Respond(payloads.Text("7")))
    stage.settle()
    stage.do(publish(ALL, "8", where=lambda subject: subject.user_id == "alice"))
    assert said(client.socket) == [(n, str(n)) for n in range(1, 9)]


def test_what_is_no_message_has_no_number(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    client.socket.send(say("g", "1", ack_id=7), requests.Ping())
    client.socket.send(requests.JoinGroup("h", 8), say("h", "2"))
    stage.settle()
    assert [m["type"] for m in client.socket.inbox] == [
        "system",
        "pong",
        "message",
        "ack",
        "ack",
        "message",
    ]
    assert numbers(client.socket) == [1, 2]


def test_each_session_counts_for_itself(stage: ReliableStage) -> None:
    one, other = stage.client(groups=["g"]), stage.client(groups=["g", "h"])
    stage.do(publish(G, "a"), publish(commands.ToGroup("h"), "b"), publish(G, "c"))
    third = stage.client(groups=["g"])
    stage.do(publish(G, "d"), publish(G, "e"))
    assert said(one.socket) == [(1, "a"), (2, "c"), (3, "d"), (4, "e")]
    assert numbers(other.socket) == [1, 2, 3, 4, 5]
    assert said(third.socket) == [(1, "d"), (2, "e")]


def test_a_publisher_that_wants_no_echo_misses_no_number(
    stage: ReliableStage,
) -> None:
    alice, bob = stage.client(groups=["g"]), stage.client(groups=["g"])
    alice.socket.send(say("g", "1"), say("g", "2", no_echo=True), say("g", "3"))
    bob.socket.send(say("g", "4", no_echo=True))
    stage.settle()
    assert said(alice.socket) == [(1, "1"), (2, "3"), (3, "4")]
    assert said(bob.socket) == [(1, "1"), (2, "2"), (3, "3")]


def test_what_cannot_be_said_takes_no_number(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    null = commands.Publish(G, payloads.Json(b"null"))
    stage.do(null, publish(G, "1"), null)
    stage.do(null)
    stage.do(publish(G, "2"))
    assert said(client.socket) == [(1, "1"), (2, "2")]


def test_plain_members_of_the_same_group_get_no_numbers(stage: ReliableStage) -> None:
    plain, client = stage.join(groups=["g"]), stage.client(groups=["g"])
    stage.do(publish(G, "1"))
    assert numbers(client.socket) == [1]
    assert [m["data"] for m in plain.inbox] == ["1"]
    assert numbers(plain) == []


# Coming back.


def test_a_client_that_comes_back_gets_what_it_did_not_acknowledge(
    stage: ReliableStage,
) -> None:
    client = stage.client(groups=["g"])
    stage.do(*(publish(G, str(n)) for n in range(1, 6)))
    client.read().acknowledge(3)
    client.cut()
    stage.do(publish(G, "6"), publish(ALL, "7"))
    stage.back(client)
    assert client.socket.journal[0] == ("accepted", RELIABLE)
    assert client.socket.inbox[0]["event"] == "connected"
    assert said(client.socket) == [(n, str(n)) for n in range(4, 8)]
    assert client.data == [str(n) for n in range(1, 8)]
    stage.do(publish(G, "8"))
    assert client.read().data[-1] == "8"


def test_it_may_come_back_again_and_again(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    for number in range(20):
        stage.do(publish(G, str(number)))
        client.cut(unread=number % 3)
        stage.back(client)
        if number % 4 == 0:
            client.acknowledge()
    assert client.data == [str(number) for number in range(20)]


def test_an_acknowledgement_may_end_in_the_middle_of_what_came_together(
    stage: ReliableStage,
) -> None:
    client, other = stage.client(groups=["g"]), stage.client(groups=["g"])
    stage.do(*(publish(G, str(n)) for n in range(1, 8)))
    client.cut(unread=4)
    assert client.data == ["1", "2", "3"]
    stage.settle()
    stage.back(client)
    client.acknowledge(5)
    client.cut()
    stage.settle()
    stage.back(client)
    assert said(client.socket) == [(6, "6"), (7, "7")]
    assert client.data == other.read().data == [str(n) for n in range(1, 8)]


@pytest.mark.parametrize(
    ("acks", "left"),
    [
        pytest.param((0,), [1, 2, 3], id="zero"),
        pytest.param((2, 2, 1, 0), [3], id="repeats and lower ones"),
        pytest.param((1, 99), [], id="too high"),
        pytest.param((2,), [3], id="cumulative"),
    ],
)
def test_any_number_may_be_acknowledged(
    stage: ReliableStage, acks: tuple[int, ...], left: list[int]
) -> None:
    client = stage.client(groups=["g"])
    stage.do(*(publish(G, str(n)) for n in (1, 2, 3)))
    client.read()
    client.socket.send(*map(requests.AckSequence, acks))
    client.cut()
    stage.settle()
    socket = stage.recover(client.connection_id)
    stage.settle()
    assert numbers(socket) == left
    stage.do(publish(G, "4"))
    assert numbers(socket) == [*left, 4]


def test_an_acknowledgement_from_a_plain_client_is_ignored(
    stage: ReliableStage,
) -> None:
    plain = stage.join(groups=["g"])
    plain.send(requests.AckSequence(3))
    stage.do(publish(G, "1"))
    assert plain.data == ["1"]


def test_the_newest_socket_wins_and_the_old_one_is_cut(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    old = client.socket
    stage.do(publish(G, "1"))
    stage.back(client)
    assert old.journal[-1] == ("displaced", None)
    stage.do(publish(G, "2"))
    assert old.data == ["1"]
    assert client.read().data == ["1", "2"]


def test_two_that_come_at_once_leave_one(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    client.cut()
    one, other = (stage.recover(client.connection_id) for _ in range(2))
    stage.do(publish(G, "1"))
    assert one.journal[-1] == ("displaced", None)
    assert other.data == ["1"]


def test_word_of_the_end_of_an_old_socket_comes_too_late(
    stage: ReliableStage,
) -> None:
    client = stage.client(groups=["g"])
    session = client.socket.connection
    assert session is not None
    stage.back(client)
    session.post(requests.SocketClosed(1006, "the connection was lost"))
    session.post(requests.SocketClosed(1000, "", final=True))
    session.post(requests.Broken(1003, "what is this?"))
    stage.settle()
    stage.loop.advance(3600)
    stage.do(publish(G, "1"))
    assert client.read().data == ["1"]
    assert client.closed is None


def test_a_door_that_nobody_stands_at_any_more_changes_nothing(
    stage: ReliableStage,
) -> None:
    client = stage.client(groups=["g"])
    client.cut()
    left = FakeSocket(RELIABLE, refusal=events.Reject(500, "The client left."))
    stage.gateway.post(returning.Recover("chat", client.connection_id, left))
    stage.do(publish(G, "1"))
    assert left.all("rejected") == [(500, "The client left.")]
    assert stage.back(client).data == ["1"]
