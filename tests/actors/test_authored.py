"""Actors of users' own: groups that choose and revise, actors that live with a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hubbub.actors import Group, HubActor, Member, Text, ToGroup, events
from hubbub.actors.authored import ActorSpec, Build
from hubbub.actors.group_actors import GroupSpec
from hubbub.actors.messages import commands, pushes, requests
from hubbub.actors.messages.servers import Listen
from support.fakes import FakeSocket, Probe, Stage, hub_on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


class Polite(Group):
    """Says please; admits whoever has a name, and three at most."""

    def __init__(self) -> None:
        super().__init__()
        self.admitted = 0

    def admit(self, member: Member) -> bool:
        if member.user_id == "crash":
            raise RuntimeError("no luck")
        self.admitted += member.user_id is not None
        return member.user_id is not None and self.admitted <= 3

    def revise(self, push: pushes.GroupMessage) -> pushes.GroupMessage | None:
        match push.payload:
            case Text(text="crash"):
                raise RuntimeError("no luck")
            case Text(text="rude"):
                return None
            case Text(text=text):
                revised = Text(f"{text}, please")
                return msgspec.structs.replace(push, payload=revised)
            case _:
                return push


def staged(kind: Callable[[], Group] = Polite, **more: Any) -> Stage:
    return hub_on_virtual_time(groups=(GroupSpec("polite.*", kind),), **more)


def told(stage: Stage, client: FakeSocket, *messages: requests.Request) -> None:
    client.send(*messages)
    stage.settle()


def send(text: str, ack_id: int | None = None, group: str = "polite.1") -> Any:
    return requests.SendToGroup(group, Text(text), ack_id=ack_id)


def test_a_group_revises_what_is_published_to_it() -> None:
    stage = staged()
    client = stage.join("ann", groups=["polite.1", "plain"])
    told(stage, client, send("help", 1), send("help", 2, "plain"))
    assert sorted(client.data) == ["help", "help, please"]
    assert client.acks == [(1, True), (2, True)]


@pytest.mark.parametrize("text", ["rude", "crash"])
def test_a_group_keeps_a_message_from_its_members(text: str) -> None:
    stage = staged()
    client = stage.join("ann", groups=["polite.1"])
    told(stage, client, send(text, 1), send("help", 2))
    assert client.data == ["help, please"]
    assert client.acks == [(1, "Forbidden"), (2, True)]


def test_what_servers_publish_is_revised_too() -> None:
    stage = staged()
    client = stage.join("ann", groups=["polite.1"])
    stage.do(commands.Publish(ToGroup("polite.1"), Text("help")))
    assert client.data == ["help, please"]


@pytest.mark.parametrize("user", [None, "crash"])
def test_a_group_chooses_its_members(user: str | None) -> None:
    stage = staged()
    stranger = stage.join(user)
    told(stage, stranger, requests.JoinGroup("polite.1", 1))
    assert stranger.acks == [(1, "Forbidden")]
    assert not stage.exists(ToGroup("polite.1"))
    assert stage.group("polite.1") is None, "an empty group ends"
    member = stage.join("ann")
    told(stage, member, requests.JoinGroup("polite.1", 1), send("help"))
    assert member.acks == [(1, True)]
    assert (member.data, stranger.data) == (["help, please"], [])


def test_a_group_keeps_state_and_may_be_full() -> None:
    stage = staged()
    clients = [stage.join(f"u{number}") for number in range(4)]
    for client in clients:
        told(stage, client, requests.JoinGroup("polite.1", 1))
    assert [client.acks[0][1] for client in clients] == [True, True, True, "Forbidden"]


def test_a_server_that_adds_someone_is_told_of_the_refusal() -> None:
    stage, probe = staged(), Probe()
    stranger = stage.join()
    receipt = commands.Receipt(probe, "added", "missing", "refused")
    target = commands.ToConnection(stranger.connection_id)
    stage.do(commands.AddToGroup(target, "polite.1", receipt))
    assert probe.heard == ["refused"]
    server = stage.serve()
    server.ask(Listen("polite.1", 1))
    assert server.results == [(1, None)], "who listens is no member"


def test_joined_is_told_of_those_who_were_admitted() -> None:
    kind = GroupSpec("watched", Polite)
    stage = hub_on_virtual_time(groups=(kind,))
    told(stage, stage.join(), requests.JoinGroup("watched"))
    told(stage, stage.join("ann"), requests.JoinGroup("watched"))
    assert [event.client.user_id for event in stage.desk.told(events.Joined)] == ["ann"]
    assert stage.desk.told(events.Left) == []


def test_joining_and_leaving_at_once_ends_outside() -> None:
    stage = staged()
    client = stage.join("ann")
    told(
        stage,
        client,
        requests.JoinGroup("polite.1", 1),
        requests.LeaveGroup("polite.1", 2),
        send("help", 3),
    )
    assert client.data == []
    assert not stage.exists(ToGroup("polite.1"))


def test_a_group_knows_its_name_and_its_hub() -> None:
    class Greeter(Group):
        def admit(self, member: Member) -> bool:
            greeting = f"{member.user_id} came to {self.name} of {self.hub.name}"
            self.hub.publish(ToGroup("news"), greeting)
            return True

    stage = staged(Greeter)
    reader = stage.join(groups=["news"])
    stage.join("ann", groups=["polite.1"])
    assert reader.data == ["ann came to polite.1 of chat"]


def test_a_group_that_fails_starts_again_with_its_members() -> None:
    class Fragile(Group):
        def on_receive(self, message: Any) -> None:
            if message == "break":
                raise RuntimeError("told to")
            super().on_receive(message)

    stage = staged(Fragile)
    client = stage.join("ann", groups=["polite.1"])
    stage.group("polite.1").post("break")
    stage.loop.advance(0.2)
    told(stage, client, send("again"))
    assert client.data == ["again"]


class Clock(HubActor):
    """Says how often it has said so, every second."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_start(self) -> None:
        self.after(1.0, 1)

    def on_receive(self, message: int) -> None:
        self.count += message
        self.hub.publish(ToGroup("clock"), str(self.count))
        self.after(1.0, 1)
        if self.count == 3:
            raise RuntimeError("worn out")


def test_an_actor_of_a_hub_speaks_when_it_wants_and_is_built_anew() -> None:
    stage = hub_on_virtual_time(actors=(ActorSpec("clock", Build(Clock)),))
    client = stage.join("ann", groups=["clock"])
    stage.loop.advance(2.5)
    assert client.data == ["1", "2"]
    stage.loop.advance(2.5)
    assert client.data == ["1", "2", "3", "1"], "it fails alone, and begins again"
