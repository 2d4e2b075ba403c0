"""Sessions that should move while links fail and gateways die."""

from __future__ import annotations

import pytest

from hubbub.actors.messages.commands import ToGroup
from support.fakes import publish
from support.moves_stage import MovesStage, Traffic, away, insist

G = ToGroup("g")


@pytest.fixture
def stage() -> MovesStage:
    return MovesStage("abc")


# Gateways that die.


def test_a_client_of_a_dead_gateway_is_told_at_once(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a)
    a.crash()
    stage.pass_by(15)
    assert b.ups() == ["0000000c"]
    client.come_back(b.recover)
    stage.loop.settle()
    assert client.is_lost


def test_a_client_of_a_gateway_that_has_just_died_is_told_in_the_end(
    stage: MovesStage,
) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a)
    a.crash()
    insist(stage, client, b, 30)
    assert client.is_lost


def test_a_session_that_moved_outlives_the_gateway_where_it_began(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    client = stage.enter(a, "alice", ["g"])
    stage.recover(client, b)
    a.crash()
    stage.pass_by(15)
    traffic = Traffic(client, "alice", "g", [b, c])
    traffic.say()
    stage.pass_by()
    stage.recover(client, c)
    traffic.say()
    stage.pass_by()
    traffic.check()


def test_a_session_that_moved_dies_with_where_it_moved(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = stage.enter(a, "alice", ["g"])
    stage.recover(client, b)
    b.crash()
    stage.pass_by(15)
    for node in (c, a):
        client.come_back(node.recover)
        stage.pass_by()
        assert client.is_lost
    assert not stage.exists(a, client.connection_id)


@pytest.mark.parametrize("when", [0.0, 0.003, 0.006, 0.009, 0.02, 0.1])
@pytest.mark.parametrize("victim", [0, 1], ids=["old", "new"])
def test_a_gateway_that_dies_on_the_way_takes_the_session_or_leaves_it(
    stage: MovesStage, when: float, victim: int
) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    traffic = Traffic(client, "alice", "g", [c])
    stage.slow(c, a, 0.01, 0.01)
    client.come_back(b.recover)
    traffic.say()
    stage.pass_by(when)
    traffic.say()
    stage.nodes[victim].crash()
    if victim == 1:
        insist(stage, client, c, 30)
    elif not client.is_in:
        insist(stage, client, b, 30)
    if not client.is_lost:
        traffic.say()
        stage.pass_by()
    traffic.check(lost=client.is_lost)


@pytest.mark.parametrize("when", [0.0, 0.005, 0.02])
def test_a_third_gateway_that_dies_on_the_way_costs_time_alone(
    stage: MovesStage, when: float
) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    traffic = Traffic(client, "alice", "g", [a, b])
    stage.slow(c, a, 0.05, 0.05)
    client.come_back(b.recover)
    traffic.say()
    stage.pass_by(when)
    c.crash()
    insist(stage, client, b, 30)
    assert client.is_in
    traffic.say()
    stage.pass_by()
    traffic.check()
    stage.nodes.remove(c)
    stage.check_calm()


# Links that fail.


def test_a_cut_that_heals_in_time_costs_time_alone(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    for one, other in ((a, b), (b, c), (a, c)):
        client = stage.enter(a, "alice", ["g"])
        traffic = Traffic(client, "alice", "g", stage.nodes)
        client.cut()
        traffic.say("one", "group")
        client.come_back(b.recover)
        stage.pass_by(0.004)
        stage.cut(one, other)
        traffic.say("one", "group")
        stage.pass_by(3)
        stage.heal(one, other)
        traffic.say("one", "group")
        stage.pass_by(5)
        if not client.is_in:
            insist(stage, client, b, 10)
        traffic.say("one", "group")
        stage.pass_by(1)
        assert client.is_in
        traffic.check()
        client.socket.leave()
        stage.pass_by()
    stage.check_calm()


def test_without_a_link_to_its_gateway_a_session_is_lost(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.cut(a, b)
    stage.pass_by(15)
    client.come_back(b.recover)
    stage.pass_by()
    assert client.is_lost
    stage.recover(client, c)
    assert client.is_in, "where there is a link, it is found"


def test_a_link_that_others_lack_does_not_keep_a_session_from_moving(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.cut(b, c)
    stage.pass_by(15)
    traffic = Traffic(client, "alice", "g", [a, b])
    traffic.say()
    stage.recover(client, b)
    assert client.is_in
    traffic.say()
    stage.pass_by()
    traffic.check()
    stage.check_calm()


def test_a_gateway_that_comes_on_the_way_is_heard(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.slow(c, a, 1.5, 1.5)
    client.come_back(b.recover)
    stage.pass_by(0.1)
    d = stage.add("d")
    sent: list[str] = []
    for _ in range(400):
        stage.pass_by(0.01)
        if len(d.ups()) == 3:
            sent.append(str(len(sent)))
            d.command(publish(G, sent[-1]))
    stage.pass_by(1)
    assert client.is_in
    assert client.read().data == sent
    stage.check_calm()


@pytest.mark.parametrize("serves", [True, False])
def test_a_gateway_that_knows_one_of_two_does_not_hold_them_up(
    stage: MovesStage, *, serves: bool
) -> None:
    a, b, _ = stage.nodes
    client = away(stage, a, "g")
    d = stage.add("d")
    stage.slow(a, d, 0.5, 0.5)
    if serves:
        d.client()
    while d.name not in a.ups():
        stage.pass_by(0.01)
    assert a.name not in d.ups()
    assert b.name in d.ups()
    client.come_back(b.recover)
    stage.pass_by(2)
    assert client.is_in
    for node in stage.nodes:
        node.command(publish(G, node.name[-1]))
    stage.pass_by(1)
    assert sorted(client.read().data) == ["a", "b", "c", "d"]
    stage.check_calm()
