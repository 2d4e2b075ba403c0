"""Streams of a client: numbers, acknowledgements, and every way in which they end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import commands, events, payload, requests, servers
from hubbub.actors.messages.payload import StreamError, Text
from hubbub.actors.messages.sessions import OpenStream
from hubbub.actors.policy.permissions import Permission
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.streams import Streams, StreamTick
from support.fakes import FakeSocket, Probe, Stage, hub_on_virtual_time, say
from support.mesh_stage import MeshStage
from support.virtual import VirtualLoop


@pytest.fixture
def stage() -> Stage:
    return hub_on_virtual_time()


def start(stream_id: str = "s", group: str = "g", **more: Any) -> requests.StartStream:
    return requests.StartStream(group, stream_id, **more)


def part(number: int, text: str = "", stream_id: str = "s") -> requests.SendFragment:
    return requests.SendFragment(stream_id, number, Text(text or str(number)))


def keep(stream_id: str = "s") -> requests.KeepStream:
    return requests.KeepStream(stream_id)


def end(stream_id: str = "s", error: StreamError | None = None) -> requests.EndStream:
    return requests.EndStream(stream_id, error)


def heard(socket: FakeSocket) -> list[tuple[str, dict[str, Any]]]:
    """Give what a member of the group has heard of streams: data and mark."""
    return [(m["data"], m["stream"]) for m in socket.inbox if "stream" in m]


def answers(socket: FakeSocket, *more: str) -> list[Any]:
    """Give what the publisher was told: expected numbers, and how streams ended."""
    told: list[Any] = []
    for message in socket.inbox:
        match message["type"]:
            case "streamAck":
                told.append(message["expectedSequenceId"])
            case "streamNack":
                told.append((message["name"], message["expectedSequenceId"]))
            case "streamClosed":
                told.append(message.get("error", {}).get("name", "closed"))
            case kind if kind in more:
                told.append(kind)
    return told


def timers(loop: VirtualLoop) -> list[float]:
    """Note when each timer is due that is set from now on."""
    due: list[float] = []
    schedule = loop.schedule

    def noting(timer: Any) -> None:
        due.append(timer.due)
        schedule(timer)

    loop.schedule = noting  # type: ignore[method-assign]
    return due


# From the beginning to the end.


def test_a_stream_is_accepted_published_and_closed(stage: Stage) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start())
    stage.settle()
    assert ann.inbox == [
        {"type": "streamAck", "streamId": "s", "expectedSequenceId": 1}
    ]
    ann.send(part(1, "hel"), part(2, "lo"), end())
    stage.settle()
    assert answers(ann) == [1, 3, "closed"]
    assert ann.inbox[-1] == {"type": "streamClosed", "streamId": "s"}
    assert [(m["fromUserId"], m["group"]) for m in bob.inbox] == [("ann", "g")] * 3
    assert bob.inbox[-1]["dataType"] == "text", "without one clients never see the end"
    assert heard(bob) == [
        ("hel", {"streamId": "s", "streamSequenceId": 1}),
        ("lo", {"streamId": "s", "streamSequenceId": 2}),
        ("", {"streamId": "s", "streamSequenceId": 3, "endOfStream": True}),
    ]


def test_parts_of_any_kind_of_data_are_passed_on(stage: Stage) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(
        start(),
        requests.SendFragment("s", 1, payload.Json(b'{"a":1}')),
        requests.SendFragment("s", 2, payload.Binary(b"\1\2")),
    )
    stage.settle()
    assert [data for data, _ in heard(bob)] == [{"a": 1}, "AQI="]


def test_a_stream_that_ends_with_an_error_tells_the_group_and_not_its_publisher(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), end(error=StreamError("UserError", "no more", "E7")))
    stage.settle()
    assert ann.inbox[-1] == {"type": "streamClosed", "streamId": "s"}
    ((_, mark),) = heard(bob)
    assert mark["error"] == {
        "name": "UserError",
        "message": "no more",
        "userErrorCode": "E7",
    }
    assert (mark["streamSequenceId"], mark["endOfStream"]) == (1, True)


def test_without_echo_the_publisher_hears_neither_parts_nor_the_end(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann", groups=["g"]), stage.join("bob", groups=["g"])
    ann.send(start(no_echo=True), part(1), end())
    ann.send(start("t"), part(1, stream_id="t"), end("t"))
    stage.settle()
    assert {mark["streamId"] for _, mark in heard(ann)} == {"t"}
    assert len(heard(bob)) == 4


def test_parts_keep_their_place_among_the_other_messages_of_their_publisher(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), say("g", "a"), part(1, "b"), say("g", "c"), end())
    stage.settle()
    assert bob.data == ["a", "b", "c", ""]


def test_a_stream_crosses_to_another_gateway_with_its_marks() -> None:
    stage = MeshStage()
    a, b = stage.start("a"), stage.start("b", "a")
    stage.pass_by(2)
    ann, bob = a.client("ann"), b.client("bob", ["g"])
    stage.pass_by()
    ann.send(start(), part(1, "hi"), end(error=StreamError("UserError", "x")))
    stage.pass_by()
    assert heard(bob) == [
        ("hi", {"streamId": "s", "streamSequenceId": 1}),
        (
            "",
            {
                "streamId": "s",
                "streamSequenceId": 2,
                "endOfStream": True,
                "error": {"name": "UserError", "message": "x"},
            },
        ),
    ]


# Acknowledgements.


def test_parts_are_acknowledged_together_after_a_tenth_of_a_second(
    stage: Stage,
) -> None:
    ann = stage.join("ann")
    ann.send(start(), start("t"))
    ann.send(part(1), part(2), part(1, stream_id="t"))
    stage.settle()
    assert answers(ann) == [1, 1]
    stage.loop.advance(0.1)
    assert answers(ann) == [1, 1, 3, 2]
    stage.loop.advance(1)
    assert answers(ann) == [1, 1, 3, 2], "nothing is owed any more"


def test_sixteen_parts_are_acknowledged_at_once(stage: Stage) -> None:
    ann = stage.join("ann")
    ann.send(start(), *(part(number) for number in range(1, 17)))
    stage.settle()
    assert answers(ann) == [1, 17]
    ann.send(*(part(number) for number in range(17, 41)))
    stage.settle()
    assert answers(ann) == [1, 17, 33]
    stage.loop.advance(0.1)
    assert answers(ann) == [1, 17, 33, 41]


def test_many_parts_set_one_timer(stage: Stage) -> None:
    ann = stage.join("ann")
    ann.send(start(), start("t"))
    stage.settle()
    due = timers(stage.loop)
    ann.send(*(part(number) for number in range(1, 100)))
    ann.send(*(part(number, stream_id="t") for number in range(1, 100)))
    ann.send(keep(), keep("t"))
    stage.settle()
    assert due == [stage.loop.now + 0.1]


def test_a_part_that_comes_again_is_acknowledged_again_and_not_published(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), part(1), part(2), part(1, "again"), part(0, "never"))
    stage.settle()
    assert answers(ann) == [1, 3, 3]
    assert bob.data == ["1", "2"]


def test_a_part_that_comes_too_early_is_not_published_and_the_stream_goes_on(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), part(1), part(3), part(2))
    stage.settle()
    assert answers(ann) == [1, ("InvalidSequenceId", 2)]
    stage.loop.advance(0.1)
    assert answers(ann)[-1] == 3
    assert bob.data == ["1", "2"]


class Publisher(LoopActor):
    """A connection that has nothing but streams."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed = Probe()
        self.published = Probe()
        self.busy = False
        self.streams = Streams(
            self,
            self.pushed.post,
            lambda _: True,
            self.published.post,
            lambda: self.busy,
        )

    def on_receive(self, message: requests.StreamRequest | StreamTick) -> None:
        if isinstance(message, StreamTick):
            self.streams.due(message)
        else:
            self.streams.take(message)

    def sent(self) -> list[tuple[int, bool]]:
        """Give number and end of what was published."""
        marks = [message.stream for message in self.published.heard]
        return [(mark.sequence_id, mark.end) for mark in marks]


