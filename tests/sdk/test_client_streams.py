"""Streams to groups: published part by part, read part by part."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import (
    CBOR_RELIABLE_V1,
    JSON_V1,
    PROTOBUF_V1,
    Backoff,
    ClosedError,
    ConnectionLost,
    DeadlineError,
    MessagesLost,
    ProtocolError,
    StreamError,
    StreamMark,
    WebPubSubClient,
)
from support.sdk_clients import SECONDS, by_way_of, until_online
from support.service import JSON, RELIABLE, Line, Service
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from hubbub.sdk import IncomingStream
    from hubbub.sdk.testing import HubbubGateway, NewClient

SOON = Backoff(first=0.01, most=0.05)


async def parts(stream: IncomingStream) -> list[Any]:
    async with asyncio.timeout(SECONDS):
        return [part.data async for part in stream]


# From end to end.


@pytest.mark.parametrize("protocol", [None, JSON_V1, CBOR_RELIABLE_V1])
async def test_a_stream_is_read_as_it_was_published(
    hubbub_client: NewClient, protocol: Any
) -> None:
    options = {} if protocol is None else {"protocol": protocol}
    ann = await hubbub_client(user="ann", **options)
    bob = await hubbub_client(groups=["news"], **options)
    streams = bob.on_stream("news")
    said = ["hel", "lo", {"json": True}, b"\x00\x01", ""]
    async with ann.stream("news") as stream:
        for one in said:
            await stream.send(one)
        incoming = await streams.next(SECONDS)
        assert (incoming.group, incoming.from_user) == ("news", "ann")
        assert (incoming.stream_id, incoming.first) == (stream.stream_id, 1)
    assert await parts(incoming) == said
    with pytest.raises(ClosedError):
        await incoming.next()


async def test_a_stream_without_parts_is_a_stream(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["news"])
    streams = ann.on_stream()
    async with ann.stream("news"):
        pass
    assert await parts(await streams.next(SECONDS)) == []


async def test_the_parts_are_messages_with_a_mark(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(user="ann", groups=["news"])
    async with ann.stream("news") as stream:
        await stream.send("one")
    await ann.send_to_group("news", "two")
    heard = [await ann.next(SECONDS) for _ in range(3)]
    name = stream.stream_id
    assert [(one.data, one.stream) for one in heard] == [
        ("one", StreamMark(name, 1)),
        ("", StreamMark(name, 2, end=True)),
        ("two", None),
    ]


async def test_no_echo_spares_the_publisher(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["news"])
    async with ann.stream("news", no_echo=True) as stream:
        await stream.send("not to me")
    await ann.send_to_group("news", "to all")
    assert (await ann.next(SECONDS)).data == "to all"


async def test_a_long_stream_is_published_with_few_parts_under_way(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client(groups=["news"])
    streams = bob.on_stream()
    async with ann.stream("news", buffer=20) as stream:
        for number in range(300):
            await stream.send(number)
    assert await parts(await streams.next(SECONDS)) == list(range(300))


async def test_streams_at_the_same_time_are_kept_apart(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(user="ann"), await hubbub_client(user="bob")
    eve = await hubbub_client(groups=["news", "hall"])
    of_news, all_streams = eve.on_stream("news"), eve.on_stream()
    async with ann.stream("news") as one, bob.stream("hall") as two:
        for number in range(10):
            await one.send(number)
            await two.send(-number)
    heard = {(await all_streams.next(SECONDS)) for _ in range(2)}
    by_group = {stream.group: await parts(stream) for stream in heard}
    assert by_group == {"news": list(range(10)), "hall": [-n for n in range(10)]}
    assert (await of_news.next(SECONDS)).group == "news"
    with pytest.raises(DeadlineError):
        await of_news.next(0)


# Ends.


async def test_an_error_of_the_publisher_is_an_error_for_the_reader(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client(groups=["news"])
    streams = bob.on_stream()
    async with ann.stream("news") as stream:
        await stream.send("so far")
        await stream.fail("no more tokens", "quota")
    incoming = await streams.next(SECONDS)
    assert (await incoming.next(SECONDS)).data == "so far"
    with pytest.raises(StreamError) as failed:
        await incoming.next(SECONDS)
    error = failed.value
    assert (error.name, error.message, error.code) == (
        "UserError",
        "no more tokens",
        "quota",
    )


async def test_a_publisher_that_breaks_off_is_an_error_for_the_reader(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client(groups=["news"])
    streams = bob.on_stream()

    async def publish() -> None:
        async with ann.stream("news") as stream:
            await stream.send("so far")
            raise ZeroDivisionError("secret")

    with pytest.raises(ZeroDivisionError, match="secret"):
        await publish()
    incoming = await streams.next(SECONDS)
    assert (await incoming.next(SECONDS)).data == "so far"
    with pytest.raises(StreamError, match="broke off") as failed:
        await incoming.next(SECONDS)
    assert "secret" not in str(failed.value)


async def test_a_publisher_that_leaves_is_an_error_for_the_reader(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client(groups=["news"])
    streams = bob.on_stream()
    stream = await ann.stream("news").__aenter__()
    await stream.send("so far")
    incoming = await streams.next(SECONDS)
    await incoming.next(SECONDS)
    await ann.close()
    with pytest.raises(StreamError) as failed:
        await incoming.next(SECONDS)
    assert failed.value.name == "Cancelled"
    for request in (stream.send("too late"), stream.keep(), stream.end()):
        with pytest.raises(ClosedError):
            await request


async def test_a_stream_that_was_ended_takes_nothing_more(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client()
    async with ann.stream("news") as stream:
        await stream.end()
        await stream.end()
        for request in (stream.send("x"), stream.keep()):
            with pytest.raises(ClosedError):
                await request
    with pytest.raises(RuntimeError):
        await stream.__aenter__()


async def test_a_silent_stream_ends_for_both(hubbub_client: NewClient) -> None:
    ann, bob = await hubbub_client(), await hubbub_client(groups=["news"])
    streams = bob.on_stream()
    stream = await ann.stream("news", idle=0.2).__aenter__()
    await stream.send("so far")
    incoming = await streams.next(SECONDS)
    await incoming.next(SECONDS)
    with pytest.raises(StreamError) as idle:
        await incoming.next(SECONDS)
    assert idle.value.name == "IdleTimeout"
    with pytest.raises(StreamError, match="IdleTimeout"):
        await stream.end()


async def test_a_silent_stream_can_be_kept(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["news"])
    streams = ann.on_stream()
    async with ann.stream("news", idle=0.4) as stream:
        for _ in range(6):
            await asyncio.sleep(0.1)
            await stream.keep()
        await stream.send("still here")
    assert await parts(await streams.next(SECONDS)) == ["still here"]


# Refusals.


async def test_a_stream_that_no_role_permits_does_not_begin(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(roles=["webpubsub.sendToGroup.mine"])
    with pytest.raises(StreamError) as refused:
        await ann.stream("theirs").__aenter__()
    assert refused.value.name == "Forbidden"
    assert "theirs" in refused.value.message
    async with ann.stream("mine") as stream:
        await stream.send("fine")


async def test_what_cannot_be_said_is_refused_before(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    for wrong in (
        {"group": ""},
        {"group": "g", "idle": 0},
        {"group": "g", "buffer": 0},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            ann.stream(**wrong)
    with pytest.raises(ValueError, match="group"):
        ann.on_stream(" ")
    async with ann.stream("news") as stream:
        with pytest.raises(ValueError, match="null"):
            await stream.send(None)
        with pytest.raises(TypeError):
            await stream.send(object())


async def test_a_subprotocol_without_streams_says_so(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(protocol=PROTOBUF_V1)
    with pytest.raises(ProtocolError, match="StartStream"):
        await ann.stream("news").__aenter__()
    await ann.join("news")


# Readers.


async def test_who_comes_in_the_middle_hears_the_rest_if_it_wants_to(
    hubbub_client: NewClient,
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client()
    whole, rest = bob.on_stream(), bob.on_stream(whole=False)
    async with ann.stream("news") as stream:
        await stream.send(1)
        await ann.send_to_group("news", "one is out")
        await bob.join("news")
        await stream.send(2)
    incoming = await rest.next(SECONDS)
    assert (incoming.first, await parts(incoming)) == (2, [2])
    with pytest.raises(DeadlineError):
        await whole.next(0)


async def test_a_reader_that_falls_behind_is_told(hubbub_client: NewClient) -> None:
    ann = await hubbub_client()
    bob = await hubbub_client(groups=["news"], inbox=10)
    streams = bob.on_stream()
    async with ann.stream("news") as stream:
        for number in range(25):
            await stream.send(number)
    await bob.send_to_group("hall", "a fence: everything has come before its answer")
    incoming = await streams.next(SECONDS)
    with pytest.raises(MessagesLost):
        await incoming.next(SECONDS)
    assert await parts(incoming) == list(range(15, 25))


async def test_a_reader_waits_no_longer_than_it_was_told(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(groups=["news"])
    streams = ann.on_stream(idle=0.05)
    async with ann.stream("news") as stream:
        await stream.send(1)
        incoming = await streams.next(SECONDS)
        await incoming.next(SECONDS)
        with pytest.raises(DeadlineError):
            await incoming.next(0.01)
        with pytest.raises(StreamError, match="IdleTimeout"):
            await incoming.next()


async def test_readers_end_with_the_client(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(groups=["news"])
    streams = ann.on_stream()
    stream = await ann.stream("news").__aenter__()
    await stream.send(1)
    incoming = await streams.next(SECONDS)
    await ann.close()
    assert (await incoming.next()).data == 1
    with pytest.raises(ClosedError):
        await anext(incoming)
    assert [one async for one in streams] == []
    assert [one async for one in ann.on_stream()] == []
    with pytest.raises(ClosedError):
        await stream.end()


# Cuts.


async def test_a_stream_survives_cuts_on_both_sides(
    hubbub_gateway: HubbubGateway,
) -> None:
    with TcpProxy(hubbub_gateway.port) as out, TcpProxy(hubbub_gateway.port) as back:
        urls = [
            by_way_of(way, hubbub_gateway.client_url(user=user, groups=["news"]))
            for way, user in ((out, "ann"), (back, "bob"))
        ]
        async with (
            WebPubSubClient(urls[0], backoff=SOON) as ann,
            WebPubSubClient(urls[1], backoff=SOON, inbox=5000) as bob,
        ):
            streams, states = bob.on_stream("news"), ann.states()
            await until_online(states)

            async def publish() -> None:
                async with ann.stream("news", no_echo=True, buffer=32) as stream:
                    for number in range(1000):
                        await stream.send(number)
                        if number % 100 == 50:
                            out.reset()
                            await until_online(states)
                        if number % 100 == 99:
                            back.reset()

            publishing = asyncio.create_task(publish())
            incoming = await streams.next(SECONDS)
            assert await parts(incoming) == list(range(1000))
            await publishing


async def test_parts_wait_for_the_recovery_and_no_more_than_there_is_room_for(
    hubbub_gateway: HubbubGateway,
) -> None:
    with TcpProxy(hubbub_gateway.port) as way:
        url = by_way_of(way, hubbub_gateway.client_url(groups=["news"]))
        async with WebPubSubClient(url, backoff=SOON) as ann:
            streams = ann.on_stream()
            async with ann.stream("news", buffer=5) as stream:
                way.cut()
                for number in range(5):
                    await stream.send(number)
                with pytest.raises(DeadlineError):
                    await stream.send(5, timeout=0.05)
                way.heal()
                await stream.send(5)
            assert await parts(await streams.next(SECONDS)) == list(range(6))


async def test_a_stream_is_lost_with_its_session(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(groups=["news"])
    streams = ann.on_stream()
    stream = await ann.stream("news").__aenter__()
    await stream.send("so far")
    incoming = await streams.next(SECONDS)
    await incoming.next(SECONDS)
    await asyncio.to_thread(hubbub_gateway.restart)
    with pytest.raises(ConnectionLost):
        await incoming.next(SECONDS)
    for request in (stream.send("x"), stream.end(), stream.keep()):
        with pytest.raises(ConnectionLost):
            await request
    async with ann.stream("news") as another:
        await another.send("from the beginning")
    assert await parts(await streams.next(SECONDS)) == ["from the beginning"]


async def test_a_plain_stream_ends_with_its_socket(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(protocol=JSON_V1)
    stream = await ann.stream("news").__aenter__()
    hubbub_gateway.cut()
    with pytest.raises(ConnectionLost):
        await stream.end()


# A service that acknowledges oddly.


async def hello(line: Line) -> None:
    await line.say(
        type="system",
        event="connected",
        connectionId="c1",
        userId="u",
        reconnectionToken="t",
    )


async def heard(line: Line, kind: str) -> dict[str, Any]:
    while (request := await line.heard())["type"] != kind:
        pass
    return request


async def began(line: Line) -> str:
    """Let a stream begin, and give its id."""
    name = str((await heard(line, "sendToGroup"))["stream"]["streamId"])
    await line.say(type="streamAck", streamId=name, expectedSequenceId=1)
    return name


async def sent(line: Line, count: int) -> list[int]:
    """Give the numbers of the next parts."""
    return [(await heard(line, "streamData"))["streamSequenceId"] for _ in range(count)]


async def test_a_part_that_is_missed_is_sent_again_once() -> None:
    numbers: list[int] = []

    async def missing(line: Line) -> None:
        await hello(line)
        name = await began(line)
        numbers.extend(await sent(line, 3))
        for _ in range(2):
            nack = {"name": "InvalidSequenceId", "expectedSequenceId": 2}
            await line.say(type="streamNack", streamId=name, **nack)
        numbers.extend(await sent(line, 2))
        await line.say(type="streamAck", streamId=name, expectedSequenceId=4)
        await heard(line, "streamEnd")
        await line.say(type="streamClosed", streamId=name)
        await line.serve()

    async with (
        Service(missing, subprotocol=RELIABLE) as service,
        service.client() as client,
        client.stream("news") as stream,
    ):
        for number in range(3):
            await stream.send(number)
    assert numbers == [1, 2, 3, 2, 3]


@pytest.mark.parametrize("expected", [0, 7])
async def test_an_impossible_acknowledgement_ends_the_stream(expected: int) -> None:
    async def lying(line: Line) -> None:
        await hello(line)
        name = await began(line)
        await heard(line, "streamData")
        await line.say(type="streamAck", streamId=name, expectedSequenceId=expected)
        await line.serve()

    async with (
        Service(lying, subprotocol=RELIABLE) as service,
        service.client() as client,
    ):
        stream = await client.stream("news").__aenter__()
        await stream.send(1)
        with pytest.raises(ProtocolError):
            await stream.end()


async def test_an_end_that_nobody_confirmed_is_in_doubt() -> None:
    async def dying(line: Line) -> None:
        await hello(line)
        await began(line)
        await heard(line, "streamEnd")
        line.cut()

    async def forgetful(line: Line) -> None:
        await hello(line)
        name = (await heard(line, "streamEnd"))["streamId"]
        error = {"name": "StreamNotFound", "message": "never heard of it"}
        await line.say(type="streamClosed", streamId=name, error=error)
        await line.serve()

    async with (
        Service(dying, forgetful, subprotocol=RELIABLE) as service,
        service.client() as client,
    ):
        stream = await client.stream("news").__aenter__()
        with pytest.raises(ConnectionLost, match="not confirmed"):
            await stream.end()


async def test_a_beginning_that_is_not_answered_does_not_hang() -> None:
    async def silent(line: Line) -> None:
        await hello(line)
        await heard(line, "sendToGroup")
        await heard(line, "sendToGroup")
        line.cut()

    async def well(line: Line) -> None:
        await hello(line)
        await line.serve()

    async with (
        Service(silent, well, subprotocol=RELIABLE) as service,
        service.client() as client,
    ):
        with pytest.raises(DeadlineError):
            await client.stream("news", timeout=0.05).__aenter__()
        with pytest.raises(ConnectionLost):
            await client.stream("news").__aenter__()
        await client.join("lobby")


async def test_news_of_a_stream_that_is_not_there_are_passed_over() -> None:
    async def odd(line: Line) -> None:
        await line.hello()
        await line.say(type="streamAck", streamId="x", expectedSequenceId=5)
        await line.say(type="streamNack", streamId="x", expectedSequenceId=5)
        await line.say(type="streamClosed", streamId="x")
        await line.serve()

    async with Service(odd, subprotocol=JSON) as service, service.client() as client:
        await client.join("lobby")
        assert service.connections == 1
