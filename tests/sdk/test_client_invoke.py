"""Invocations: a client calls whoever answers an event, and gets the result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors import AsyncEventHandler, Fail, Respond, events
from hubbub.sdk import (
    CBOR_V1,
    JSON_V1,
    PROTOBUF_V1,
    Backoff,
    Binary,
    ClosedError,
    ConnectionLost,
    DeadlineError,
    InvocationError,
    Json,
    Online,
    Protobuf,
    ProtocolError,
    Text,
    WebPubSubClient,
)
from support.sdk_clients import SECONDS, by_way_of, until_online
from support.service import JSON, Line, Service
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from hubbub.sdk.client.protocols import ClientProtocol
    from hubbub.sdk.testing import HubbubGateway, NewClient, NewServer


class Desk(AsyncEventHandler):
    """Answers with what it got, with nothing, or not at all."""

    async def on_event(self, event: events.UserEvent) -> Respond | Fail | None:
        match event.event:
            case "echo":
                return Respond(event.payload)
            case "nothing":
                return None
            case "refuse":
                return Fail("not today")
            case "never":
                await asyncio.Event().wait()
        raise ValueError(event.event)


DESK = pytest.mark.hubbub(
    hubs={"chat": {"handlers": [{"handler": Desk}]}}, drain_seconds=0.1
)


# Results.


@DESK
@pytest.mark.parametrize("protocol", [JSON_V1, CBOR_V1])
@pytest.mark.parametrize(
    ("sent", "data_type", "data"),
    [
        ("text ✓", "text", "text ✓"),
        ("", "text", ""),
        ({"a": [1, None]}, "json", {"a": [1, None]}),
        (0, "json", 0),
        (b"\x00\xff", "binary", b"\x00\xff"),
        (Text("t"), "text", "t"),
        (Json(b"[1]"), "json", [1]),
        (Binary(b"b"), "binary", b"b"),
        (Protobuf(b"\x0a\x00"), "protobuf", b"\x0a\x00"),
    ],
)
async def test_a_result_is_what_the_handler_returned(
    hubbub_client: NewClient,
    protocol: ClientProtocol,
    sent: object,
    data_type: str,
    data: object,
) -> None:
    ann = await hubbub_client(protocol=protocol)
    result = await ann.invoke("echo", sent)
    assert (result.data_type, result.data) == (data_type, data)
    with pytest.raises(DeadlineError):
        await ann.next(0)  # a result is no message


@DESK
async def test_no_result_is_none(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    result = await ann.invoke("nothing", "?")
    assert (result.payload, result.data, result.data_type) == (None, None, None)


async def test_an_attached_server_answers(
    hubbub_client: NewClient, hubbub_server: NewServer
) -> None:
    server = await hubbub_server("chat")

    async def price(event: events.UserEvent) -> Respond:
        assert event.payload == Json(b'{"sku":"a"}')
        return Respond(Json(b'{"eur":3}'))

    await server.handle_event("price", price)
    ann = await hubbub_client("chat", user="ann")
    assert (await ann.invoke("price", {"sku": "a"})).data == {"eur": 3}


@DESK
async def test_many_invocations_at_once_each_have_their_own_result(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client()
    results = await asyncio.gather(*(ann.invoke("echo", n) for n in range(50)))
    assert [result.data for result in results] == list(range(50))


# Errors.


@DESK
async def test_what_fails_is_an_error_with_a_name(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    with pytest.raises(InvocationError, match="not today") as refused:
        await ann.invoke("refuse", 1)
    assert (refused.value.name, refused.value.message) == (
        "InternalServerError",
        "not today",
    )
    with pytest.raises(InvocationError):
        await ann.invoke("broken", 1)
    assert (await ann.invoke("echo", "well")).data == "well"


async def test_nobody_who_answers_is_an_error(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    with pytest.raises(InvocationError) as unanswered:
        await ann.invoke("nobody", 1)
    assert unanswered.value.name == "InternalServerError"


@DESK
async def test_out_of_time_is_a_deadline_error_and_late_results_are_nobodys(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client()
    with pytest.raises(DeadlineError):
        await ann.invoke("never", 1, timeout=0.05)
    assert (await bob.invoke("echo", "next")).data == "next"


@pytest.mark.parametrize("data", [None, object(), float("nan")])
async def test_what_cannot_be_said_is_refused_before(
    hubbub_client: NewClient, data: Any
) -> None:
    ann = await hubbub_client()
    with pytest.raises((ValueError, TypeError)):
        await ann.invoke("echo", data)
    with pytest.raises(ValueError, match="event"):
        await ann.invoke("9", 1)


async def test_a_subprotocol_without_invocations_says_so(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(protocol=PROTOBUF_V1)
    with pytest.raises(ProtocolError, match="Invoke"):
        await ann.invoke("echo", 1)
    await ann.join("lobby")


# Ends.


async def test_a_cancelled_caller_cancels_the_invocation() -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listening(line: Line) -> None:
        await line.hello()
        while True:
            heard.put_nowait(await line.heard())

    async with (
        Service(listening, subprotocol=JSON) as service,
        service.client() as client,
    ):
        calling = asyncio.create_task(client.invoke("price", 1))
        asked = await asyncio.wait_for(heard.get(), SECONDS)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        told = await asyncio.wait_for(heard.get(), SECONDS)
    number = asked["invocationId"]
    assert told == {"type": "cancelInvocation", "invocationId": number}


async def test_an_answer_that_is_not_waited_for_is_passed_over() -> None:
    async def late(line: Line) -> None:
        await line.hello()
        first = await line.heard()
        number = first["invocationId"]
        for odd in (number, "4711"):
            await line.say(type="invokeResponse", invocationId=odd, success=True)
        await line.serve()

    async with Service(late, subprotocol=JSON) as service, service.client() as client:
        assert (await client.invoke("price", 1)).data is None
        await client.join("lobby")


@DESK
async def test_a_result_is_lost_with_its_socket_even_if_the_session_is_not(
    hubbub_gateway: HubbubGateway,
) -> None:
    with TcpProxy(hubbub_gateway.port) as way:
        url = by_way_of(way, hubbub_gateway.client_url())
        soon = Backoff(first=0.01, most=0.05)
        async with WebPubSubClient(url, backoff=soon) as ann:
            states = ann.states()
            await until_online(states)
            calling = asyncio.create_task(ann.invoke("never", 1))
            await asyncio.sleep(0)
            way.reset()
            with pytest.raises(ConnectionLost):
                await calling
            *_, back = await until_online(states)
            assert isinstance(back, Online)
            assert back.recovered


@DESK
async def test_closing_ends_those_who_wait(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    calling = asyncio.create_task(ann.invoke("never", 1))
    await asyncio.sleep(0)
    await ann.close()
    with pytest.raises(ConnectionLost):
        await calling
    with pytest.raises(ClosedError):
        await ann.invoke("echo", 1)


# Signs of life.


@pytest.mark.parametrize("protocol", [JSON_V1, CBOR_V1, PROTOBUF_V1])
async def test_a_ping_tells_how_long_it_took(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient, protocol: ClientProtocol
) -> None:
    ann = await hubbub_client(protocol=protocol)
    assert all(
        0 < took < SECONDS for took in await asyncio.gather(ann.ping(), ann.ping())
    )
    with hubbub_gateway.frozen(), pytest.raises(DeadlineError):
        await ann.ping(timeout=0.05)
    await ann.ping()
    with hubbub_gateway.frozen():
        pinging = asyncio.create_task(ann.ping())
        await asyncio.sleep(0)
        ann.abort()
        with pytest.raises(ConnectionLost):
            await pinging
