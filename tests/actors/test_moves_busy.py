"""Sessions that should move and are busy, or end, or are wanted twice."""

from __future__ import annotations

import pytest

from hubbub.actors.messages import events, requests
from hubbub.actors.messages.commands import ToGroup
from hubbub.actors.messages.payload import Text
from hubbub.actors.policy.retention import Bounds
from support.fakes import RELIABLE, FakeSocket, publish
from support.moves_stage import SHORT, MovesStage, Traffic, away, insist

G = ToGroup("g")


@pytest.fixture
def stage() -> MovesStage:
    return MovesStage("abc")


# Sessions that are busy, or end.


def test_a_session_whose_event_is_under_way_moves_once_it_is_answered(
    stage: MovesStage,
) -> None:
    a, b, _ = stage.nodes
    client = stage.enter(a, "alice", ["g"])
    client.socket.send(requests.SendEvent("ask", Text("x"), 1))
    client.socket.send(requests.JoinGroup("h", 2))
    client.cut()
    stage.pass_by()
    client.come_back(b.recover)
    stage.pass_by(1)
    assert stage.recover(client, a, attempts=1).is_to_try_again
    assert client.socket.all("rejected")[0][0] == 503
    assert stage.recover(client, b, attempts=1).is_to_try_again
    stage.pass_by(5)
    stage.desk(a).answer(events.Respond(Text("yes")))
    stage.pass_by(5)
    insist(stage, client, b, 20)
    assert client.is_in
    b.command(publish(ToGroup("h"), "h"))
    stage.pass_by()
    assert client.read().data == ["yes", "h"]


class Hasty(FakeSocket):
    """A client of which a request more was read before reading stopped."""

    def pause(self) -> None:
        super().pause()
        self.send(requests.SendEvent("late", Text("x"), 1))


def test_what_was_read_of_a_client_before_its_session_leaves_is_served(
    stage: MovesStage,
) -> None:
    a, b, _ = stage.nodes
    client = away(stage, a, "g")
    client.come_back(lambda name: a.recover(name, Hasty(RELIABLE)))
    stage.pass_by()
    client.read().come_back(b.recover)
    stage.pass_by(1)
    stage.desk(a).answer(events.Respond(Text("yes")))
    insist(stage, client, b, 5)
    client.socket.send(requests.SendEvent("late", Text("x"), 1))
    stage.pass_by()
    assert client.read().data == ["yes"]
    assert client.socket.acks == [(1, "Duplicate")]
    assert stage.told(events.UserEvent) == 1


def test_a_client_that_is_back_in_time_does_not_lose_its_session_on_the_way(
    stage: MovesStage,
) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.slow(c, a, SHORT, SHORT)
    stage.pass_by(59.8)
    client.come_back(b.recover)
    stage.pass_by(1)
    assert client.is_in
    client.cut()
    stage.pass_by(59)
    assert stage.recover(client, c).is_in
    assert stage.told(events.Disconnected) == 0


def test_a_session_that_moved_and_is_not_fetched_ends_once(stage: MovesStage) -> None:
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    left = FakeSocket(RELIABLE, refusal=events.Reject(500, "The client left."))
    client.come_back(lambda name: b.recover(name, left))
    stage.pass_by(1)
    assert left.all("rejected")
    stage.pass_by(59)
    assert stage.exists(c, client.connection_id)
    stage.pass_by(2)
    assert not stage.exists(c, client.connection_id)
    assert stage.told(events.Disconnected) == 1
    assert stage.recover(client, c).is_lost
    stage.check_calm()


def test_two_doors_at_two_gateways_leave_one_session() -> None:
    stage = MovesStage("abc")
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.slow(c, a, SHORT, SHORT)
    traffic = Traffic(client, "alice", "g", stage.nodes)
    one = b.recover(client.connection_id)
    stage.pass_by(0.01)
    traffic.say()
    other = c.recover(client.connection_id)
    stage.pass_by(1)
    assert one.all("accepted")
    assert [status for status, _ in other.all("rejected")] == [503]
    insist(stage, client, c, 5)
    traffic.say()
    stage.pass_by()
    traffic.check()
    assert one.all("closed") or one.all("displaced")
    stage.check_calm()


def test_a_session_of_which_too_much_is_kept_ends_on_the_way() -> None:
    stage = MovesStage("abc", Bounds(messages=10))
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    stage.slow(c, a, SHORT, SHORT)
    client.come_back(b.recover)
    stage.pass_by(0.02)
    for number in range(30):
        c.command(publish(G, str(number)))
        b.command(publish(G, str(number)))
    stage.pass_by(2)
    if client.is_in:
        assert client.closed == 1008
    else:
        assert client.is_lost
    assert stage.recover(client, c).is_lost
    assert stage.told(events.Disconnected) == 1
    stage.check_calm()


def test_what_came_while_away_counts_wherever_it_came() -> None:
    stage = MovesStage("abc", Bounds(messages=20))
    a, b, c = stage.nodes
    client = away(stage, a, "g")
    a.command(*(publish(G, str(number)) for number in range(15)))
    stage.pass_by()
    left = FakeSocket(RELIABLE, refusal=events.Reject(500, "The client left."))
    client.come_back(lambda name: b.recover(name, left))
    stage.pass_by()
    c.command(*(publish(G, str(number)) for number in range(15, 20)))
    stage.pass_by()
    assert stage.exists(c, client.connection_id)
    c.command(publish(G, "20"))
    stage.pass_by()
    assert not stage.exists(c, client.connection_id)
    assert stage.told(events.Disconnected) == 1
    assert stage.recover(client, c).is_lost
    stage.check_calm()
