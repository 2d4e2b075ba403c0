"""What still reaches a connection that has ended: nothing comes of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hubbub.actors.messages import commands, events, pushes, requests
from hubbub.actors.messages.payload import Text
from support.fakes import FakeSocket, Stage, hub_on_virtual_time

LATE = events.Respond(Text("late"), state="late")


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


@pytest.fixture
def waiting(stage: Stage) -> FakeSocket:
    """Give a client whose event the handler has, unanswered."""
    socket = stage.join("u", groups=["watched"])
    socket.send(requests.SendEvent("slow", Text("x"), 1))
    stage.settle()
    return socket


def test_an_answer_in_the_turn_of_the_end_comes_to_nothing(
    stage: Stage, waiting: FakeSocket
) -> None:
    waiting.send(requests.SocketClosed(1000, "bye"))
    stage.desk.answer(LATE)
    stage.settle()
    assert waiting.journal == []


def test_an_answer_to_a_connection_that_is_gone_comes_to_nothing(
    stage: Stage, waiting: FakeSocket
) -> None:
    waiting.send(requests.SocketClosed(1000, "bye"))
    stage.settle()
    assert not stage.exists(commands.ToUser("u"))
    assert stage.desk.told(events.Disconnected) == []
    stage.desk.answer(LATE)
    stage.settle()
    assert waiting.journal == []
    (ended,) = stage.desk.told(events.Disconnected)
    assert (ended.reason, ended.client.state) == ("bye", "late")


def test_nothing_is_pushed_behind_the_close_of_a_broken_stream(
    stage: Stage, waiting: FakeSocket
) -> None:
    waiting.send(requests.Broken(1007, "not valid JSON"), requests.Ping())
    stage.desk.answer(LATE)
    stage.settle()
    assert [what for what, _ in waiting.journal] == ["push", "closed"]


def test_a_client_that_leaves_as_it_is_let_in_was_never_here(stage: Stage) -> None:
    stage.desk.accepts = False
    socket = stage.knock(FakeSocket(), "u")
    stage.settle()
    socket.send(requests.SocketClosed(1006, "the client left"))
    stage.desk.answer(events.Accept())
    stage.settle()
    assert socket.journal == []
    assert not stage.exists(commands.ToUser("u"))


def test_a_failed_connection_fails_once(
    stage: Stage, waiting: FakeSocket, caplog: pytest.LogCaptureFixture
) -> None:
    bad: Any = pushes.Pong()
    assert waiting.connection is not None
    with caplog.at_level(logging.ERROR):
        stage.desk.answer(events.Respond())
        waiting.connection.post(bad)
        stage.settle()
    assert [record.message for record in caplog.records] == ["Connection failed"]
