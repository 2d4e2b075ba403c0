"""Commands about a session that moves, or has moved: they find it wherever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import commands, events, peers
from hubbub.actors.messages.commands import ToConnection, ToGroup, ToUser
from hubbub.actors.messages.moving import Handed
from hubbub.actors.policy.permissions import Permission
from support.fakes import Probe, publish, say
from support.moves_stage import MovesStage

if TYPE_CHECKING:
    from support.mesh_stage import Node
    from support.reliable_client import ReliableClient

WHERE = pytest.mark.parametrize("place", [0, 1, 2], ids=["old", "new", "other"])


@pytest.fixture
def stage() -> MovesStage:
    return MovesStage("abc")


def moved(stage: MovesStage, *groups: str) -> ReliableClient:
    """A session of the first gateway that is at the second."""
    client = stage.enter(stage.nodes[0], "alice", groups)
    return stage.recover(client, stage.nodes[1])


def moving(stage: MovesStage, *groups: str) -> ReliableClient:
    """A session that is on its way from the first gateway to the second."""
    a, b, c = stage.nodes
    client = stage.enter(a, "alice", groups)
    client.cut()
    stage.pass_by()
    stage.slow(c, a, 0.2, 0.2)
    client.come_back(b.recover)
    stage.pass_by(0.02)
    assert not client.is_in
    return client


def do(stage: MovesStage, node: Node, change: Any) -> object:
    """Give a command with a receipt, and say how it ended."""
    paid = Probe()
    node.command(change(commands.Receipt(paid, "done", "missing")))
    stage.pass_by(1)
    (outcome,) = paid.heard
    return outcome


@WHERE
def test_commands_find_a_session_that_has_moved(stage: MovesStage, place: int) -> None:
    client, node = moved(stage, "g"), stage.nodes[place]
    me = ToConnection(client.connection_id)
    assert stage.exists(node, client.connection_id)
    assert do(stage, node, lambda paid: commands.AddToGroup(me, "h", paid)) == "done"
    assert (
        do(stage, node, lambda paid: commands.RemoveFromGroup(me, "g", paid)) == "done"
    )
    node.command(publish(me, "1"), publish(ToGroup("h"), "2"))
    node.command(publish(ToGroup("g"), "nobody"), publish(ToUser("alice"), "3"))
    stage.pass_by()
    assert client.read().data == ["1", "2", "3"]
    page = stage.ask(node, lambda answer: commands.Members("h", "", 10, answer))
    assert page.members == ((client.connection_id, "alice"),)
    assert do(stage, node, lambda paid: commands.Close(me, receipt=paid)) == "done"
    assert client.closed == 1000
    assert not stage.exists(node, client.connection_id)
    stage.check_calm()


@WHERE
def test_permissions_are_those_of_where_it_is(stage: MovesStage, place: int) -> None:
    client, node = moved(stage), stage.nodes[place]

    def change(kind: type[commands.Grant | commands.Revoke], group: str) -> object:
        me, send = client.connection_id, Permission.SEND_TO_GROUP
        return stage.ask(node, lambda answer: kind(me, send, group, answer))

    assert change(commands.Revoke, "g") == commands.Verdict(found=True, done=True)
    client.socket.send(say("g", "1", ack_id=1))
    stage.pass_by()
    assert client.socket.acks == [(1, "Forbidden")]
    stage.recover(client, node)
    client.socket.send(say("g", "1", ack_id=2))
    stage.pass_by()
    assert client.socket.acks == [(2, "Forbidden")]
    assert change(commands.Grant, "g") == commands.Verdict(found=True, done=True)
    client.socket.send(say("g", "1", ack_id=3))
    stage.pass_by()
    assert client.socket.acks[1:] == [(3, True)]


def test_permissions_that_change_on_the_way_move_along(stage: MovesStage) -> None:
    client = moving(stage)
    answers = [Probe() for _ in stage.nodes]
    for node, answer in zip(stage.nodes, answers, strict=True):
        permission = Permission.SEND_TO_GROUP
        group = f"not {node.name[-1]}"
        node.command(commands.Revoke(client.connection_id, permission, group, answer))
    stage.pass_by(1)
    verdicts = [answer.expect(commands.Verdict) for answer in answers]
    assert verdicts == [commands.Verdict(found=True, done=True)] * 3
    assert client.is_in
    client.socket.send(say("not a", "", 1), say("not b", "", 2), say("not c", "", 3))
    stage.pass_by()
    assert client.socket.acks == [(number, "Forbidden") for number in (1, 2, 3)]


@WHERE
def test_groups_that_change_on_the_way_move_along(
    stage: MovesStage, place: int
) -> None:
    client, node = moving(stage, "g"), stage.nodes[place]
    me = ToConnection(client.connection_id)
    joined, left = Probe(), Probe()
    node.command(
        commands.AddToGroup(me, "h", commands.Receipt(joined, "done", "missing")),
        commands.RemoveFromGroup(me, "g", commands.Receipt(left, "done", "missing")),
    )
    stage.pass_by(1)
    assert (joined.heard, left.heard) == (["done"], ["done"])
    assert client.is_in
    for other in stage.nodes:
        other.command(publish(ToGroup("h"), "h"), publish(ToGroup("g"), "g"))
    stage.pass_by()
    assert client.read().data == ["h"] * 3
    stage.check_calm()


@WHERE
def test_a_user_s_groups_change_on_the_way_and_once(
    stage: MovesStage, place: int
) -> None:
    client, node = moving(stage, "g"), stage.nodes[place]
    node.command(
        commands.AddToGroup(ToUser("alice"), "h"),
        commands.RemoveFromGroup(ToUser("alice"), "g"),
    )
    stage.pass_by(1)
    assert client.is_in
    for other in stage.nodes:
        other.command(publish(ToGroup("h"), "h"), publish(ToGroup("g"), "g"))
    stage.pass_by()
    assert client.read().data == ["h"] * 3
    stage.check_calm()


@WHERE
@pytest.mark.parametrize("wanted", [True, False])
def test_what_is_published_after_a_join_on_the_way_is_delivered(
    stage: MovesStage, place: int, *, wanted: bool
) -> None:
    """What is published anywhere after a join's ack is delivered, also on the way."""
    a, b, c = stage.nodes
    if wanted:
        stage.enter(b, "bob", ["h"])
    client, node = moving(stage, "g"), stage.nodes[place]
    stage.slow(b, c, 0.3, 0.3)
    me, joined, sent = ToConnection(client.connection_id), Probe(), list[str]()
    node.command(commands.AddToGroup(me, "h", commands.Receipt(joined, 1)))
    for _ in range(200):
        stage.pass_by(0.005)
        if joined.heard:
            sent.append(str(len(sent)))
            for publisher in (a, b, c):
                publisher.command(
                    publish(ToGroup("h"), f"{publisher.name[-1]} {sent[-1]}")
                )
    stage.pass_by(1)
    assert client.is_in
    data = client.read().data
    for name in "abc":
        got = [text[2:] for text in data if text.startswith(name)]
        assert got == sent, name


