"""A reliable client at a service that gives a session back, or does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hubbub.sdk import (
    ConnectionLost,
    NotRecovered,
    Offline,
    Online,
    WebPubSubClient,
)
from hubbub.sdk.client import acknowledging
from support.sdk_clients import until, until_online
from support.service import QUICK, RELIABLE, SECONDS, Line, Service

if TYPE_CHECKING:
    from support.service import Script


def query(line: Line) -> dict[str, list[str]]:
    """Give the query that a connection came with."""
    assert line.socket.request is not None
    return parse_qs(urlsplit(line.socket.request.path).query)


def proof(line: Line) -> tuple[str, str] | None:
    """Give the connection id and the token that a client comes back with."""
    asked = query(line)
    if "awps_connection_id" not in asked:
        return None
    return asked["awps_connection_id"][0], asked["awps_reconnection_token"][0]


async def hello(line: Line, name: str = "c1", token: str = "t1") -> None:
    await line.say(
        type="system",
        event="connected",
        connectionId=name,
        userId="u",
        reconnectionToken=token,
    )


async def message(line: Line, number: int) -> None:
    await line.say(
        **{"type": "message", "from": "server", "dataType": "json", "data": number},
        sequenceId=number,
    )


async def dying(line: Line) -> None:
    """Let in, say one and two, and cut the line."""
    await hello(line)
    await message(line, 1)
    await message(line, 2)
    line.cut()


async def back(line: Line) -> None:
    """Give the session back, and go on where it was."""
    assert proof(line) == ("c1", "t1")
    await hello(line)
    for number in (2, 3):
        await message(line, number)
    await line.serve()


async def anew(line: Line) -> None:
    """Begin another session."""
    assert proof(line) is None
    await hello(line, "c9", "t9")
    await message(line, 1)
    await line.serve()


def service(*scripts: Script | int) -> Service:
    return Service(*scripts, subprotocol=RELIABLE)


async def numbers(client: WebPubSubClient, count: int) -> list[Any]:
    return [(await client.next(SECONDS)).data for _ in range(count)]


# Back into the session.


async def test_the_way_back_is_the_same_address_with_the_proof() -> None:
    seen = []

    async def asked(line: Line) -> None:
        seen.append(query(line))
        await back(line)

    async with service(dying, asked) as fake:
        url = f"{fake.url}?access_token=t&colour=red"
        async with WebPubSubClient(url, backoff=QUICK) as client:
            assert await numbers(client, 3) == [1, 2, 3]
    assert seen == [
        {
            "access_token": ["t"],
            "colour": ["red"],
            "awps_connection_id": ["c1"],
            "awps_reconnection_token": ["t1"],
        }
    ]


async def test_the_newest_token_is_the_proof() -> None:
    async def refreshing(line: Line) -> None:
        await hello(line)
        await hello(line, token="t2")
        await line.heard()
        line.cut()

    async def asked(line: Line) -> None:
        assert proof(line) == ("c1", "t2")
        await hello(line, token="t3")
        await line.heard()
        line.cut()

    async def asked_again(line: Line) -> None:
        assert proof(line) == ("c1", "t3")
        await hello(line)
        await line.serve()

    async with service(refreshing, asked, asked_again) as fake, fake.client() as client:
        states = client.states()
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                await client.join("lobby")
            assert (await until(states, Online)) is not None
        await client.join("lobby")
        assert fake.connections == 3


async def test_a_service_need_not_say_again_who_we_are() -> None:
    async def curt(line: Line) -> None:
        assert (await line.heard())["type"] == "ping"
        await line.say(type="pong")
        await line.serve()

    async with service(dying, curt) as fake, fake.client() as client:
        states = client.states()
        assert await until_online(states) == [Online("c1", "u")]
        assert await until(states, Online) == Online("c1", "u", recovered=True)
        await client.join("lobby")


async def test_what_is_told_first_after_a_recovery_is_heard() -> None:
    async def hasty(line: Line) -> None:
        await message(line, 2)
        await message(line, 3)
        await line.serve()

    async with service(dying, hasty) as fake, fake.client() as client:
        assert await numbers(client, 3) == [1, 2, 3]


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
async def test_a_status_is_no_answer_to_who_comes_back(status: int) -> None:
    async with service(dying, status, status, back) as fake, fake.client() as client:
        assert await numbers(client, 3) == [1, 2, 3]
        assert client.connection_id == "c1"
        assert fake.connections == 4


async def test_a_line_that_is_cut_on_the_way_back_is_tried_again() -> None:
    async def cutting(line: Line) -> None:
        assert proof(line) == ("c1", "t1")
        line.cut()
        await line.socket.wait_closed()

    async def late(line: Line) -> None:
        await line.socket.wait_closed()

    async with (
        service(dying, cutting, late, back) as fake,
        fake.client(connect_timeout=0.05) as client,
    ):
        assert await numbers(client, 3) == [1, 2, 3]
        assert fake.connections == 4


@pytest.mark.parametrize("code", [1000, 1001, 1009, 1011, 1012])
async def test_after_any_other_close_code_the_session_is_asked_for(code: int) -> None:
    async def leaving(line: Line) -> None:
        await hello(line)
        await line.say(type="system", event="disconnected", message="lunch")
        await line.socket.close(code)

    async with service(leaving, back) as fake, fake.client() as client:
        assert await numbers(client, 2) == [2, 3]
        assert client.connection_id == "c1"


async def test_the_client_does_not_give_its_session_up_by_its_own_close_code() -> None:
    codes = []

    async def leaving(line: Line) -> None:
        await hello(line)
        await line.say(type="system", event="disconnected", message="lunch")
        await line.socket.wait_closed()
        codes.append(line.socket.close_code)

    async with service(leaving, back) as fake, fake.client() as client:
        assert await numbers(client, 2) == [2, 3]
    assert codes == [1001]


# No way back.


@pytest.mark.parametrize("said", [True, False])
async def test_1008_is_the_end_of_a_session(said: bool) -> None:
    async def final(line: Line) -> None:
        await hello(line)
        await message(line, 1)
        if said:
            await line.say(type="system", event="disconnected", message="too slow")
        await line.socket.close(1008, "too slow")

    async with service(final, anew) as fake, fake.client() as client:
        states = client.states()
        assert await until_online(states) == [Online("c1", "u")]
        lost, told, new = await until_online(states)
        assert isinstance(lost, Offline)
        assert isinstance(told, NotRecovered)
        assert "too slow" in told.reason
        assert new == Online("c9", "u")
        # Another session counts from 1 again.
        assert await numbers(client, 2) == [1, 1]


async def test_1008_on_the_way_back_is_the_end_of_a_session() -> None:
    async def nobody(line: Line) -> None:
        assert proof(line) == ("c1", "t1")
        await line.socket.close(1008, "no such session")

    async with service(dying, nobody, anew) as fake, fake.client() as client:
        states = client.states()
        await until_online(states)
        _, told, new = await until_online(states)
        assert isinstance(told, NotRecovered)
        assert "no such session" in told.reason
        assert new == Online("c9", "u")
        assert await numbers(client, 3) == [1, 2, 1]


async def test_a_service_that_gives_another_session_has_lost_ours() -> None:
    async def another(line: Line) -> None:
        await hello(line, "c5", "t5")
        await line.serve()

    async with service(dying, another, anew) as fake, fake.client() as client:
        states = client.states()
        await until_online(states)
        _, told, new = await until_online(states)
        assert isinstance(told, NotRecovered)
        assert new == Online("c9", "u")


async def test_garbage_is_not_asked_for_again() -> None:
    async def raving(line: Line) -> None:
        await hello(line)
        await line.socket.send("garbage")
        await line.socket.wait_closed()

    async with service(raving, anew) as fake, fake.client() as client:
        states = client.states()
        await until_online(states)
        _, told, new = await until_online(states)
        assert isinstance(told, NotRecovered)
        assert new == Online("c9", "u")


async def test_a_session_is_looked_for_as_long_as_it_was_said() -> None:
    async with (
        service(dying, *[503] * 3, anew) as fake,
        fake.client(recovery=0.0001) as client,
    ):
        states = client.states()
        await until_online(states)
        _, told, *_ = await until_online(states)
        assert isinstance(told, NotRecovered)
        assert "0.0001 seconds" in told.reason


async def test_a_service_without_tokens_is_not_asked_for_a_session() -> None:
    async def plain(line: Line) -> None:
        await line.hello()
        line.cut()

    async def again(line: Line) -> None:
        assert proof(line) is None
        await line.hello()
        await line.serve()

    async with service(plain, again) as fake, fake.client() as client:
        states = client.states()
        assert [type(one) for one in await until_online(states)] == [Online]
        assert [type(one) for one in await until_online(states)] == [Offline, Online]


# Acknowledgements.


async def heard_numbers(line: Line, last: int) -> list[int]:
    """Give the numbers of the acknowledgements up to one."""
    seen: list[int] = []
    while not seen or seen[-1] < last:
        request = await line.heard()
        if request["type"] == "sequenceAck":
            seen.append(request["sequenceId"])
    return seen


async def test_messages_are_acknowledged_together_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledging, "SOON", 0.05)
    seen: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def talking(line: Line) -> None:
        await hello(line)
        for number in range(1, 101):
            await message(line, number)
        seen.set_result(await heard_numbers(line, 100))
        await line.serve()

    async with service(talking) as fake, fake.client():
        acknowledged = await asyncio.wait_for(seen, SECONDS)
    assert acknowledged == sorted(acknowledged)
    assert len(acknowledged) < 10


async def test_many_messages_are_acknowledged_without_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledging, "SOON", 3600.0)
    seen: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def talking(line: Line) -> None:
        await hello(line)
        for number in range(1, 1001):
            await message(line, number)
        # Of the last 300 or fewer nobody need hear yet.
        seen.set_result(await heard_numbers(line, 701))
        await line.serve()

    async with service(talking) as fake, fake.client():
        acknowledged = await asyncio.wait_for(seen, SECONDS)
    assert acknowledged[0] <= 300
    assert len(acknowledged) <= 4


async def test_what_was_heard_before_is_acknowledged_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledging, "SOON", 0.01)
    seen: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def repeating(line: Line) -> None:
        await hello(line)
        for number in (1, 2):
            await message(line, number)
        seen.set_result(await heard_numbers(line, 2))
        await line.serve()

    async with service(dying, repeating) as fake, fake.client() as client:
        assert await numbers(client, 2) == [1, 2]
        assert await asyncio.wait_for(seen, SECONDS) == [2]


# Requests.


async def test_a_repeated_request_is_known_in_a_session_that_was_recovered() -> None:
    async def forgetful(line: Line) -> None:
        await hello(line)
        await line.heard()
        line.cut()

    async def knowing(line: Line) -> None:
        await hello(line)
        request = await line.heard()
        while "ackId" not in request:
            request = await line.heard()
        assert request["ackId"] == 1
        await line.ack(request, "Duplicate")
        await line.serve()

    async with service(forgetful, knowing) as fake, fake.client() as client:
        states = client.states()
        with pytest.raises(ConnectionLost) as lost:
            await client.send_to_group("lobby", "x")
        await until_online(states)
        await client.send_to_group("lobby", "x", ack_id=lost.value.ack_id)
