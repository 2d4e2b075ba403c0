"""How reliable sessions end: who may still come back, and who may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.actors.messages import commands, events, internal, requests
from hubbub.actors.policy.retention import Bounds
from support.fakes import Probe, publish
from support.reliable_stage import ReliableStage

if TYPE_CHECKING:
    from support.reliable_client import ReliableClient

G = commands.ToGroup("g")


@pytest.fixture
def stage() -> ReliableStage:
    return ReliableStage()


def fill(stage: ReliableStage, first: int, last: int) -> list[str]:
    """Publish a series of numbers to the group."""
    texts = [str(n) for n in range(first, last + 1)]
    stage.do(*(publish(G, text) for text in texts))
    return texts


def ends(stage: ReliableStage) -> list[str | None]:
    """What the handler heard of ends, oldest first."""
    return [event.reason for event in stage.desk.told(events.Disconnected)]


def is_over(stage: ReliableStage, client: ReliableClient) -> bool:
    """Whether a session is over for everybody; who comes back is told so."""
    stage.back(client)
    exists = stage.exists(commands.ToConnection(client.connection_id))
    assert exists is not client.is_lost
    assert client.is_in is exists
    return client.is_lost


# The client goes.


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 4000])
def test_a_client_that_does_not_say_goodbye_may_come_back(
    stage: ReliableStage, code: int
) -> None:
    client = stage.client(groups=["g"])
    client.socket.send(requests.SocketClosed(code, ""))
    fill(stage, 1, 3)
    assert not is_over(stage, client)
    assert client.data == ["1", "2", "3"]
    assert ends(stage) == []


def test_a_client_that_says_goodbye_is_gone_at_once(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    client.socket.leave()
    stage.settle()
    assert ends(stage) == ["The client closed the connection (1000)."]
    assert is_over(stage, client)


def test_a_client_that_breaks_the_protocol_is_gone_at_once(
    stage: ReliableStage,
) -> None:
    client = stage.client(groups=["g"])
    client.socket.send(requests.Broken(1007, "what is this?"))
    stage.settle()
    assert client.closed == 1007
    assert len(ends(stage)) == 1
    assert is_over(stage, client)


def test_a_plain_session_ends_with_its_socket(stage: ReliableStage) -> None:
    plain = stage.join()
    plain.cut()
    stage.settle()
    assert len(ends(stage)) == 1
    socket = stage.recover(plain.connection_id)
    stage.settle()
    assert socket.all("lost")


def test_a_plain_session_cannot_be_taken_over(stage: ReliableStage) -> None:
    plain = stage.join(groups=["g"])
    socket = stage.recover(plain.connection_id)
    fill(stage, 1, 1)
    assert socket.all("lost")
    assert plain.data == ["1"]


def test_nobody_comes_back_to_a_session_that_never_was(stage: ReliableStage) -> None:
    socket = stage.recover("g0123")
    stage.settle()
    assert socket.all("lost")


# Time.


def test_a_session_waits_for_its_window_and_no_longer() -> None:
    stage = ReliableStage(Bounds(window=60.0))
    client = stage.client(groups=["g"])
    stage.loop.advance(100)
    client.cut()
    stage.settle()
    stage.loop.advance(59.9)
    assert not is_over(stage, client)
    assert ends(stage) == []
    client.cut()
    stage.settle()
    stage.loop.advance(60.1)
    assert ends(stage) == ["The client did not come back in time."]
    assert is_over(stage, client)
    stage.loop.advance(200)
    assert len(ends(stage)) == 1
    assert len(stage.desk.told(events.Connected)) == 1


def test_each_absence_has_a_window_of_its_own(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    for _ in range(5):
        client.cut()
        stage.settle()
        stage.loop.advance(40)
        assert not is_over(stage, client)
        stage.loop.advance(5)
    assert ends(stage) == []


def test_the_token_is_renewed_while_the_client_is_there(stage: ReliableStage) -> None:
    client = stage.client(groups=["g"])
    stage.loop.advance(3.6 * 24 * 3600)
    assert [m["event"] for m in client.socket.inbox] == ["connected"] * 2
    fill(stage, 1, 1)
    assert client.read().data == ["1"]


def test_presence_hears_of_neither_a_cut_nor_a_return(stage: ReliableStage) -> None:
    client = stage.client(groups=["watched"])
    stage.settle()
    told = len(stage.desk.deliveries)
    client.cut()
    stage.settle()
    stage.back(client)
    assert len(stage.desk.deliveries) == told


# The service ends it.


def test_a_session_whose_client_is_away_exists_and_can_be_closed(
    stage: ReliableStage,
) -> None:
    client = stage.client("alice", ["g"])
    client.cut()
    stage.settle()
    me = commands.ToConnection(client.connection_id)
    assert stage.exists(me)
    assert stage.exists(G)
    stage.do(commands.Close(me, reason="enough"))
    assert not stage.exists(me)
    assert not stage.exists(G)
    assert ends(stage) == ["enough"]
    assert is_over(stage, client)


def test_a_session_that_is_closed_cannot_be_had_again(stage: ReliableStage) -> None:
    client = stage.client("alice", ["g"])
    stage.do(publish(G, "1"), commands.Close(commands.ToUser("alice")))
    assert client.read().data == ["1"]
    assert client.closed == 1000
    assert is_over(stage, client)
    assert len(ends(stage)) == 1


def test_a_client_that_is_away_joins_and_leaves_by_command(
    stage: ReliableStage,
) -> None:
    client = stage.client(groups=["g"])
    client.cut()
    stage.settle()
    me = commands.ToConnection(client.connection_id)
    stage.do(commands.AddToGroup(me, "h"), commands.RemoveFromGroup(me, "g"))
    stage.do(publish(commands.ToGroup("h"), "h"), publish(G, "g"))
    assert stage.back(client).data == ["h"]


def test_a_drain_without_peers_ends_those_who_are_away(stage: ReliableStage) -> None:
    here, away = stage.client(groups=["g"]), stage.client(groups=["g"])
    away.cut()
    stage.settle()
    drained = Probe()
    stage.gateway.post(internal.Drain(drained))
    stage.settle()
    assert drained.heard == [True]
    assert here.closed == 1001
    assert len(ends(stage)) == 2
    stage.back(away)
    assert away.is_to_try_again
