"""Invocations and streams of a reliable client, and the cuts between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import commands, events, payload, requests
from hubbub.actors.messages.payload import Text
from support.fakes import publish
from support.reliable_stage import ReliableStage

if TYPE_CHECKING:
    from support.reliable_client import ReliableClient

G = commands.ToGroup("g")
DONE = events.Respond()


@pytest.fixture
def stage() -> ReliableStage:
    return ReliableStage()


def ask(name: str, ack_id: int | None = None) -> requests.SendEvent:
    return requests.SendEvent(name, Text("x"), ack_id)


def invoke(name: str) -> requests.Invoke:
    return requests.Invoke(name, "order", Text("tea"))


def responses(client: ReliableClient) -> list[Any]:
    """What invocations came to: data, or the name of an error, or nothing."""
    return [
        (m["invocationId"], m.get("data", m.get("error", {}).get("name")))
        for m in client.socket.inbox
        if m["type"] == "invokeResponse"
    ]


def away(stage: ReliableStage, client: ReliableClient) -> None:
    client.cut()
    stage.settle()


# Invocations.


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (events.Respond(Text("here")), "here"),
        (events.Respond(payload.Json(b'{"a":1}')), {"a": 1}),
        (events.Respond(), None),
        (events.Fail("no tea"), "InternalServerError"),
    ],
)
def test_an_invocation_is_answered_without_a_number(
    stage: ReliableStage, outcome: events.Outcome, expected: object
) -> None:
    client = stage.client()
    client.socket.send(invoke("i1"))
    stage.settle()
    stage.desk.answer(outcome)
    stage.settle()
    assert responses(client) == [("i1", expected)]
    client.read()
    assert client.seen == 0


def test_an_invocation_is_answered_where_the_client_is_now(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(invoke("i1"))
    away(stage, client)
    stage.back(client)
    stage.desk.answer(events.Respond(Text("here")))
    stage.settle()
    assert responses(client) == [("i1", "here")]


def test_an_answer_to_an_invocation_is_not_kept(stage: ReliableStage) -> None:
    client = stage.client()
    client.socket.send(invoke("i1"))
    away(stage, client)
    stage.desk.answer(events.Respond(Text("here")))
    stage.settle()
    stage.back(client)
    assert responses(client) == []
    assert client.data == []


def test_an_invocation_may_be_cancelled_while_it_is_under_way(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(invoke("i1"), invoke("i2"), requests.CancelInvocation("i1"))
    stage.settle()
    stage.desk.answer(events.Respond(Text("late")))
    stage.settle()
    stage.desk.answer(events.Respond(Text("second")))
    stage.settle()
    assert responses(client) == [("i2", "second")]


def test_an_invocation_that_waits_may_be_cancelled_unasked(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(ask("a", 1), invoke("i1"), invoke("i2"))
    client.socket.send(requests.CancelInvocation("i1"))
    stage.settle()
    stage.desk.answer(DONE)
    stage.settle()
    stage.desk.answer(events.Respond(Text("second")))
    stage.settle()
    assert responses(client) == [("i2", "second")]
    assert len(stage.desk.told(events.UserEvent)) == 2


def test_cancelling_what_nobody_invoked_changes_nothing(
    stage: ReliableStage,
) -> None:
    client = stage.client()
    client.socket.send(requests.CancelInvocation("i1"), invoke("i1"))
    client.socket.send(requests.RefuseInvocation("i2", "nobody takes groups"))
    stage.settle()
    stage.desk.answer(events.Respond(Text("here")))
    stage.settle()
    assert responses(client) == [("i1", "here"), ("i2", "BadRequest")]


# Streams.


def marks(client: ReliableClient) -> list[Any]:
    return [m["stream"] for m in client.socket.inbox if "stream" in m]


def test_a_stream_goes_on_over_a_cut(stage: ReliableStage) -> None:
    client, bob = stage.client(), stage.client(groups=["g"])
    client.socket.send(requests.StartStream("g", "s"))
    client.socket.send(requests.SendFragment("s", 1, Text("one")))
    away(stage, client)
    stage.back(client)
    client.socket.send(requests.SendFragment("s", 1, Text("one")))
    client.socket.send(requests.SendFragment("s", 2, Text("two")))
    client.socket.send(requests.EndStream("s"))
    stage.settle()
    assert bob.read().data[:2] == ["one", "two"]
    assert bob.seen == 3


def test_a_session_that_ends_ends_its_streams(stage: ReliableStage) -> None:
    client, bob = stage.client(), stage.client(groups=["g"])
    client.socket.send(requests.StartStream("g", "s"))
    client.socket.send(requests.SendFragment("s", 1, Text("one")))
    away(stage, client)
    stage.loop.advance(61)
    last = marks(bob)[-1]
    assert last["endOfStream"] is True
    assert last["error"]["name"] == "Cancelled"
    stage.do(publish(G, "on"))
    assert bob.read().data[-1] == "on"
