"""How much is kept for a reliable client and how long, and what becomes of the rest."""

from __future__ import annotations

from hubbub.actors.messages import commands, events, payload
from hubbub.actors.policy.retention import Bounds
from support.fakes import publish, say
from support.reliable_stage import ReliableStage

ALL = commands.Everyone()
G = commands.ToGroup("g")


def fill(stage: ReliableStage, first: int, last: int) -> list[str]:
    """Publish a series of numbers to the group."""
    texts = [str(n) for n in range(first, last + 1)]
    stage.do(*(publish(G, text) for text in texts))
    return texts


def ends(stage: ReliableStage) -> list[str | None]:
    """What the handler heard of ends, oldest first."""
    return [event.reason for event in stage.desk.told(events.Disconnected)]


# Too much is kept.


def test_too_many_messages_while_away_end_a_session() -> None:
    stage = ReliableStage(Bounds(messages=20))
    client = stage.client(groups=["g"])
    client.cut()
    stage.settle()
    sent = fill(stage, 1, 20)
    stage.back(client)
    assert client.data == sent
    client.acknowledge()
    client.cut()
    stage.settle()
    fill(stage, 21, 41)
    assert ends(stage) == ["slow client: more than 20 messages came while it was away"]
    assert stage.back(client).is_lost


def test_what_was_not_acknowledged_before_is_not_counted_while_away() -> None:
    stage = ReliableStage(Bounds(messages=20))
    client = stage.client(groups=["g"])
    sent = fill(stage, 1, 15)
    client.cut()
    stage.settle()
    sent += fill(stage, 16, 35)
    assert stage.back(client).data == sent


def test_too_many_bytes_end_a_session() -> None:
    stage = ReliableStage(Bounds(size=10_000))
    client = stage.client(groups=["g"])
    for _ in range(9):
        stage.do(publish(G, "x" * 1000))
    client.read().acknowledge(5)
    for _ in range(4):
        stage.do(publish(G, "x" * 1000))
    assert len(client.read().data) == 13
    assert client.closed is None
    stage.do(publish(G, "x" * 4000))
    assert client.closed == 1008
    assert ends(stage) == ["slow client: more than 10000 bytes are not acknowledged"]
    assert stage.back(client).is_lost
    assert len(client.data) == 13, "what is not kept is not sent either"


def test_a_client_that_never_acknowledges_is_sent_away() -> None:
    stage = ReliableStage(Bounds(messages=20, patience=10.0))
    client = stage.client(groups=["g"])
    sent = fill(stage, 1, 1)
    stage.loop.advance(10.1)
    sent += fill(stage, 2, 20)
    assert client.closed is None
    fill(stage, 21, 21)
    assert client.closed == 1008
    assert client.read().data == sent
    assert stage.back(client).is_lost
    assert len(ends(stage)) == 1


def test_a_burst_within_its_patience_is_a_client_s_to_acknowledge() -> None:
    stage = ReliableStage(Bounds(messages=20, patience=10.0))
    client = stage.client(groups=["g"])
    stage.loop.advance(3600)
    sent = fill(stage, 1, 500)
    stage.loop.advance(9)
    sent += fill(stage, 501, 900)
    client.read().acknowledge(100)
    stage.loop.advance(9)
    sent += fill(stage, 901, 1300)
    client.read().acknowledge()
    stage.loop.advance(3600)
    sent += fill(stage, 1301, 1400)
    assert client.read().data == sent
    assert client.closed is None


def test_a_bound_that_was_passed_is_told_once_whatever_comes_after() -> None:
    stage = ReliableStage(Bounds(messages=5))
    client = stage.client(groups=["g"])
    client.cut()
    stage.settle()
    stage.command(*(publish(G, str(n)) for n in range(50)))
    stage.command(*(publish(ALL, str(n)) for n in range(50)))
    stage.settle()
    fill(stage, 1, 10)
    assert len(ends(stage)) == 1
    assert stage.back(client).is_lost


def test_who_is_within_its_bounds_is_not_hurt_by_who_is_not() -> None:
    stage = ReliableStage(Bounds(messages=5))
    away, here = stage.client(groups=["g"]), stage.client(groups=["g"])
    away.cut()
    stage.settle()
    sent = fill(stage, 1, 30)
    assert here.read().data == sent
    assert stage.back(away).is_lost
    assert stage.back(here).is_in


# Messages that may not wait for ever.


def test_a_message_waits_as_long_as_its_publisher_says() -> None:
    stage = ReliableStage()
    client, bob = stage.client(groups=["g"], gaps=True), stage.client(groups=["g"])
    client.cut()
    stage.settle()
    stage.do(publish(G, "short", ttl=5), publish(G, "long", ttl=30), publish(G, "ever"))
    bob.socket.send(say("g", "said", ttl=5), say("g", "kept"))
    stage.settle()
    stage.loop.advance(6)
    stage.back(client)
    assert client.data == ["long", "ever", "kept"]
    assert client.seen == 5
    assert bob.read().data == ["short", "long", "ever", "said", "kept"]


def test_a_message_to_one_waits_as_long_as_its_publisher_says() -> None:
    stage = ReliableStage()
    client = stage.client("alice", gaps=True)
    me = commands.ToConnection(client.connection_id)
    client.cut()
    stage.settle()
    stage.do(publish(me, "short", ttl=5), publish(me, "ever"))
    stage.loop.advance(5)
    assert stage.back(client).data == ["ever"]


def test_what_is_not_text_is_kept_as_it_came() -> None:
    stage = ReliableStage()
    client = stage.client(groups=["g"])
    client.cut()
    stage.settle()
    stage.do(
        commands.Publish(G, payload.Json(b'{"a":[1, 2]}')),
        commands.Publish(G, payload.Binary(b"\x00\xff")),
    )
    assert stage.back(client).data == [{"a": [1, 2]}, "AP8="]
