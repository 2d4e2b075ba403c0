"""The root of the tree: hubs on demand, reconfiguration, drain."""

from __future__ import annotations

import logging

import pytest

from hubbub.actors.connection import Service
from hubbub.actors.gateway import Gateway, Reconfigure
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.messages import commands, events, internal, requests
from hubbub.actors.messages import payload as payloads
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from support.fakes import FakeSocket, Probe, Stage, hub_on_virtual_time, publish
from support.virtual import VirtualLoop

ALL = commands.Everyone()


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


def test_a_hub_begins_with_its_first_command_or_client(stage: Stage) -> None:
    probe = Probe()
    stage.do(commands.Exists(commands.ToUser("u"), probe), hub="first")
    assert probe.heard == [False]
    assert stage.join("u", hub="second").connection_id
    assert len(stage._actor(stage.gateway)._hubs) == 2


def test_hubs_do_not_hear_each_other(stage: Stage) -> None:
    one = stage.join("u", hub="one", groups=["g"])
    two = stage.join("u", hub="two", groups=["g"])
    for target in (ALL, commands.ToGroup("g"), commands.ToUser("u")):
        stage.do(publish(target, "hi"), hub="one")
    stage.do(commands.Close(ALL), hub="one")
    assert one.data == ["hi"] * 3
    assert two.journal == []


def test_a_drain_answers_once_when_every_hub_is_empty(stage: Stage) -> None:
    sockets = [stage.join(hub=name) for name in ("one", "two", "two", "three")]
    probe = Probe()
    stage.gateway.post(internal.Drain(probe))
    stage.settle()
    assert probe.heard == [True]
    assert [socket.all("closed")[0][0] for socket in sockets] == [1001] * 4


def test_a_drain_without_hubs_answers_at_once(stage: Stage) -> None:
    probe = Probe()
    stage.gateway.post(internal.Drain(probe))
    stage.settle()
    assert probe.heard == [True]


def test_newcomers_are_refused_with_503_during_a_drain(stage: Stage) -> None:
    stage.gateway.post(internal.Drain(Probe()))
    socket = stage.knock(FakeSocket())
    stage.settle()
    status, reason = socket.all("rejected")[0]
    assert status == 503
    assert "shutting down" in reason


def test_a_reconfiguration_swaps_handlers_and_keeps_clients(stage: Stage) -> None:
    socket = stage.join(groups=["g"])
    stage.gateway.post(Reconfigure(lambda _: HubSetup()))
    stage.settle()
    socket.send(requests.SendEvent("e", payloads.Text("x"), 1))
    stage.settle()
    assert socket.acks == [(1, "InternalServerError")]
    assert stage.desk.told(events.UserEvent) == []
    assert not socket.all("closed")
    stage.do(publish(commands.ToGroup("g"), "hi"))
    assert socket.data == ["hi"]


def test_a_reconfiguration_lets_events_under_way_end_with_their_handler(
    stage: Stage,
) -> None:
    socket = stage.join()
    socket.send(requests.SendEvent("e", payloads.Text("x"), 1))
    stage.settle()
    stage.gateway.post(Reconfigure(lambda _: HubSetup()))
    stage.settle()
    stage.desk.answer(events.Respond(payloads.Text("y")))
    stage.settle()
    assert socket.order == ["y", 1]


def test_a_new_bound_of_the_stash_holds_for_new_clients(stage: Stage) -> None:
    socket = stage.join()
    setup = stage._actor(stage.hub())._setup
    stage.gateway.post(
        Reconfigure(lambda _: HubSetup(setup.handlers, Service(stash=2)))
    )
    stage.settle()
    late = stage.join()
    for client in (socket, late):
        client.send(requests.SendEvent("e", payloads.Text("x")))
        client.send(requests.JoinGroup("g"), requests.JoinGroup("g"))
    stage.settle()
    assert socket.all("paused") == []
    assert len(late.all("paused")) == 1


def test_a_failed_hub_leaves_the_other_hubs_alone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = stage.join(hub="broken"), stage.join(hub="whole")
    with caplog.at_level(logging.CRITICAL):
        stage.hub("broken").post("not a message")
        stage.settle()
    stage.loop.advance(1.0)
    assert broken.all("closed")[0][0] == 1012
    stage.do(publish(ALL, "hi"), hub="whole")
    assert whole.data == ["hi"]
    assert stage.join(hub="broken").connection_id


def test_a_hub_that_cannot_start_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    def setup(hub: str) -> HubSetup:
        if hub == "broken":
            raise FileNotFoundError("ca.pem")
        return HubSetup()

    stage = hub_on_virtual_time()
    stage.gateway.post(Reconfigure(setup))
    with caplog.at_level(logging.ERROR):
        stranger = stage.knock(FakeSocket(), hub="broken")
        stage.settle()
    assert stranger.all("rejected") == [(500, "The hub cannot start.")]
    assert "hub broken cannot start" in caplog.text
    assert stage.join("u", hub="sound").connection_id


def test_the_process_hears_of_a_failed_gateway(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[str] = []
    loop = VirtualLoop()
    gateway = supervision.spawn(
        Dispatcher(loop),
        lambda: Gateway(lambda _: HubSetup(), "", lambda: failures.append("told")),
    )
    with caplog.at_level(logging.CRITICAL):
        gateway.post("not a message")
        loop.settle()
    assert failures == ["told"]


def test_hubs_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hubbub.actors.gateway.MOST_HUBS", 2)
    stage = hub_on_virtual_time()
    assert stage.join("u", hub="one").connection_id
    assert stage.join("u", hub="two").connection_id
    with caplog.at_level(logging.CRITICAL):
        stranger = stage.knock(FakeSocket(), hub="three")
        stage.settle()
    assert stranger.all("rejected") == [(500, "The hub cannot start.")]
    assert stage.join("u", hub="one").connection_id
