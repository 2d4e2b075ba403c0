"""The client at a service that says nothing, or what makes no sense."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    ConnectionLost,
    DeadlineError,
    MessagesLost,
    Offline,
    Online,
)
from support.service import SECONDS, Line, Service, is_well, well

if TYPE_CHECKING:
    from hubbub.sdk import WebPubSubClient

# Answers that do not come.


async def test_a_request_whose_socket_dies_raises_and_is_not_repeated() -> None:
    async def dying(line: Line) -> None:
        await line.hello()
        await line.heard()
        line.cut()

    async with Service(dying, well) as service, service.client() as client:
        with pytest.raises(ConnectionLost) as lost:
            await client.send_to_group("lobby", "x")
        assert lost.value.ack_id == 1
        await is_well(client)
        assert client.connection_id == "c2"


async def test_every_request_under_way_is_told_of_the_end() -> None:
    async def dying(line: Line) -> None:
        await line.hello()
        for _ in range(3):
            await line.heard()
        await line.say(type="system", event="disconnected", message="enough")

    async with Service(dying, well) as service, service.client() as client:
        requests = [client.join("a"), client.leave("b"), client.send_event("e", 1)]
        ends = await asyncio.gather(*requests, return_exceptions=True)
        assert [str(end) for end in ends] == ["the connection was lost: enough"] * 3
        assert client.groups == frozenset()
        await is_well(client)


async def test_an_answer_that_never_comes_is_a_deadline_error() -> None:
    async def silent(line: Line) -> None:
        await line.hello()
        first = await line.heard()
        second = await line.heard()
        await line.ack(first)  # too late
        await line.say(type="ack", ackId=4711, success=True)  # nobody's
        await line.ack(second)
        await line.serve()

    async with Service(silent) as service, service.client() as client:
        with pytest.raises(DeadlineError) as late:
            await client.join("lobby", timeout=0.02)
        assert (late.value.ack_id, client.groups) == (1, frozenset())
        await is_well(client)


async def test_a_duplicate_is_what_a_repeated_request_hopes_for() -> None:
    async def knowing(line: Line) -> None:
        await line.hello()
        first = await line.heard()
        again = await line.heard()
        assert first == again
        await line.ack(again, "Duplicate")
        await line.serve()

    async with Service(knowing) as service, service.client() as client:
        with pytest.raises(DeadlineError) as late:
            await client.join("lobby", timeout=0.02)
        await client.join("lobby", ack_id=late.value.ack_id)
        assert client.groups == {"lobby"}


async def test_a_socket_that_takes_no_more_bytes_holds_nobody_for_long() -> None:
    enough = asyncio.Event()

    async def stuck(line: Line) -> None:
        await line.hello()
        line.socket.transport.pause_reading()
        await enough.wait()
        line.cut()

    async def fill(client: WebPubSubClient) -> None:
        while True:
            noise = os.urandom(1 << 20)  # nothing that could be compressed
            await client.send_event("e", noise, ack=False, timeout=0.05)

    async with Service(stuck) as service:
        client = await service.client().__aenter__()
        with pytest.raises(DeadlineError):
            await fill(client)
        async with asyncio.timeout(SECONDS):
            await client.close(timeout=0.05)
        enough.set()


# Frames that say nothing.


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        b"\x00\x01",
        "[]",
        "{}",
        '{"type": "ack", "ackId": "1"}',
        '{"type": "ack", "ackId": 1, "success": false}',
        '{"type": "message", "from": "group", "group": "g", "dataType": "text"}',
        '{"type": "message", "from": "moon", "dataType": "json", "data": 1}',
        '{"type": "message", "from": "server", "dataType": "text", "data": 1}',
        '{"type": "message", "from": "server", "dataType": "binary", "data": "?"}',
        '{"type": "message", "from": "server", "dataType": "odd", "data": 1}',
        '{"type": "system", "event": "connected"}',
        "[" * 100_000,
    ],
)
async def test_garbage_costs_the_connection_and_nothing_else(
    frame: str | bytes,
) -> None:
    codes = []

    async def raving(line: Line) -> None:
        await line.hello()
        await line.socket.send(frame)
        await line.socket.wait_closed()
        codes.append(line.socket.close_code)

    async with Service(raving, well) as service, service.client() as client:
        states = client.states()
        assert await states.next(SECONDS) == Online("c1", "u")
        assert isinstance(await states.next(SECONDS), Offline)
        assert await states.next(SECONDS) == Online("c2", "u")
        await is_well(client)
    assert codes == [1002]


async def test_what_is_newer_than_the_client_is_passed_over() -> None:
    async def modern(line: Line) -> None:
        await line.hello()
        await line.say(type="hologram", data=1)
        await line.say(type="system", event="eclipse", when="noon")
        await line.say(type="pong", extra=True)
        await line.serve()

    async with Service(modern) as service, service.client() as client:
        await is_well(client)
        assert service.connections == 1


async def test_a_flood_that_nobody_reads_is_bounded_and_counted() -> None:
    message = {"type": "message", "from": "server", "dataType": "text", "data": "x"}

    async def flooding(line: Line) -> None:
        await line.hello()
        for _ in range(5000):
            await line.say(**message)
        await line.serve()

    async with Service(flooding) as service, service.client(inbox=100) as client:
        await client.join("lobby")
        with pytest.raises(MessagesLost) as lost:
            await client.next(SECONDS)
        assert lost.value.count == 4900
        for _ in range(100):
            await client.next(0)
        await is_well(client)
