"""Group states: what is said, who hears it, and what becomes of it across gateways."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import (
    commands,
    internal,
    peers,
    requests,
    returning,
    states,
)
from hubbub.actors.messages.pushes import StateItem
from hubbub.actors.policy.remote_states import RemoteStates
from support.fakes import (
    EVERYTHING,
    JSON,
    FakeSocket,
    Probe,
    Stage,
    hub_on_virtual_time,
)
from support.mesh_stage import MeshStage, Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.group_states import GroupStates
    from hubbub.actors.membership import Membership

ROLES = (*EVERYTHING, "webpubsub.getGroupState", "webpubsub.setGroupState")
TYPING = {"status": "typing"}
AWAY = {"status": "away"}


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


def tell(
    state: dict[str, str] | None, group: str = "g", ack_id: int | None = None
) -> requests.SetGroupState:
    return requests.SetGroupState(group, state, ack_id)


def watch(group: str = "g", ack_id: int | None = None) -> requests.SubscribeGroupState:
    return requests.SubscribeGroupState(group, ack_id)


def unwatch(
    group: str = "g", ack_id: int | None = None
) -> requests.UnsubscribeGroupState:
    return requests.UnsubscribeGroupState(group, ack_id)


def client(stage: Stage, user: str | None, *groups: str) -> FakeSocket:
    return stage.join(user, roles=ROLES, groups=groups)


def pushes(socket: FakeSocket) -> list[Any]:
    """Give what a client heard, in order: acks, and who says what."""
    told: list[Any] = []
    for message in socket.inbox:
        match message:
            case {"type": "ack", "ackId": ack_id}:
                told.append(ack_id)
            case {"type": "groupStateSnapshot", "items": items}:
                told.append(("all", _said(items)))
            case {"type": "groupStateUpdate", "items": items}:
                told.append(("new", _said(items)))
    return told


def _said(items: list[Any]) -> dict[str, str | None]:
    return {
        item.get("userId", "?"): item.get("state", {}).get("status") for item in items
    }


class View:
    """What a client makes of snapshots and updates, as the official one does."""

    def __init__(self, socket: FakeSocket, group: str = "g") -> None:
        self.known: dict[str, Any] = {}
        self.ignored: list[Any] = []
        for message in socket.inbox:
            if message.get("group") != group:
                continue
            if message["type"] == "groupStateSnapshot":
                self.known = {item["connectionId"]: item for item in message["items"]}
            if message["type"] == "groupStateUpdate":
                self._update(message["items"])

    def _update(self, items: list[Any]) -> None:
        for item in items:
            known = self.known.get(item["connectionId"])
            if known is not None and item["updatedAt"] <= known["updatedAt"]:
                self.ignored.append(item)
            else:
                self.known[item["connectionId"]] = item

    @property
    def says(self) -> dict[str, str]:
        assert self.ignored == [], "the official client ignores these"
        return {
            item.get("userId", "?"): item["state"]["status"]
            for item in self.known.values()
            if "state" in item
        }


# One gateway.


def test_a_subscriber_gets_its_ack_then_a_snapshot_then_what_changes(
    stage: Stage,
) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    ann.send(tell(TYPING, ack_id=7))
    bob.send(watch(ack_id=8))
    stage.settle()
    ann.send(tell(AWAY))
    stage.settle()
    assert ann.acks == [(7, True)]
    assert pushes(bob) == [8, ("all", {"ann": "typing"}), ("new", {"ann": "away"})]
    first, second = (m["items"][0] for m in bob.inbox if "items" in m)
    assert first["connectionId"] == ann.connection_id
    assert first["state"] == TYPING
    assert second["updatedAt"] > first["updatedAt"]


def test_an_item_has_the_time_of_the_services_clock_in_milliseconds(
    stage: Stage,
) -> None:
    stage.dispatcher.wall = lambda: 1790000000.5
    ann = client(stage, None)
    ann.send(tell(TYPING), watch())
    stage.settle()
    assert ann.inbox[-1] == {
        "type": "groupStateSnapshot",
        "group": "g",
        "items": [
            {
                "connectionId": ann.connection_id,
                "state": TYPING,
                "updatedAt": 1790000000500,
            }
        ],
    }


@pytest.mark.parametrize("clock", [[5.0] * 9, [9.0, 8, 7, 6, 5, 4, 3, 2, 1]])
def test_times_grow_although_the_clock_does_not(
    stage: Stage, clock: list[float]
) -> None:
    stage.dispatcher.wall = clock.pop
    ann = client(stage, "ann")
    ann.send(watch())
    stage.settle()
    for state in (TYPING, AWAY, None, TYPING):
        ann.send(tell(state))
        stage.settle()
    times = [m["items"][0]["updatedAt"] for m in ann.inbox if m.get("items")]
    assert times == sorted(set(times))
    assert len(times) == 4


def test_a_subscriber_hears_its_own_state(stage: Stage) -> None:
    ann = client(stage, "ann")
    ann.send(watch(), tell(TYPING))
    stage.settle()
    assert pushes(ann) == [("all", {}), ("new", {"ann": "typing"})]


def test_a_state_is_replaced_as_a_whole(stage: Stage) -> None:
    ann = client(stage, "ann")
    ann.send(tell({"a": "1", "b": "2"}), tell({"b": "3"}), watch())
    stage.settle()
    assert ann.inbox[-1]["items"][0]["state"] == {"b": "3"}


def test_what_is_cleared_is_told_without_a_state_and_is_not_in_a_snapshot(
    stage: Stage,
) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    bob.send(watch())
    ann.send(tell(TYPING))
    stage.settle()
    ann.send(tell(None, ack_id=1), tell(None, ack_id=2))
    stage.settle()
    assert ann.acks == [(1, True), (2, True)]
    assert pushes(bob)[1:] == [("new", {"ann": "typing"}), ("new", {"ann": None})]
    assert "state" not in bob.inbox[-1]["items"][0]
    ann.send(watch())
    stage.settle()
    assert pushes(ann)[-1] == ("all", {})


def test_groups_have_nothing_to_do_with_each_other(stage: Stage) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    bob.send(watch("g"), watch("h"))
    ann.send(tell(TYPING, "g"), tell(AWAY, "other"))
    stage.settle()
    assert (View(bob, "g").says, View(bob, "h").says) == ({"ann": "typing"}, {})
    assert not [m for m in bob.inbox if m.get("group") == "other"]


def test_states_are_no_messages_of_the_group(stage: Stage) -> None:
    ann, member = client(stage, "ann"), client(stage, "mem", "g")
    ann.send(watch(), tell(TYPING))
    stage.settle()
    assert member.inbox == []
    assert stage.group("g") is not None
    assert View(ann).says == {"ann": "typing"}, "who says something need be no member"


def test_who_subscribes_no_more_hears_no_more(stage: Stage) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    bob.send(watch(), unwatch(ack_id=1), unwatch(ack_id=2))
    ann.send(tell(TYPING))
    stage.settle()
    assert pushes(bob) == [("all", {}), 1, 2]


def test_who_subscribes_again_gets_a_snapshot_again(stage: Stage) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    bob.send(watch(ack_id=1))
    ann.send(tell(TYPING))
    stage.settle()
    bob.send(watch(ack_id=2))
    stage.settle()
    ann.send(tell(AWAY))
    stage.settle()
    assert pushes(bob)[3:] == [2, ("all", {"ann": "typing"}), ("new", {"ann": "away"})]


def test_leaving_the_group_clears_the_state_there(stage: Stage) -> None:
    ann, bob = client(stage, "ann", "g", "h"), client(stage, "bob")
    bob.send(watch("g"), watch("h"))
    ann.send(tell(TYPING, "g"), tell(TYPING, "h"))
    ann.send(requests.LeaveGroup("g"))
    stage.settle()
    assert (View(bob, "g").says, View(bob, "h").says) == ({}, {"ann": "typing"})
    stage.do(commands.RemoveFromGroup(commands.ToUser("ann"), "h"))
    assert View(bob, "h").says == {}


@pytest.mark.parametrize("leaving", [True, False])
def test_the_end_of_a_connection_clears_what_it_said(
    stage: Stage, leaving: bool
) -> None:
    ann, bob = client(stage, "ann", "g"), client(stage, "bob")
    bob.send(watch("g"), watch("h"))
    ann.send(tell(TYPING, "g"), tell(TYPING, "h"), watch("g"))
    stage.settle()
    if leaving:
        ann.leave()
    else:
        stage.command(commands.Close(commands.ToConnection(ann.connection_id)))
        ann.send(tell(AWAY, "h", 9), watch("h", 10))
    stage.settle()
    assert (View(bob, "g").says, View(bob, "h").says) == ({}, {})
    assert ann.acks == [], "what was on its way at the end has no effect"
    late = client(stage, "late")
    late.send(watch("h"))
    stage.settle()
    assert pushes(late) == [("all", {})]


def test_what_changes_in_one_round_is_told_together(stage: Stage) -> None:
    bob = client(stage, "bob")
    others = [client(stage, f"u{number}", "g") for number in range(20)]
    bob.send(watch())
    for other in others:
        other.send(tell(TYPING))
    stage.settle()
    stage.do(commands.RemoveAllFromGroups(("g",), None))
    assert View(bob).says == {}
    told = [what for what in pushes(bob) if what[0] == "new"]
    assert told[-1] == ("new", {f"u{number}": None for number in range(20)})


def test_a_client_that_comes_back_gets_a_snapshot_of_what_it_watches(
    stage: Stage,
) -> None:
    ann, bob = client(stage, "ann"), client(stage, "bob")
    ann.send(tell(TYPING))
    bob.send(watch("g"), watch("h"))
    stage.settle()
    bob.journal.clear()
    stage.hub().post(returning.Resumed(bob.connection_id))
    stage.hub().post(returning.Resumed(ann.connection_id))
    stage.settle()
    assert pushes(bob) == [("all", {"ann": "typing"}), ("all", {})]
    assert ann.inbox == []


@pytest.mark.parametrize(
    ("request_", "role"),
    [
        (tell(TYPING, ack_id=1), "webpubsub.getGroupState"),
        (watch(ack_id=1), "webpubsub.setGroupState"),
        (unwatch(ack_id=1), "webpubsub.setGroupState"),
    ],
)
def test_saying_and_hearing_take_a_role_each(
    stage: Stage, request_: requests.StateRequest, role: str
) -> None:
    ann = stage.join("ann", roles=[role])
    ann.send(request_)
    stage.settle()
    assert ann.acks == [(1, "Forbidden")]
    assert len(ann.inbox) == 1


def test_a_connection_says_and_hears_something_in_a_thousand_groups_at_most(
    stage: Stage,
) -> None:
    ann = client(stage, "ann")
    for number in range(1000):
        ann.send(tell(TYPING, f"g{number}"), watch(f"g{number}"))
    ann.send(tell(TYPING, "more", 1), watch("more", 2))
    ann.send(tell(AWAY, "g0", 3), watch("g0", 4))
    stage.settle()
    assert ann.acks == [(1, "Forbidden"), (2, "Forbidden"), (3, True), (4, True)]
    ann.send(tell(None, "g1"), tell(TYPING, "more", 5), unwatch("g1"), watch("more", 6))
    stage.settle()
    assert ann.acks[4:] == [(5, True), (6, True)]


# Several gateways.


def admitted(
    stage: MeshStage, node: Node, user: str | None, groups: Sequence[str] = ()
) -> FakeSocket:
    """Let a client in that may say and hear everything."""
    socket = FakeSocket()
    applicant = internal.Applicant(user, ROLES, tuple(groups), {}, {}, {}, (JSON,))
    node.gateway.post(internal.Admit("chat", applicant, socket))
    stage.pass_by()
    socket.journal.clear()
    return socket


class Story:
    """Two gateways, with clients that may say and hear everything."""

    def __init__(self, **pace: float) -> None:
        self.stage = MeshStage(**pace)
        self.news: list[states.StateNews] = []
        self.stage.network.tap = self._tap
        self.a = self.stage.start("a")
        self.b = self.stage.start("b", "a")
        self.stage.pass_by(2)

    def _tap(self, _source: str, _target: str, packet: object) -> None:
        if isinstance(packet, peers.Batch):
            self.news += [m for m in packet.messages if isinstance(m, states.StateNews)]

    def client(
        self, node: Node, user: str | None, groups: Sequence[str] = ()
    ) -> FakeSocket:
        return admitted(self.stage, node, user, groups)

    def do(self, socket: FakeSocket, *wishes: requests.Request) -> None:
        socket.send(*wishes)
        self.stage.pass_by()

    def hub(self, node: Node) -> Any:
        gateway = node.gateway._actor_weakref()
        assert gateway is not None
        return gateway._hubs["chat"]

    def membership(self, node: Node) -> Membership:
        found: Membership = self.hub(node)._actor_weakref()._membership
        return found

    def states(self, node: Node) -> GroupStates:
        return self.membership(node).states


@pytest.fixture
def story() -> Story:
    return Story()


def test_who_subscribes_elsewhere_afterwards_gets_what_is_said(story: Story) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    assert story.news == [], "nobody is interested"
    story.do(bob, watch(ack_id=1))
    assert pushes(bob) == [1, ("all", {"ann": "typing"})]
    story.do(ann, tell(AWAY))
    story.do(ann, tell(None))
    assert pushes(bob)[2:] == [("new", {"ann": "away"}), ("new", {"ann": None})]


def test_who_subscribed_before_hears_what_is_said_elsewhere(story: Story) -> None:
    ann, bob = story.client(story.a, "ann", ["g"]), story.client(story.b, "bob")
    story.do(bob, watch(ack_id=1))
    story.do(ann, tell(TYPING))
    assert pushes(bob) == [1, ("all", {}), ("new", {"ann": "typing"})]
    story.do(ann, requests.LeaveGroup("g"))
    story.do(ann, tell(AWAY))
    ann.leave()
    story.stage.pass_by()
    assert pushes(bob)[3:] == [
        ("new", {"ann": None}),
        ("new", {"ann": "away"}),
        ("new", {"ann": None}),
    ]


def test_a_second_subscriber_of_a_gateway_asks_nobody(story: Story) -> None:
    ann = story.client(story.a, "ann")
    bob, bea = story.client(story.b, "bob"), story.client(story.b, "bea")
    story.do(ann, tell(TYPING))
    story.do(bob, watch())
    story.do(ann, tell(AWAY))
    bea.send(watch(ack_id=1))
    story.stage.loop.settle()
    assert pushes(bea) == [1, ("all", {"ann": "away"})]


def test_what_is_said_while_a_subscriber_waits_for_its_snapshot_is_in_it_or_after_it(
    story: Story,
) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    bea = story.client(story.b, "bea")
    story.do(ann, tell(TYPING))
    bob.send(watch(ack_id=1))
    for state in (AWAY, TYPING, AWAY):
        ann.send(tell(state))
        bea.send(tell(state))
        story.stage.pass_by(0.001)
    story.stage.pass_by()
    kinds = [what if isinstance(what, int) else what[0] for what in pushes(bob)]
    assert kinds[:2] == [1, "all"]
    assert set(kinds[2:]) <= {"new"}
    assert View(bob).says == {"ann": "away", "bea": "away"}


def test_only_gateways_with_a_subscriber_are_told(story: Story) -> None:
    c = story.stage.start("c", "a")
    story.stage.pass_by(2)
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    cid = story.client(c, "cid")
    story.do(bob, watch("g"))
    story.do(cid, watch("h"))
    story.news.clear()
    story.do(ann, tell(TYPING, "g"))
    assert [(news.group, len(news.items)) for news in story.news] == [("g", 1)]


@pytest.mark.parametrize("leaving", [True, False])
def test_after_the_last_subscriber_nothing_is_told_any_more(
    story: Story, leaving: bool
) -> None:
    ann = story.client(story.a, "ann")
    bob, bea = story.client(story.b, "bob"), story.client(story.b, "bea")
    story.do(bob, watch())
    story.do(bea, watch())
    if leaving:
        bob.leave()
    else:
        bob.send(unwatch())
    story.do(ann, tell(TYPING))
    assert View(bea).says == {"ann": "typing"}
    if leaving:
        bea.leave()
    else:
        bea.send(unwatch())
    story.stage.pass_by()
    story.news.clear()
    story.do(ann, tell(AWAY))
    assert story.news == []
    late = story.client(story.b, "late")
    story.do(late, watch())
    assert pushes(late) == [("all", {"ann": "away"})]


def test_a_peer_that_comes_later_brings_what_is_said_with_it(story: Story) -> None:
    bob = story.client(story.b, "bob")
    story.do(bob, watch(ack_id=1))
    c = story.stage.start("c")
    cid = story.client(c, "cid")
    story.do(cid, tell(TYPING))
    assert pushes(bob) == [1, ("all", {})]
    d = story.stage.start("d", "c", "b")
    story.stage.pass_by(3)
    assert len(d.ups()) == 3
    assert View(bob).says == {"cid": "typing"}
    story.do(cid, tell(AWAY))
    assert View(bob).says == {"cid": "away"}


def test_what_a_peer_that_falls_said_is_cleared(story: Story) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    story.do(bob, watch(), tell(AWAY))
    story.a.crash()
    story.stage.pass_by(13)
    assert story.b.ups() == []
    assert View(bob).says == {"bob": "away"}
    late = story.client(story.b, "late")
    story.do(late, watch())
    assert pushes(late) == [("all", {"bob": "away"})]


def test_what_a_peer_says_that_was_cut_off_is_said_again(story: Story) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    story.do(bob, watch())
    for _ in range(3):
        story.stage.cut(story.a, story.b)
        story.stage.pass_by(13)
        assert View(bob).says == {}
        story.stage.heal(story.a, story.b)
        story.stage.pass_by(3)
        assert View(bob).says == {"ann": "typing"}
    story.do(ann, tell(AWAY))
    story.do(ann, tell(None))
    assert View(bob).says == {}
    told = [what for what in pushes(bob) if what[0] == "new"]
    assert told[-2:] == [("new", {"ann": "away"}), ("new", {"ann": None})]


def test_what_is_cleared_during_a_cut_stays_cleared(story: Story) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    story.do(bob, watch())
    story.stage.cut(story.a, story.b)
    ann.send(tell(None))
    story.stage.pass_by(13)
    story.stage.heal(story.a, story.b)
    story.stage.pass_by(3)
    assert View(bob).says == {}


def test_a_peer_that_does_not_answer_is_left_out_and_the_log_says_so(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    bea = story.client(story.b, "bea")
    story.do(ann, tell(TYPING))
    story.do(bea, tell(AWAY))
    story.stage.cut(story.a, story.b)
    bob.send(watch(ack_id=1))
    story.stage.pass_by(1.5)
    assert pushes(bob) == [], "nobody can know whether the peer knows"
    story.stage.pass_by(2.5)
    assert pushes(bob) == [1], "it is not waited for with the ack as long as it may say"
    story.stage.pass_by(3)
    assert pushes(bob) == [1, ("all", {"bea": "away"})]
    told = [record.getMessage() for record in caplog.records]
    assert len([t for t in told if "states of a group are missing" in t]) == 1
    story.stage.heal(story.a, story.b)
    story.stage.pass_by(2)
    assert story.b.peer(story.a).epoch == 1, "the link has not fallen meanwhile"
    assert View(bob).says == {"ann": "typing", "bea": "away"}, "better late than never"


def test_a_peer_that_goes_while_it_is_asked_is_not_waited_for(story: Story) -> None:
    bob = story.client(story.b, "bob")
    story.stage.network.hold(story.a.endpoint, story.b.endpoint)
    bob.send(watch(ack_id=1))
    story.stage.pass_by(0.5)
    assert pushes(bob) == []
    story.a.crash()
    story.stage.start("c", "b", place="a")
    story.stage.network.heal(story.a.endpoint, story.b.endpoint)
    story.stage.pass_by(3)
    assert pushes(bob) == [1, ("all", {})]


def test_a_group_in_which_many_say_something_is_told_page_by_page(
    story: Story,
) -> None:
    large = {"status": "x" * 8000}
    crowd = [story.client(story.a, f"u{number}") for number in range(40)]
    for one in crowd:
        one.send(tell(large))
    bob = story.client(story.b, "bob")
    sent: list[Any] = []
    story.stage.network.tap = lambda _, __, packet: sent.append(packet)
    story.do(bob, watch())
    pages = [
        message.value
        for packet in sent
        if isinstance(packet, peers.Batch)
        for message in packet.messages
        if isinstance(message, peers.Return)
        and isinstance(message.value, states.StatePage)
    ]
    assert [getattr(page, "more", None) for page in pages] == [True, True, False]
    assert len(View(bob).says) == 40
    assert [what[0] for what in pushes(bob)] == ["all"]


def test_times_grow_across_gateways_whose_clocks_differ(story: Story) -> None:
    story.a.dispatcher.wall = lambda: 9_000.0
    story.b.dispatcher.wall = lambda: 5.0
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    story.do(bob, watch())
    story.do(bob, tell(TYPING))
    kept = story.states(story.a).export(ann.connection_id)
    assert [group for group, _ in kept.own] == ["g"]
    story.states(story.b).adopt(bob.connection_id, "ann", Probe(), kept)
    story.stage.pass_by()
    assert View(bob).ignored == []
    item = View(bob).known[bob.connection_id]
    assert item["updatedAt"] > 9_000_000, "it is never older than what it replaces"


def test_a_hub_that_begins_anew_says_nothing_any_more(story: Story) -> None:
    ann, bob = story.client(story.a, "ann"), story.client(story.b, "bob")
    story.do(ann, tell(TYPING))
    story.do(bob, watch())
    story.hub(story.a).post("nonsense")
    story.stage.pass_by(0.5)
    assert View(bob).says == {}
    late = story.client(story.a, "late")
    story.do(late, tell(AWAY), watch())
    assert View(bob).says == {"late": "away"}
    assert View(late).says == {"late": "away"}


def _clock(stage: MeshStage, skew: int) -> float:
    return stage.loop.now + skew


clients = st.integers(0, 5)
doings = st.one_of(
    st.tuples(st.just("say"), clients, st.sampled_from(["typing", "away", None])),
    st.tuples(st.sampled_from(["watch", "unwatch", "leave"]), clients, st.none()),
    st.tuples(st.sampled_from(["cut", "heal"]), st.integers(0, 2), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.002, 0.5, 4.0, 13.0]), st.none()),
)


@given(st.lists(doings, max_size=25), st.tuples(*[st.integers(0, 9)] * 3))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_every_subscriber_knows_in_the_end_what_is_said(
    story: list[Any], skews: tuple[int, ...]
) -> None:
    stage = MeshStage()
    nodes = [stage.start("a"), stage.start("b", "a"), stage.start("c", "a")]
    for node, skew in zip(nodes, skews, strict=True):
        node.dispatcher.wall = partial(_clock, stage, skew)
    stage.pass_by(2)
    sockets = [
        admitted(stage, node, f"u{number}") for number, node in enumerate(nodes * 2)
    ]
    truth: dict[str, str] = {}
    watching: dict[int, None] = {}
    gone: dict[int, None] = {}
    for what, who, status in story:
        match what:
            case "wait":
                stage.pass_by(who)
            case "cut":
                stage.cut(nodes[who], nodes[who - 1])
            case "heal":
                stage.heal(nodes[who], nodes[who - 1])
            case _ if who in gone:
                pass
            case "say":
                sockets[who].send(tell(status and {"status": status}))
                truth.pop(f"u{who}", None)
                if status:
                    truth[f"u{who}"] = status
            case "watch":
                sockets[who].send(watch())
                watching[who] = None
            case "unwatch":
                sockets[who].send(unwatch())
                watching.pop(who, None)
            case "leave":
                sockets[who].leave()
                gone[who] = None
                truth.pop(f"u{who}", None)
                watching.pop(who, None)
    for number in range(3):
        stage.heal(nodes[number], nodes[number - 1])
    stage.pass_by(30)
    for who in watching:
        assert View(sockets[who]).says == truth


# A connection that moves.


def test_a_state_that_moves_is_neither_cleared_nor_lost(story: Story) -> None:
    c = story.stage.start("c", "a")
    story.stage.pass_by(2)
    ann, bob, cid = (
        story.client(node, user)
        for node, user in ((story.a, "ann"), (story.b, "bob"), (c, "cid"))
    )
    for socket in (ann, bob, cid):
        story.do(socket, watch())
    story.do(ann, tell(TYPING))
    name = ann.connection_id
    kept = story.states(story.a).export(name)
    assert kept.watched == ("g",)
    outlet = Probe()
    story.membership(c).abroad.moved_in(name)
    story.states(c).adopt(name, "ann", outlet, kept)
    ann.leave()
    story.stage.pass_by(20)
    for socket in (bob, cid):
        assert View(socket).says == {"ann": "typing"}
        told = [what for what in pushes(socket) if what[0] == "new"]
        assert ("new", {"ann": None}) not in told
    assert [type(push).__name__ for push in outlet.heard] == ["GroupStateSnapshot"]
    story.states(c).gone(name)
    story.stage.pass_by()
    assert View(bob).says == View(cid).says == {}


def test_a_state_that_is_lost_on_its_way_is_cleared_in_the_end(story: Story) -> None:
    ann, bob, bea = (
        story.client(node, user)
        for node, user in ((story.a, "ann"), (story.b, "bob"), (story.a, "bea"))
    )
    for socket in (bob, bea):
        story.do(socket, watch())
    story.do(ann, tell(TYPING))
    story.states(story.a).export(ann.connection_id)
    ann.leave()
    story.stage.pass_by(5)
    late = story.client(story.a, "late")
    story.do(late, watch())
    for socket in (bob, bea, late):
        assert View(socket).says == {"ann": "typing"}, "it may arrive yet"
    story.stage.pass_by(15)
    for socket in (bob, bea, late):
        assert View(socket).says == {}


# What is shown of what peers say.

sources = st.sampled_from("ABC")
events = st.one_of(
    st.tuples(
        st.just("hear"),
        sources,
        st.lists(
            st.tuples(st.sampled_from("xyz"), st.booleans(), st.integers(0, 30)),
            max_size=4,
        ),
    ),
    st.tuples(st.just("lose"), sources, st.none() | st.sampled_from("xyz")),
)


@given(st.lists(events, max_size=40))
def test_whatever_peers_say_what_is_shown_is_what_is_said_and_newer_than_before(
    story: list[Any],
) -> None:
    table: RemoteStates[str] = RemoteStates()
    shown: dict[str, StateItem] = {}
    newest: dict[str, int] = {}
    for kind, source, what in story:
        if kind == "hear":
            news = table.hear(
                source,
                [
                    StateItem(name, None, {"n": str(time)} if says else None, time)
                    for name, says, time in what
                ],
            )
        else:
            news = table.lose(source, what)
            assert all(item.state is None for item in news)
        for item in news:
            name = item.connection_id
            assert item.updated_at > newest.get(name, -1)
            newest[name] = item.updated_at
            if item.state is None:
                del shown[name]
            else:
                shown[name] = item
        assert {item.connection_id: item for item in table} == shown


def test_the_greater_time_wins_whoever_says_it() -> None:
    table: RemoteStates[str] = RemoteStates()
    old, new = StateItem("x", None, {"n": "1"}, 1), StateItem("x", None, {"n": "2"}, 2)
    assert table.hear("B", [new]) == [new]
    assert table.hear("A", [old]) == []
    assert table.lose("A") == []
    assert list(table) == [new]
    assert table.lose("B") == [StateItem("x", None, None, 3)]
    assert table.hear("B", [new]) == [StateItem("x", None, {"n": "2"}, 4)]
