"""Sends of every kind to sessions on the way: filtered, chosen by groups, states."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors import Group, Member
from hubbub.actors.group_actors import GroupSpec
from hubbub.actors.messages import commands, events, requests
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.sends import SLICE
from support.fakes import publish
from support.moves_stage import MovesStage

if TYPE_CHECKING:
    from support.reliable_client import ReliableClient


class Choosy(Group):
    """Takes members that have a name."""

    def admit(self, member: Member) -> bool:
        return member.user_id is not None


def test_filtered_sends_to_many_lose_nobody_on_the_way() -> None:
    stage = MovesStage("abc")
    a, b, c = stage.nodes
    crowds = [
        [node.client("crowd", ["g"]) for _ in range(SLICE + 50)] for node in (a, b)
    ]
    stage.pass_by()
    client = stage.enter(a, "alice", ["g"])
    sent: dict[str, list[str]] = {node.name[-1]: [] for node in stage.nodes}
    where = compile_filter("userId ne 'nobody'")
    for home in (b, a, c, b):
        client.cut()
        client.come_back(home.recover)
        for number in itertools.count():
            if client.is_in and number > 20:
                break
            for node in stage.nodes:
                texts = sent[node.name[-1]]
                texts.append(f"{node.name[-1]} {len(texts)}")
                target = commands.ToGroup("g") if number % 2 else commands.Everyone()
                node.command(publish(target, texts[-1], where=where))
            stage.pass_by(0.0005)
    stage.pass_by(1)
    for name, texts in sent.items():
        data = [text for text in client.read().data if text.startswith(name)]
        assert data == texts
        for crowd in crowds:
            data = [text for text in crowd[-1].data if text.startswith(name)]
            assert data == texts
    stage.check_calm()


@pytest.mark.parametrize("user", ["alice", None])
def test_a_group_that_chooses_is_not_joined_again(user: str | None) -> None:
    groups = (GroupSpec("watched", Choosy),)
    stage = MovesStage("abc", hubs={"groups": groups})
    a, b, c = stage.nodes
    client = stage.enter(a, user)
    client.socket.send(requests.JoinGroup("watched", 1))
    stage.pass_by()
    joined = stage.told(events.Joined)
    assert joined == (user is not None)
    for node in (b, c, a):
        client.cut()
        stage.recover(client, node)
        c.command(publish(commands.ToGroup("watched"), node.name[-1]))
        stage.pass_by()
    assert client.read().data == (["b", "c", "a"] if user else [])
    assert stage.told(events.Joined) == joined
    assert stage.told(events.Left) == 0
    stage.check_calm()


def heard(client: ReliableClient, of: str) -> list[Any]:
    """What a client has heard of another's state, over its present socket."""
    updates = [m for m in client.socket.inbox if m["type"].startswith("groupState")]
    items = [item for m in updates for item in m["items"]]
    return [item.get("state") for item in items if item["userId"] == of]


def test_what_a_client_says_of_itself_and_hears_of_others_moves_along() -> None:
    stage = MovesStage("abc")
    a, b, c = stage.nodes
    roles = ("webpubsub.getGroupState", "webpubsub.setGroupState")
    alice = stage.enter(a, "alice", ["g"], roles)
    bob = stage.enter(c, "bob", ["g"], roles)
    for client in (alice, bob):
        client.socket.send(requests.SubscribeGroupState("g", 1))
        stage.pass_by()
    alice.socket.send(requests.SetGroupState("g", {"mood": "calm"}, 2))
    stage.pass_by()
    alice.read().cut()
    stage.recover(alice, b)
    stage.pass_by(20)
    assert all(said == {"mood": "calm"} for said in heard(bob, "alice"))
    bob.socket.send(requests.SetGroupState("g", {"mood": "wild"}, 2))
    stage.pass_by()
    assert heard(alice, "bob") == [{"mood": "wild"}]
    alice.socket.leave()
    stage.pass_by(1)
    assert not heard(bob, "alice")[-1], "its end is told"
    stage.check_calm()
