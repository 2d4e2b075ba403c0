"""Events, requests and rights of a reliable client, and the cuts between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.actors.messages import commands, events, requests, servers
from hubbub.actors.messages.payload import Text
from hubbub.actors.policy.permissions import Permission
from support.fakes import RELIABLE, Probe, say
from support.reliable_stage import ReliableStage

if TYPE_CHECKING:
    from support.reliable_client import ReliableClient

DONE = events.Respond()


@pytest.fixture
def stage() -> ReliableStage:
    return ReliableStage(stash=3)


def ask(name: str, ack_id: int | None = None) -> requests.SendEvent:
    return requests.SendEvent(name, Text("x"), ack_id)


def away(stage: ReliableStage, client: ReliableClient) -> None:
    client.cut()
    stage.settle()


# Events.


def test_an_answer_that_comes_after_the_return_is_acknowledged_there(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a", 1))
    away(stage, client)
    stage.back(client)
    stage.desk.answer(events.Respond(Text("yes")))
    stage.settle()
    assert client.socket.order == ["yes", 1]
    assert client.socket.acks == [(1, True)]


def test_an_answer_that_comes_while_the_client_is_away_is_kept(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a", 1))
    away(stage, client)
    stage.desk.answer(events.Respond(Text("yes")))
    stage.settle()
    assert stage.back(client).data == ["yes"]
    assert client.socket.acks == [], "an ack that was lost is not sent again"
    client.socket.send(ask("a", 1))
    stage.settle()
    assert client.socket.acks == [(1, "Duplicate")]
    assert len(stage.desk.told(events.UserEvent)) == 1


def test_what_waits_behind_an_event_is_served_although_its_client_is_away(
    stage: ReliableStage,
) -> None:
    client, bob = stage.client(groups=["g"]), stage.client(groups=["g"])
    client.socket.send(ask("a", 1), say("g", "1"), requests.JoinGroup("h"))
    client.socket.send(say("h", "2"))
    away(stage, client)
    assert client.socket.journal[-1] == ("paused", None)
    stage.desk.answer(DONE)
    stage.settle()
    assert bob.read().data == ["1"]
    assert stage.back(client).data == ["1", "2"]


def test_a_client_that_was_behind_is_not_read_when_it_comes_back(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a"), ask("b"), ask("c"), ask("d"))
    away(stage, client)
    stage.back(client)
    assert client.socket.all("paused")
    for _ in "abc":
        assert not client.socket.all("resumed")
        stage.desk.answer(DONE)
        stage.settle()
    assert client.socket.all("resumed")
    told = [event.event for event in stage.desk.told(events.UserEvent)]
    assert told == ["a", "b", "c", "d"]


def test_a_goodbye_behind_an_event_waits_for_what_the_client_wanted_before(
    stage: ReliableStage,
) -> None:
    client, bob = stage.client(groups=["g"]), stage.client(groups=["g"])
    client.socket.send(ask("a"), say("g", "1"))
    client.socket.leave()
    stage.settle()
    assert stage.desk.told(events.Disconnected) == []
    stage.desk.answer(DONE)
    stage.settle()
    assert bob.read().data == ["1"]
    assert len(stage.desk.told(events.Disconnected)) == 1
    assert stage.back(client).is_lost


def test_who_said_goodbye_does_not_come_back(stage: ReliableStage) -> None:
    client, bob = stage.client(groups=["g"]), stage.client(groups=["g"])
    client.socket.send(ask("a"), say("g", "1"))
    client.socket.leave()
    stage.settle()
    assert stage.back(client).is_lost
    stage.desk.answer(DONE)
    stage.settle()
    assert bob.read().data == ["1"]
    assert len(stage.desk.told(events.Disconnected)) == 1


def test_the_window_closes_although_an_event_is_under_way(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a", 1))
    away(stage, client)
    stage.loop.advance(61)
    stage.desk.answer(events.Respond(Text("yes")))
    stage.settle()
    assert len(stage.desk.told(events.Disconnected)) == 1
    assert stage.back(client).is_lost


def test_what_a_handler_says_of_a_client_outlives_its_socket(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a"))
    stage.settle()
    stage.desk.answer(events.Respond(state="tired"))
    away(stage, client)
    stage.back(client)
    client.socket.send(ask("b"))
    stage.settle()
    assert stage.desk.told(events.UserEvent)[-1].client.state == "tired"


# Requests and rights.


def test_a_request_is_not_carried_out_twice_over_two_sockets(
    stage: ReliableStage,
) -> None:
    client, bob = stage.client(), stage.client(groups=["g"])
    client.socket.send(say("g", "1", ack_id=5), requests.JoinGroup("h", 6))
    away(stage, client)
    stage.back(client)
    client.socket.send(say("g", "1", ack_id=5), requests.JoinGroup("h", 6))
    client.socket.send(say("g", "2", ack_id=7))
    stage.settle()
    assert client.socket.acks == [(5, "Duplicate"), (6, "Duplicate"), (7, True)]
    assert bob.read().data == ["1", "2"]


@pytest.mark.parametrize("meanwhile", [True, False])
def test_permissions_outlive_the_socket(
    stage: ReliableStage, *, meanwhile: bool
) -> None:
    client, answer = stage.client(roles=()), Probe()
    if meanwhile:
        away(stage, client)
    grant = commands.Grant(client.connection_id, Permission.SEND_TO_GROUP, "g", answer)
    stage.do(grant)
    assert answer.heard == [commands.Verdict(found=True, done=True)]
    if not meanwhile:
        away(stage, client)
    stage.back(client)
    client.socket.send(say("g", "1", ack_id=1), say("h", "2", ack_id=2))
    stage.settle()
    assert sorted(client.socket.acks) == [(1, True), (2, "Forbidden")]


# Servers.


def test_a_server_takes_events_of_a_client_over_all_its_sockets(
    stage: ReliableStage,
) -> None:
    client = stage.client("alice")
    server = stage.serve(servers.Rule("event"))
    client.socket.send(ask("a", 1))
    away(stage, client)
    stage.back(client)
    server.answer(events.Respond(Text("yes")))
    assert client.socket.order == ["yes", 1]
    assert client.socket.chosen == [RELIABLE]