@WHERE
def test_a_session_that_is_closed_on_the_way_is_over(
    stage: MovesStage, place: int
) -> None:
    client, node = moving(stage, "g"), stage.nodes[place]
    node.command(commands.Close(ToConnection(client.connection_id)))
    stage.pass_by(1)
    assert client.is_lost or client.closed == 1000
    for other in stage.nodes:
        assert not stage.exists(other, client.connection_id)
    assert stage.told(events.Disconnected) == 1
    stage.check_calm()
    assert stage.recover(client, stage.nodes[2]).is_lost


def test_a_session_that_is_closed_as_it_arrives_leaves_nothing_behind(
    stage: MovesStage,
) -> None:
    client, (a, b, _) = moving(stage, "g"), stage.nodes
    me = ToConnection(client.connection_id)
    a.command(commands.AddToGroup(me, "h"))
    closes = [peers.Call(0, "chat", commands.Close(me))]
    stage.slip_in(Handed, closes)
    stage.pass_by(2)
    assert closes == [], "it was slipped in"
    assert stage.hub(b)._membership.groups == {}
    for other in stage.nodes:
        assert not stage.exists(other, client.connection_id)
    stage.check_calm()


def test_a_handler_s_word_finds_a_session_that_has_moved(stage: MovesStage) -> None:
    client = moved(stage, "g")
    for node in stage.nodes:
        node.command(publish(ToConnection(client.connection_id), node.name[-1]))
    stage.pass_by()
    assert sorted(client.read().data) == ["a", "b", "c"]


@WHERE
@pytest.mark.parametrize("late", [0.0, 0.001, 0.003, 0.005, 0.007])
@pytest.mark.parametrize("whom", ["one", "user", "all"])
def test_a_command_that_meets_a_session_as_it_leaves_goes_with_it(
    stage: MovesStage, place: int, late: float, whom: str
) -> None:
    a, b, _ = stage.nodes
    node, done = stage.nodes[place], Probe()
    client, other = (stage.enter(a, "alice", ["g"]) for _ in range(2))
    client.cut()
    client.come_back(b.recover)
    stage.pass_by(late)
    paid = commands.Receipt(done, "done", "missing")
    if whom == "all":
        node.command(commands.AddAllToGroups(("h",), None, paid))
    else:
        me = ToConnection(client.connection_id)
        target = me if whom == "one" else ToUser("alice")
        node.command(commands.AddToGroup(target, "h", paid))
    for _ in range(100):
        stage.pass_by(0.005)
        if done.heard:
            break
    assert done.heard == ["done"]
    stage.nodes[2].command(publish(ToGroup("h"), "h"))
    stage.pass_by(1)
    assert client.read().data == ["h"]
    assert other.read().data == ([] if whom == "one" else ["h"])
    stage.check_calm()


@WHERE
@pytest.mark.parametrize("late", [0.0, 0.001, 0.003, 0.005, 0.007])
@pytest.mark.parametrize("whom", ["one", "user", "group", "all"])
def test_a_close_that_meets_a_session_as_it_leaves_goes_with_it(
    stage: MovesStage, place: int, late: float, whom: str
) -> None:
    a, b, c = stage.nodes
    node = stage.nodes[place]
    client = stage.enter(a, "alice", ["g"])
    client.cut()
    client.come_back(b.recover)
    stage.pass_by(late)
    target: commands.Target = {  # type: ignore[assignment] # each is one
        "one": ToConnection(client.connection_id),
        "user": ToUser("alice"),
        "group": ToGroup("g"),
        "all": commands.Everyone(),
    }[whom]
    node.command(commands.Close(target))
    stage.pass_by(1)
    assert client.is_lost or client.closed == 1000
    assert not stage.exists(c, client.connection_id)
    assert stage.told(events.Disconnected) == 1
    stage.check_calm()