def publisher(loop: VirtualLoop) -> Publisher:
    made: list[Publisher] = []

    def make() -> Publisher:
        made.append(Publisher())
        return made[0]

    supervision.spawn(Dispatcher(loop), make)
    loop.settle()
    return made[0]


steps = st.one_of(st.integers(0, 60), st.just("next"), st.just("wait"))


@given(st.lists(steps, max_size=120))
def test_whatever_numbers_come_all_are_published_once_in_order_and_acks_are_true(
    come: list[int | str],
) -> None:
    loop = VirtualLoop()
    one = publisher(loop)
    one.streams.take(start())
    expected = 1
    acked = 0
    for step in come:
        if step == "wait":
            loop.advance(0.1)
        else:
            number = expected if step == "next" else int(step)
            one.streams.take(part(number))
            expected += number == expected
        for push in one.pushed.heard:
            assert acked <= push.expected <= expected, "neither regress nor overshoot"
            acked = push.expected
        assert expected - acked < 17, "never more than 16 parts are owed"
        one.pushed.heard.clear()
    loop.advance(0.1)
    for push in one.pushed.heard:
        assert acked <= push.expected <= expected
        acked = push.expected
    assert acked == expected
    one.streams.take(end())
    numbers = range(1, expected + 1)
    assert one.sent() == [(number, number == expected) for number in numbers]


