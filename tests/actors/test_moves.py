"""Reliable sessions whose client comes back at another gateway than it left."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import events, requests
from hubbub.actors.messages.commands import ToGroup
from hubbub.actors.messages.payload import Text
from hubbub.actors.policy.retention import Bounds
from support.fakes import publish, say
from support.moves_stage import MovesStage, Traffic

G = ToGroup("g")


@pytest.fixture
def stage() -> MovesStage:
    return MovesStage("abc")


# What moves.


def test_a_client_gets_its_session_back_anywhere(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a, "alice", ["g"])
    a.command(publish(G, "1"))
    stage.pass_by()
    client.read().acknowledge()
    a.command(publish(G, "2"), publish(G, "3"))
    stage.pass_by()
    client.cut(unread=1)
    b.command(publish(G, "4"))
    stage.pass_by()
    stage.recover(client, b)
    connected, *messages = client.socket.inbox
    assert connected["event"] == "connected"
    assert connected["userId"] == "alice"
    assert connected["connectionId"].startswith(a.name)
    assert [m["sequenceId"] for m in messages] == [2, 3, 4]
    for node in stage.nodes:
        node.command(publish(G, f"from {node.name[-1]}"))
    stage.pass_by()
    assert client.read().data[:4] == ["1", "2", "3", "4"]
    assert sorted(client.data[4:]) == ["from a", "from b", "from c"]
    assert client.seen == 7
    stage.check_calm()


def test_a_session_moves_on_and_back(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = stage.enter(a, "alice", ["g"])
    traffic = Traffic(client, "alice", "g", stage.nodes)
    for node in (b, c, a, c, b, a, a, b):
        client.cut()
        traffic.say()
        stage.pass_by()
        stage.recover(client, node)
        traffic.say()
        stage.pass_by()
        traffic.check()
        stage.check_calm()
        assert stage.exists(node, client.connection_id)


def test_an_old_socket_that_looks_alive_is_closed(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a, groups=["g"])
    old = client.socket
    stage.recover(client, b)
    assert client.is_in
    assert [code for code, _ in old.all("closed")] == [1001]
    a.command(publish(G, "1"))
    stage.pass_by()
    assert old.data == []
    assert client.read().data == ["1"]


def test_what_a_client_may_do_moves_along(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a)
    client.socket.send(requests.JoinGroup("g", 1), say("g", "1", ack_id=2))
    stage.pass_by()
    client.read().cut()
    stage.recover(client, b)
    client.socket.send(requests.JoinGroup("g", 1), say("g", "1", ack_id=2))
    client.socket.send(say("g", "2", ack_id=3), requests.LeaveGroup("g", 4))
    stage.pass_by()
    assert sorted(client.socket.acks) == [
        (1, "Duplicate"),
        (2, "Duplicate"),
        (3, True),
        (4, True),
    ]
    assert client.read().data == ["1", "2"]


def test_the_events_of_a_session_go_on_where_it_is(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a, "alice")
    client.socket.send(requests.SendEvent("first", Text("x"), 1))
    stage.pass_by()
    stage.desk(a).answer(events.Respond(Text("yes"), state="tired"))
    stage.pass_by()
    client.cut()
    stage.recover(client, b)
    client.socket.send(requests.SendEvent("second", Text("x"), 2))
    stage.pass_by()
    (event,) = stage.desk(b).told(events.UserEvent)
    assert (event.event, event.client.state) == ("second", "tired")
    assert event.client.connection_id == client.connection_id
    stage.desk(b).answer(events.Respond(Text("no")))
    stage.pass_by()
    assert client.read().data == ["yes", "no"]
    assert client.socket.acks == [(2, True)]


def test_nobody_is_told_of_a_move(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    server = stage.serve(c)
    client = stage.enter(a, "alice", ["watched"])
    server.journal.clear()
    told = [len(desk.deliveries) for desk in stage.desks.values()]
    for node in (b, c, a):
        client.cut()
        stage.recover(client, node)
    assert [len(desk.deliveries) for desk in stage.desks.values()] == told
    assert server.inbox == []
    client.socket.leave()
    stage.pass_by()
    (left,) = stage.desk(a).told(events.Left)
    assert left.client.connection_id == client.connection_id
    assert len(stage.desk(a).told(events.Disconnected)) == 1


def test_streams_move_along(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client, bob = stage.enter(a), stage.enter(c, groups=["g"])
    client.socket.send(requests.StartStream("g", "s"))
    client.socket.send(requests.SendFragment("s", 1, Text("one")))
    stage.pass_by()
    client.cut()
    stage.recover(client, b)
    client.socket.send(requests.SendFragment("s", 2, Text("two")))
    client.socket.send(requests.EndStream("s"))
    stage.pass_by()
    parts = [m for m in bob.socket.inbox if "stream" in m]
    assert [m["data"] for m in parts[:2]] == ["one", "two"]
    assert parts[-1]["stream"]["endOfStream"] is True
    assert "error" not in parts[-1]["stream"]


def test_time_that_a_message_may_wait_moves_along(stage: MovesStage) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a, groups=["g"])
    client._gaps = True
    client.cut()
    stage.pass_by()
    a.command(publish(G, "short", ttl=10), publish(G, "ever"))
    stage.pass_by(1)
    socket = b.recover(client.connection_id)
    stage.pass_by(1)
    socket.cut()
    stage.pass_by(8.5)
    stage.recover(client, b)
    assert client.data == ["ever"]


def test_everybody_who_is_away_can_move_at_once(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    clients = [stage.enter(a, f"u{n}", ["g"]) for n in range(30)]
    traffics = [Traffic(one, f"u{n}", "g", [c]) for n, one in enumerate(clients)]
    for client in clients:
        client.cut()
    for number, client in enumerate(clients):
        client.come_back((b if number % 2 else c).recover)
        for traffic in traffics:
            traffic.say("user")
        stage.pass_by(0.001)
    stage.pass_by(1)
    for client, traffic in zip(clients, traffics, strict=True):
        assert client.is_in
        traffic.check()
    stage.check_calm()


# Nothing is lost, whatever the links.


@pytest.mark.parametrize("way", ["ab", "ba", "ac", "ca", "bc", "cb"])
def test_any_way_may_be_slower_than_any_detour(stage: MovesStage, way: str) -> None:
    nodes = dict(zip("abc", stage.nodes, strict=True))
    client = stage.enter(nodes["a"], "alice", ["g"])
    traffic = Traffic(client, "alice", "g", stage.nodes)
    stage.slow(nodes[way[0]], nodes[way[1]], 0.2, 0.2)
    for node in (nodes["b"], nodes["c"], nodes["a"]):
        client.cut()
        client.come_back(node.recover)
        while not client.is_in:
            assert not client.is_lost
            assert not client.is_to_try_again
            traffic.say()
            stage.pass_by(0.01)
    stage.pass_by(1)
    traffic.check()
    stage.check_calm()


@pytest.mark.parametrize("names", ["ab", "abc"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_nothing_is_lost_or_doubled_while_everybody_publishes(
    names: str, seed: int
) -> None:
    chance = random.Random(seed)
    stage = MovesStage(names, Bounds(messages=100_000), seed=seed)
    for one in stage.nodes:
        for other in stage.nodes:
            least = chance.choice([0.0, 0.001, 0.02, 0.2])
            stage.slow(one, other, least, least * chance.choice([1, 1.5, 3]))
    stage.pass_by(3)
    client = stage.enter(chance.choice(stage.nodes), "alice", ["g"])
    stage.pass_by(1)
    client.read()
    traffic = Traffic(client, "alice", "g", stage.nodes)
    for _ in range(4):
        if chance.random() < 0.8:
            client.cut(unread=chance.randrange(4))
        for _ in range(5):
            client.come_back(chance.choice(stage.nodes).recover)
            while not (client.is_in or client.is_to_try_again):
                assert not client.is_lost
                traffic.say()
                stage.pass_by(chance.uniform(0, 0.02))
            if client.is_in:
                break
            stage.pass_by(1)
        assert client.is_in
        if chance.random() < 0.5:
            client.read().acknowledge()
    stage.pass_by(2)
    traffic.check()
    stage.check_calm()
