"""Peers of a gateway: how they are found, counted, refused, and how links end."""

from __future__ import annotations

import logging

import msgspec
import pytest

from hubbub.actors.messages import commands, internal, mesh, peers, servers
from hubbub.actors.messages.commands import ToConnection, ToGroup, ToUser
from support.fakes import Probe, publish, say
from support.mesh_stage import MeshStage

A, B, C = "0000000a", "0000000b", "0000000c"


@pytest.fixture
def stage() -> MeshStage:
    return MeshStage()


# Finding each other.


def test_one_seed_is_enough_and_peers_learn_the_rest(stage: MeshStage) -> None:
    a = stage.start("a")
    b, c = stage.start("b", "a"), stage.start("c", "a")
    stage.pass_by(3)
    assert (a.ups(), b.ups(), c.ups()) == ([B, C], [A, C], [A, B])


def test_a_seed_that_comes_later_is_found(stage: MeshStage) -> None:
    b = stage.start("b", "a")
    stage.pass_by(20)
    assert b.ups() == []
    stage.start("a")
    stage.pass_by(3)
    assert b.ups() == [A]


def test_a_gateway_that_is_its_own_seed_has_no_peer_and_no_trouble(
    stage: MeshStage,
) -> None:
    a, settled = stage.start("a", "a"), Probe()
    stage.pass_by(1)
    a.gateway.post(mesh.Settle(settled))
    stage.pass_by()
    assert settled.heard == [True]
    assert a.view().peers == ()


def test_it_settles_when_every_seed_has_said_what_it_wants(stage: MeshStage) -> None:
    a, settled = stage.start("a"), Probe()
    a.client("alice", ["g"])
    stage.pass_by()
    b = stage.start("b", "a")
    b.gateway.post(mesh.Settle(settled))
    settled.expect_nothing()
    while not settled.heard:
        stage.pass_by(0.001)
    assert settled.heard == [True]
    probe = Probe()
    b.command(commands.Exists(ToGroup("g"), probe))
    stage.pass_by()
    assert probe.heard == [True]


def test_it_does_not_wait_for_ever_for_a_seed(stage: MeshStage) -> None:
    a, settled = stage.start("a", "nobody"), Probe()
    a.gateway.post(mesh.Settle(settled))
    stage.pass_by(2.9)
    settled.expect_nothing()
    stage.pass_by(0.2)
    assert settled.heard == [False]


def test_seeds_that_are_found_later_take_the_place_of_those_before(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "nobody")
    b.gateway.post(mesh.Seeds((a.endpoint,)))
    stage.pass_by(2)
    assert b.ups() == [A]
    assert [peer.endpoint for peer in b.view().peers] == [a.endpoint]


# Being refused.


def test_another_cluster_is_refused_and_told_why(
    stage: MeshStage, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = stage.start("a", cluster="blue"), stage.start("b", "a", cluster="green")
    stage.pass_by(5)
    assert (a.ups(), b.ups()) == ([], [])
    peer = b.peer(a)
    assert peer.state == "refused"
    assert peer.trouble == "it belongs to cluster 'green', not to 'blue'"
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "is refused as a peer" in text]) == 1
    assert len([text for text in told if "refuses to be a peer" in text]) == 1


def test_another_version_is_refused_and_told_why(stage: MeshStage) -> None:
    a, old = stage.start("a"), stage.network.wire("loopback://old")
    stage.pass_by()
    heard = Probe()
    old.open(heard)
    old.dial(a.endpoint).send(
        peers.Knock(peers.VERSION + 1, "hubbub", "0000000d", "loopback://old", 5)
    )
    stage.pass_by(1)
    refusal = heard.expect(peers.Refusal)
    assert (refusal.gateway, refusal.number) == ("0000000d", 5)
    assert "run the same release" in refusal.reason
    assert a.ups() == []


def test_a_gateway_with_the_same_id_is_refused(stage: MeshStage) -> None:
    stage.start("a")
    twin = stage.start("a", "a", place="elsewhere")
    stage.pass_by(2)
    assert twin.ups() == []
    assert "another gateway has the same id" in twin.view().peers[0].trouble


