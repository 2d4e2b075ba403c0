"""The client against a real gateway: what it asks, and what it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors import AsyncEventHandler, Respond, events
from hubbub.sdk import (
    AckError,
    Binary,
    DeadlineError,
    Json,
    MessagesLost,
    Protobuf,
    Text,
)

if TYPE_CHECKING:
    from hubbub.sdk.testing import HubbubGateway, NewClient

SECONDS = 10.0


class Answering(AsyncEventHandler):
    """Answers each event with what it got."""

    def on_event(self, event: events.UserEvent) -> Respond:
        return Respond(event.payload)


ANSWERING = {"hubs": {"chat": {"handlers": [{"handler": Answering}]}}}


# Requests and messages.


async def test_a_client_knows_who_it_is(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client("chat", user="ann")
    seen = await hubbub_gateway.event("connected")
    assert (ann.connection_id, ann.user_id) == (seen.connection_id, "ann")
    assert ann.connected
    assert (await hubbub_client("chat")).user_id is None


@pytest.mark.parametrize(
    ("sent", "data_type", "data"),
    [
        ("text é ✓", "text", "text é ✓"),
        ({"b": 1, "a": [2.5, None]}, "json", {"b": 1, "a": [2.5, None]}),
        (7, "json", 7),
        (b"\x00\xff", "binary", b"\x00\xff"),
        (bytearray(b"ab"), "binary", b"ab"),
        (Text("t"), "text", "t"),
        (Json(b'{ "as":"written" }'), "json", {"as": "written"}),
        (Binary(b"b"), "binary", b"b"),
        (Protobuf(b"\x0a\x00"), "protobuf", b"\x0a\x00"),
    ],
)
async def test_data_arrives_as_what_it_was_sent(
    hubbub_client: NewClient, sent: object, data_type: str, data: object
) -> None:
    ann = await hubbub_client(user="ann")
    bob = await hubbub_client(user="bob", groups=["lobby"])
    await ann.send_to_group("lobby", sent)
    message = await bob.next(SECONDS)
    assert (message.data_type, message.data) == (data_type, data)
    assert (message.group, message.from_user) == ("lobby", "ann")


async def test_metadata_travels_with_a_message(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["lobby"])
    await ann.send_to_group("lobby", "x", metadata={"trace": "t-1"}, ttl=30)
    message = await ann.next(SECONDS)
    assert message.metadata == {"trace": "t-1"}
    assert message.from_user is None


async def test_no_echo_spares_the_sender(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["lobby"])
    await ann.send_to_group("lobby", "not to me", no_echo=True)
    await ann.send_to_group("lobby", "to all", ack=False)
    assert (await ann.next(SECONDS)).data == "to all"


async def test_leaving_a_group_stops_its_messages(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    await ann.join("left")
    await ann.join("kept")
    await ann.leave("left")
    assert ann.groups == {"kept"}
    await ann.send_to_group("left", "missed")
    await ann.send_to_group("kept", "heard")
    assert (await ann.next(SECONDS)).data == "heard"


async def test_what_no_role_permits_is_an_ack_error(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(roles=["webpubsub.sendToGroup.mine"])
    with pytest.raises(AckError) as refused:
        await ann.join("theirs")
    assert refused.value.name == "Forbidden"
    assert "theirs" in refused.value.message
    assert ann.groups == frozenset()
    await ann.send_to_group("mine", "still connected")


@pytest.mark.hubbub(**ANSWERING)
async def test_the_answer_of_a_handler_comes_before_the_ack(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client()
    await ann.send_event("order.new", {"n": 1}, metadata={"k": "v"})
    message = await ann.next(0)
    assert (message.group, message.data) == (None, {"n": 1})
    await ann.send_event("order.new", "no ack", ack=False)
    assert (await ann.next(SECONDS)).data == "no ack"


async def test_an_event_that_nobody_handles_is_an_ack_error(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client()
    with pytest.raises(AckError, match="InternalServerError"):
        await ann.send_event("nobody", 1)
    await ann.join("lobby")


async def test_what_cannot_be_sent_is_refused_before_it_is(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client()
    impossible: list[Any] = [
        ann.join(""),
        ann.leave(" "),
        ann.send_to_group("lobby", None),
        ann.send_to_group("lobby", float("nan")),
        ann.send_to_group("lobby", "x", ttl=301),
        ann.send_to_group("lobby", "x", metadata={"key": "line\nbreak"}),
        ann.send_event("9", "x"),
        ann.join("lobby", ack_id=4711),
    ]
    for request in impossible:
        with pytest.raises(ValueError, match=r"\w"):
            await request
    with pytest.raises(TypeError):
        await ann.send_to_group("lobby", object())
    await ann.join("lobby")
    assert ann.connected


# Readers.


async def test_each_iterator_has_every_message(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["lobby"])
    await ann.send_to_group("lobby", 0)
    first = ann.messages()
    second = ann.messages()
    for number in (1, 2):
        await ann.send_to_group("lobby", number)
    # The first one made has what came before anybody read, too.
    assert [(await first.next(SECONDS)).data for _ in range(3)] == [0, 1, 2]
    assert [(await second.next(SECONDS)).data for _ in range(2)] == [1, 2]
    assert [(await ann.next(SECONDS)).data for _ in range(3)] == [0, 1, 2]


async def test_a_loop_that_was_left_goes_on_where_it_was(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(groups=["lobby"])
    messages, read = ann.messages(), []
    for number in (1, 2):
        await ann.send_to_group("lobby", number)
    for _ in range(2):
        async for message in messages:
            read.append(message.data)
            break
    assert read == [1, 2]


async def test_a_reader_that_falls_behind_is_told_how_many_it_missed(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(groups=["lobby"], inbox=10)
    for number in range(25):
        await ann.send_to_group("lobby", number)
    with pytest.raises(MessagesLost) as lost:
        await ann.next(SECONDS)
    assert lost.value.count == 15
    assert [(await ann.next(SECONDS)).data for _ in range(10)] == list(range(15, 25))


async def test_waiting_for_a_message_ends_in_time(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["lobby"])
    with pytest.raises(DeadlineError):
        await ann.next(0.01)
    with pytest.raises(TimeoutError):
        await ann.next(0)
    await ann.send_to_group("lobby", "x")
    assert (await ann.next(SECONDS)).data == "x"
