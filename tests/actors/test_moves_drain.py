"""A gateway that ends hands its reliable sessions to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.actors.messages import events, internal, requests
from hubbub.actors.messages.payload import Text
from support.fakes import JSON, Probe
from support.moves_stage import MovesStage, Traffic

if TYPE_CHECKING:
    from support.mesh_stage import Node


@pytest.fixture
def stage() -> MovesStage:
    return MovesStage("abc")


def drain(node: Node) -> Probe:
    drained = Probe()
    node.gateway.post(internal.Drain(drained))
    return drained


def test_sessions_go_to_others_whether_or_not_their_clients_are_there(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    clients = [stage.enter(a, f"u{n}", ["g"]) for n in range(6)]
    traffics = [
        Traffic(client, f"u{n}", "g", [b, c]) for n, client in enumerate(clients)
    ]
    for client in clients[:3]:
        client.cut()
    for traffic in traffics:
        traffic.say("user", "one")
    drained = drain(a)
    for _ in range(10):
        for traffic in traffics:
            traffic.say("user", "one")
        stage.pass_by(0.003)
    stage.pass_by(1)
    assert drained.heard == [True]
    a.crash()
    assert [client.closed for client in clients[3:]] == [1001] * 3
    for number, (client, traffic) in enumerate(zip(clients, traffics, strict=True)):
        stage.recover(client, (b, c)[number % 2])
        assert client.is_in
        traffic.say("user", "one")
        stage.pass_by()
        traffic.check()
    assert stage.desk(a).told(events.Disconnected) == []
    homes = [stage.hub(node)._membership.roster.connections for node in (b, c)]
    assert sum(map(len, homes)) == len(clients)


def test_sessions_are_spread_over_those_who_stay(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    for _ in range(10):
        stage.enter(a).cut()
    drain(a)
    stage.pass_by(1)
    homes = [stage.hub(node)._membership.roster.connections for node in (b, c)]
    assert [len(home) for home in homes] == [5, 5]


def test_plain_sessions_end_with_their_gateway(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    plain = a.client("bob", ["g"], JSON)
    client = stage.enter(a, "alice", ["g"])
    drained = drain(a)
    stage.pass_by(1)
    assert drained.heard == [True]
    assert plain.inbox[-1]["event"] == "disconnected"
    assert [code for code, _ in plain.all("closed")] == [1001]
    assert len(stage.desk(a).told(events.Disconnected)) == 1
    assert stage.recover(client, b).is_in


def test_without_anybody_else_sessions_end() -> None:
    stage = MovesStage("a")
    (a,) = stage.nodes
    here, away = stage.enter(a), stage.enter(a)
    away.cut()
    drained = drain(a)
    stage.pass_by(1)
    assert drained.heard == [True]
    assert here.closed == 1001
    assert len(stage.desk(a).told(events.Disconnected)) == 2


def test_nobody_gets_a_session_from_a_gateway_that_ends(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = stage.enter(a)
    client.cut()
    stage.slow(b, a, 0.3, 0.3)
    stage.slow(c, a, 0.3, 0.3)
    drain(a)
    stage.pass_by(0.1)
    assert stage.recover(client, a, attempts=1).is_to_try_again
    assert stage.recover(client, b).is_in


def test_a_client_that_comes_while_its_session_is_handed_over_gets_it(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    stage.slow(c, a, 0.2, 0.2)
    stage.slow(b, a, 0.1, 0.1)
    client = stage.enter(a, "alice", ["g"])
    traffic = Traffic(client, "alice", "g", stage.nodes)
    client.cut()
    drain(a)
    for node in (b, c, b, c):
        traffic.say()
        stage.recover(client, node, attempts=3)
        assert client.is_in
        traffic.nodes = [b, c]
    stage.pass_by(1)
    traffic.check()


def test_an_event_under_way_is_answered_before_its_session_moves(
    stage: MovesStage,
) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a)
    client.socket.send(requests.SendEvent("ask", Text("x"), 1))
    stage.pass_by()
    drained = drain(a)
    stage.pass_by(1)
    assert drained.heard == []
    stage.desk(a).answer(events.Respond(Text("yes")))
    stage.pass_by(1)
    assert drained.heard == [True]
    assert client.read().socket.acks == [(1, True)]
    assert stage.recover(client, b).is_in
    assert client.data == ["yes"]


def test_a_session_that_cannot_move_in_time_ends(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a)
    client.socket.send(requests.SendEvent("ask", Text("x"), 1))
    stage.pass_by()
    drained = drain(a)
    stage.pass_by(6)
    assert client.closed == 1001
    stage.desk(a).answer(events.Respond())
    stage.pass_by(1)
    assert drained.heard == [True]
    assert len(stage.desk(a).told(events.Disconnected)) == 1
    assert stage.recover(client, b).is_lost


@pytest.mark.parametrize("when", [0.0, 0.01, 0.05, 0.1, 0.25, 0.5])
def test_one_gateway_after_the_other_may_end(stage: MovesStage, when: float) -> None:
    a, b, c = stage.nodes
    stage.slow(c, a, 0.2, 0.2)
    clients = [stage.enter(a, f"u{n}", ["g"]) for n in range(4)]
    traffics = [Traffic(client, f"u{n}", "g", [c]) for n, client in enumerate(clients)]
    for client in clients[2:]:
        client.cut()
    first = drain(a)
    for traffic in traffics:
        traffic.say("user")
    stage.pass_by(when)
    second = drain(b)
    for traffic in traffics:
        traffic.say("user")
    stage.pass_by(10)
    assert (first.heard, second.heard) == ([True], [True])
    for client, traffic in zip(clients, traffics, strict=True):
        stage.recover(client, c)
        assert client.is_in
        traffic.check()


def test_a_gateway_that_dies_as_it_hands_over_takes_what_it_still_had(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    stage.slow(c, a, 0.05, 0.05)
    clients = [stage.enter(a, f"u{n}") for n in range(4)]
    drain(a)
    stage.pass_by(0.03)
    a.crash()
    stage.pass_by(20)
    for client in clients:
        stage.recover(client, b)
        assert client.is_in or client.is_lost
    for node in (b, c):
        for name in stage.hub(node)._membership.roster.connections:
            assert name in {client.connection_id for client in clients}


def test_a_session_that_nobody_takes_goes_to_where_its_client_comes() -> None:
    stage = MovesStage("abcd")
    a, b, c, d = stage.nodes
    clients = [stage.enter(a, f"u{n}", ["g"]) for n in range(6)]
    busy = stage.enter(d)
    busy.socket.send(requests.SendEvent("ask", Text("x"), 1))
    stage.slow(d, a, 3, 3)
    b.crash()
    stage.pass_by(8)
    drain(d)
    stage.pass_by(0.1)
    drain(a)
    stage.pass_by(4)
    for client in clients:
        client.come_back(c.recover)
    for _ in range(9):
        stage.pass_by(1)
        for client in clients:
            if client.is_to_try_again:
                client.come_back(c.recover)
    assert [client.is_in for client in clients] == [True] * 6