def test_a_refusal_that_answers_nothing_has_no_effect(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    stage.network.inject(b.endpoint, peers.Refusal(B, 12345, "go away"))
    stage.pass_by(2)
    assert b.peer(a).state == "up"


# Ends of links.


def test_a_short_cut_loses_nothing(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann"), b.client("bob", ["g"])
    stage.pass_by()
    stage.cut(a, b)
    ann.send(*(say("g", str(number)) for number in range(5)))
    stage.pass_by(5)
    assert bob.data == []
    stage.heal(a, b)
    stage.pass_by(2)
    assert bob.data == ["0", "1", "2", "3", "4"]
    assert (a.peer(b).epoch, a.peer(b).lost) == (1, 0)
    assert a.peer(b).resent > 0


def test_a_long_cut_ends_the_epoch_and_what_is_lost_is_counted(
    stage: MeshStage, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann"), b.client("bob", ["g"])
    stage.pass_by()
    stage.cut(a, b)
    ann.send(say("g", "lost"))
    stage.pass_by(13)
    assert a.ups() == []
    assert a.peer(b).lost >= 1
    assert "was silent for" in a.peer(b).trouble
    assert any("messages lost" in record.getMessage() for record in caplog.records)
    stage.heal(a, b)
    stage.pass_by(3)
    ann.send(say("g", "again"))
    stage.pass_by()
    assert bob.data == ["again"]
    assert a.peer(b).epoch == 2


def test_a_peer_that_takes_nothing_holds_publishers_up_and_then_is_given_up(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann"), b.client("bob", ["g"])
    stage.pass_by()
    stage.network.hold(a.endpoint, b.endpoint)
    for _ in range(17):
        a.command(publish(ToGroup("g"), "x" * (1 << 20)))
    stage.pass_by()
    assert a.dispatcher.held
    stage.pass_by(4)
    assert not a.dispatcher.held, "the others go on"
    assert a.peer(b).lost == 17
    assert "does not keep up" in a.peer(b).trouble
    ann.send(say("local", "x", ack_id=1))
    stage.pass_by()
    assert ann.acks == [(1, True)]
    assert bob.data == []


def test_a_join_is_acknowledged_late_when_a_peer_is_cut_off(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    bob = b.client("bob")
    stage.pass_by()
    stage.cut(a, b)
    stage.join(bob, "g")
    stage.pass_by(1.5)
    assert bob.acks == []
    stage.pass_by(3)
    assert bob.acks == [(1, True)]


def test_a_client_is_let_in_late_when_a_peer_is_cut_off(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    stage.cut(a, b)
    bob = b.client("bob")
    stage.pass_by(1.5)
    assert bob.all("accepted") == []
    stage.pass_by(3)
    assert bob.all("accepted") == [None]


def test_a_client_that_leaves_before_it_is_let_in_leaves_nothing_behind(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    stage.cut(a, b)
    bob = b.client("bob", ["g"])
    stage.pass_by(0.5)
    bob.leave()
    stage.heal(a, b)
    stage.pass_by(3)
    probe = Probe()
    a.command(commands.Exists(ToUser("bob"), probe))
    stage.pass_by()
    assert probe.heard == [False]
    before = a.peer(b).relayed
    a.command(publish(ToUser("bob"), "x"), publish(ToGroup("g"), "x"))
    stage.pass_by()
    assert a.peer(b).relayed == before, "nobody there wants it"


def test_a_process_that_takes_the_place_of_another_ends_its_link(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    b.crash()
    again = stage.start("c", "a", place="b")
    stage.pass_by(3)
    assert a.ups() == [C]
    assert (a.peer(again).epoch, again.ups()) == (2, [A])
    assert len(a.view().peers) == 1


def test_a_drain_says_goodbye_after_all_was_taken(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    bob = b.client("bob", ["g"])
    stage.pass_by()
    drained = Probe()
    a.command(publish(ToGroup("g"), "last words"))
    a.gateway.post(internal.Drain(drained))
    stage.pass_by(1.5)
    assert drained.heard == [True]
    assert bob.data == ["last words"]
    stage.pass_by(3)
    assert b.view().peers[0].state == "greeting", "the seed is looked for again"
    assert b.peer(a).lost == 0


def test_gateways_that_leave_together_part_without_a_loss_or_a_new_epoch(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    drained = Probe()
    for node in (a, b):
        node.gateway.post(internal.Drain(drained))
    stage.pass_by(3)
    assert drained.heard == [True, True]
    assert (a.ups(), b.ups()) == ([], [])


def test_malformed_batches_end_the_link_and_it_comes_back(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    tags: list[int] = []

    def tap(_source: str, target: str, packet: object) -> None:
        if isinstance(packet, peers.Heartbeat) and target == a.endpoint:
            tags.append(packet.tag)

    stage.network.tap = tap
    stage.pass_by(2)
    stage.network.inject(a.endpoint, peers.Malformed(B, tags[-1] + 1, "nonsense"))
    stage.pass_by(2)
    assert a.peer(b).epoch == 1, "a stranger cannot end a link"
    stage.network.inject(a.endpoint, peers.Malformed(B, tags[-1], "nonsense"))
    stage.pass_by(0.001)
    assert a.ups() == []
    assert "nonsense" in a.peer(b).trouble
    stage.pass_by(3)
    assert (a.ups(), b.ups(), a.peer(b).epoch) == ([B], [A], 2)


def test_recorded_batches_of_an_earlier_epoch_have_no_effect(stage: MeshStage) -> None:
    recorded: list[tuple[str, peers.Packet]] = []
    stage.network.tap = lambda _, target, packet: recorded.append((target, packet))
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann"), b.client("bob", ["g"])
    stage.pass_by()
    ann.send(say("g", "once"))
    stage.pass_by()
    stage.cut(a, b)
    stage.pass_by(13)
    stage.heal(a, b)
    stage.pass_by(3)
    stage.network.tap = lambda *_: None
    for target, packet in tuple(recorded):
        stage.network.inject(target, packet)
    stage.pass_by(3)
    assert bob.data == ["once"]
    assert (a.peer(b).epoch, b.peer(a).epoch) == (2, 2)


# Questions.


def test_a_question_to_a_peer_that_does_not_answer_has_an_end(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    bob = b.client("bob")
    stage.pass_by()
    stage.cut(a, b)
    probe = Probe()
    a.command(
        commands.Exists(ToUser("bob"), probe),
        commands.Members("g", "", 10, probe),
        commands.Exists(ToConnection(bob.connection_id), probe),
    )
    stage.pass_by(4)
    assert probe.heard == [commands.MemberPage((), more=False)], "nobody is asked"
    stage.pass_by(3)
    assert [type(answer) for answer in probe.heard[1:]] == [commands.Unavailable] * 2


def test_a_question_to_a_peer_that_goes_is_answered_at_once(stage: MeshStage) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    b.client("bob")
    stage.pass_by()
    stage.network.hold(a.endpoint, b.endpoint)
    probe = Probe()
    a.command(commands.Exists(ToUser("bob"), probe))
    stage.pass_by()
    b.crash()
    stage.start("c", "a", place="b")
    stage.network.heal(a.endpoint, b.endpoint)
    stage.pass_by(3)
    assert isinstance(probe.heard[0], commands.Unavailable)


def test_workers_of_one_site_count_together_and_strangers_do_not(
    stage: MeshStage,
) -> None:
    one = stage.start("a", site="here", worker="0", figures=lambda _: b"zero")
    stage.start("b", "a", site="here", worker="1", figures=lambda _: b"one")
    stage.start("c", "a", site="there", worker="0", figures=lambda _: b"other")
    stage.pass_by(3)
    tally = Probe()
    one.gateway.post(mesh.Count(tally))
    stage.pass_by(0.1)
    assert tally.expect(mesh.Tally).figures == {"0": b"zero", "1": b"one"}


def test_a_worker_that_does_not_say_is_left_out(stage: MeshStage) -> None:
    one = stage.start("a", site="here", worker="0", figures=lambda _: b"zero")
    two = stage.start("b", "a", site="here", worker="1", figures=lambda _: b"one")
    stage.pass_by(3)
    stage.cut(one, two)
    tally = Probe()
    one.gateway.post(mesh.Count(tally))
    stage.pass_by(2)
    assert tally.expect(mesh.Tally).figures == {"0": b"zero"}


def test_a_filter_that_is_a_function_stays_here_and_the_log_says_so(
    stage: MeshStage, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann", ["g"]), b.client("bob", ["g"])
    stage.pass_by()
    sent = publish(ToGroup("g"), "x")
    a.command(msgspec.structs.replace(sent, where=lambda _: True))
    stage.pass_by()
    assert (ann.data, bob.data) == (["x"], [])
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "give it as a text" in errors[0].getMessage()


def test_servers_of_a_gateway_that_drains_stay_for_the_events_of_peers(
    stage: MeshStage,
) -> None:
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    server = stage.serve(a, servers.Rule("disconnected"))
    bob = b.client("bob")
    stage.pass_by()
    drained = Probe()
    for node in (a, b):
        node.gateway.post(internal.Drain(drained))
    stage.pass_by(0.5)
    assert bob.all("closed") == [(1001, "the gateway is shutting down")]
    (event,) = [push for push in server.inbox if push["type"] == "event"]
    assert (event["kind"], drained.heard) == ("disconnected", [])
    server.send(servers.Answer(event["eventId"], None))
    stage.pass_by(2)
    assert server.inbox[-1]["type"] == "draining"
    assert server.all("closed") == [(1001, "the gateway is shutting down")]