# Refusals.


def test_a_stream_to_a_group_without_permission_is_closed_at_once(stage: Stage) -> None:
    ann = stage.join("ann", roles=["webpubsub.sendToGroup.g"])
    ann.send(start(), start("t", "other"))
    stage.settle()
    assert answers(ann) == [1, "Forbidden"]
    assert ann.inbox[-1]["streamId"] == "t"
    assert ann.inbox[-1]["error"]["message"] == "No permission to publish to other."


def test_an_id_is_that_of_one_open_stream_and_free_again_afterwards(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g", "h"])
    ann.send(start(), start(group="h"), part(1, "a"), end())
    ann.send(start(group="h"), part(1, "b"))
    stage.settle()
    assert answers(ann) == [1, "BadRequest", 2, "closed", 1]
    assert [(m["group"], m["data"]) for m in bob.inbox] == [
        ("g", "a"),
        ("g", ""),
        ("h", "b"),
    ]


def test_a_connection_has_a_hundred_streams_at_most(stage: Stage) -> None:
    ann = stage.join("ann")
    ann.send(*(start(str(number)) for number in range(101)))
    stage.settle()
    assert answers(ann) == [1] * 100 + ["BadRequest"]
    ann.send(end("5"), start("100"))
    stage.settle()
    assert answers(ann)[-2:] == ["closed", 1]


@pytest.mark.parametrize("request_", [part(1), keep(), end()])
def test_what_belongs_to_no_stream_is_told_so(
    stage: Stage, request_: requests.StreamRequest
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(request_)
    ann.send(start(), end(), request_)
    stage.settle()
    assert answers(ann) == ["StreamNotFound", 1, "closed", "StreamNotFound"]
    assert [data for data, _ in heard(bob)] == [""]


def test_streams_of_two_connections_have_nothing_to_do_with_each_other(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob")
    ann.send(start())
    bob.send(part(1))
    stage.settle()
    assert answers(bob) == ["StreamNotFound"]


def test_a_permission_that_is_revoked_ends_the_stream_with_its_next_part(
    stage: Stage,
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), part(1))
    stage.settle()
    stage.do(commands.Revoke(ann.connection_id, Permission.SEND_TO_GROUP, "g", Probe()))
    ann.send(keep())
    stage.settle()
    assert answers(ann) == [1]
    ann.send(part(2), part(3))
    stage.settle()
    assert answers(ann) == [1, 2, "Forbidden", "StreamNotFound"]
    assert [(data, mark["streamSequenceId"]) for data, mark in heard(bob)] == [
        ("1", 1),
        ("", 2),
    ]
    assert heard(bob)[-1][1]["error"]["name"] == "Forbidden"


def test_a_part_that_an_interceptor_denies_ends_the_stream(stage: Stage) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    server = stage.serve(servers.Rule("publish"))
    ann.send(start(), part(1), part(2), part(3))
    stage.settle()
    server.answer(events.Allow())
    server.answer(events.Deny("enough"))
    assert answers(ann) == [1, 2, "Forbidden", "StreamNotFound"]
    assert [(data, mark["streamSequenceId"]) for data, mark in heard(bob)] == [
        ("1", 1),
        ("", 2),
    ]
    assert heard(bob)[-1][1]["error"] == {"name": "Forbidden", "message": "enough"}


def test_what_an_interceptor_makes_of_a_part_keeps_its_mark(stage: Stage) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    server = stage.serve(servers.Rule("publish"))
    ann.send(start(), part(1))
    stage.settle()
    server.answer(events.Allow(Text("changed")))
    assert heard(bob) == [("changed", {"streamId": "s", "streamSequenceId": 1})]


# Silence.


def test_a_silent_stream_ends_for_its_publisher_and_its_group(stage: Stage) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(idle=5), part(1))
    stage.loop.advance(4.9)
    assert answers(ann) == [1, 2]
    stage.loop.advance(0.2)
    assert answers(ann) == [1, 2, "IdleTimeout"]
    assert heard(bob)[-1][1]["error"]["name"] == "IdleTimeout"
    assert heard(bob)[-1][1]["streamSequenceId"] == 2
    ann.send(part(2))
    stage.settle()
    assert answers(ann)[-1] == "StreamNotFound"


@pytest.mark.parametrize("request_", [keep(), part(1), part(7)])
def test_a_stream_that_is_heard_of_is_not_silent(
    stage: Stage, request_: requests.StreamRequest
) -> None:
    ann = stage.join("ann")
    ann.send(start(idle=5))
    for _ in range(4):
        stage.loop.advance(4)
        ann.send(request_)
    stage.loop.advance(4.9)
    assert "IdleTimeout" not in answers(ann)
    stage.loop.advance(0.2)
    assert answers(ann)[-1] == "IdleTimeout"


def test_the_silence_of_one_stream_does_not_end_another_of_its_name(
    stage: Stage,
) -> None:
    ann = stage.join("ann")
    ann.send(start(idle=5))
    stage.loop.advance(4)
    ann.send(end(), start(idle=5))
    stage.loop.advance(4.9)
    assert answers(ann) == [1, "closed", 1]
    stage.loop.advance(0.2)
    assert answers(ann)[-1] == "IdleTimeout"


def test_a_stream_is_not_silent_while_what_its_client_sends_has_to_wait() -> None:
    loop = VirtualLoop()
    one = publisher(loop)
    one.streams.take(start(idle=5.0))
    one.busy = True
    loop.advance(11)
    one.busy = False
    loop.advance(3.9)
    assert one.sent() == []
    loop.advance(0.2)
    assert one.sent() == [(1, True)]


# The end of the connection.


@pytest.mark.parametrize("leaving", [True, False])
def test_streams_of_a_connection_that_ends_are_cancelled(
    stage: Stage, leaving: bool
) -> None:
    ann, bob = stage.join("ann"), stage.join("bob", groups=["g"])
    ann.send(start(), part(1), start("t"))
    stage.settle()
    if leaving:
        ann.leave()
    else:
        stage.command(commands.Close(commands.ToConnection(ann.connection_id)))
    stage.settle()
    ends = [mark for _, mark in heard(bob) if "endOfStream" in mark]
    assert [(m["streamId"], m["streamSequenceId"]) for m in ends] == [
        ("s", 2),
        ("t", 1),
    ]
    assert [mark["error"] for mark in ends] == [{"name": "Cancelled"}] * 2
    assert "closed" not in answers(ann)
    stage.loop.advance(1000)
    assert len(heard(bob)) == 3, "nothing is left that could end"


def test_a_stream_that_moves_goes_on_with_the_next_number() -> None:
    loop = VirtualLoop()
    one, other = publisher(loop), publisher(loop)
    one.streams.take(start(no_echo=True, idle=5.0))
    one.streams.take(start("t", "h"))
    one.streams.take(part(1))
    kept = one.streams.export()
    assert kept == (
        OpenStream("s", "g", 2, no_echo=True, idle=5.0),
        OpenStream("t", "h", 1, no_echo=False, idle=300.0),
    )
    one.streams.cancel()
    loop.advance(1)
    assert one.sent() == [(1, False)], "here it is forgotten"
    other.streams.restore(kept)
    for number in (1, 2):
        other.streams.take(part(number))
    other.streams.take(end("t"))
    assert other.sent() == [(2, False), (1, True)]
    assert [message.no_echo for message in other.published.heard] == [True, False]
    loop.advance(6)
    assert other.sent()[-1] == (3, True)
    told = [type(push).__name__ for push in other.pushed.heard]
    assert told == ["StreamAck", "StreamClosed", "StreamAck", "StreamClosed"]


def test_ids_of_streams_never_mix_up_their_timers() -> None:
    loop = VirtualLoop()
    one = publisher(loop)
    for seconds in itertools.repeat(1.0, 5):
        one.streams.take(start(idle=seconds))
        loop.advance(0.9)
        one.streams.take(end())
    loop.advance(5)
    assert one.sent() == [(1, True)] * 5
