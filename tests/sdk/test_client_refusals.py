"""The client at a service that sends it away, before it is in or later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubbub.sdk import (
    JSON_V1,
    Backoff,
    ClosedError,
    ConnectError,
    DeadlineError,
    NotRejoined,
    Offline,
    Online,
    ProtocolError,
    RefusedError,
    WebPubSubClient,
)
from support.service import QUICK, SECONDS, Line, Service, is_well, well


async def brief(line: Line) -> None:
    """Let in, and hang up."""
    await line.hello()


# Ends.


@pytest.mark.parametrize("closes", [True, False])
async def test_a_goodbye_is_the_end_of_a_connection(closes: bool) -> None:
    async def leaving(line: Line) -> None:
        await line.hello()
        await line.say(type="system", event="disconnected", message="lunch")
        if closes:
            await line.socket.close(1001, "lunch")
        else:
            await line.serve()

    async with Service(leaving, well) as service, service.client() as client:
        states = client.states()
        assert await states.next(SECONDS) == Online("c1", "u")
        assert await states.next(SECONDS) == Offline("lunch")
        assert await states.next(SECONDS) == Online("c2", "u")
        await is_well(client)


async def test_the_words_of_a_close_frame_are_passed_on() -> None:
    async def leaving(line: Line) -> None:
        await line.hello()
        await line.socket.close(1008, "too slow")

    async with Service(leaving, well) as service, service.client() as client:
        states = client.states()
        await states.next(SECONDS)
        lost = await states.next(SECONDS)
        assert lost == Offline("the gateway closed it with 1008 too slow")


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_final_refusal_of_the_way_back_ends_the_client(status: int) -> None:
    async with Service(brief, status) as service, service.client() as client:
        with pytest.raises(ClosedError) as ended:
            await client.next(SECONDS)
        cause = ended.value.__cause__
        assert isinstance(cause, RefusedError)
        assert cause.status == status
        assert service.connections == 2


async def test_other_refusals_are_tried_again() -> None:
    async with (
        Service(brief, 503, 429, 500, well) as service,
        service.client() as client,
    ):
        states = client.states()
        while await states.next(SECONDS) != Online("c5", "u"):
            pass
        await is_well(client)


async def test_a_client_with_so_many_attempts_gives_up_after_them() -> None:
    few = Backoff(first=0.001, most=0.001, attempts=3)
    async with Service(brief) as service, service.client(backoff=few) as client:
        with pytest.raises(ClosedError) as ended:
            await client.next(SECONDS)
        assert isinstance(ended.value.__cause__, ConnectError)
        # Connections that do not last do not count as a success.
        assert service.connections == 4


async def test_a_connection_that_is_lost_on_the_way_back_is_no_way_back() -> None:
    async def dying(line: Line) -> None:
        await line.hello()
        await line.ack(await line.heard())
        line.cut()

    async def dying_early(line: Line) -> None:
        await line.hello()
        assert (await line.heard())["type"] == "joinGroup"
        line.cut()

    async with Service(dying, dying_early, well) as service, service.client() as client:
        states = client.states()
        await client.join("lobby")
        seen = [await states.next(SECONDS) for _ in range(3)]
        assert [type(state) for state in seen] == [Online, Offline, Online]
        assert seen[-1] == Online("c3", "u")
        await is_well(client)


async def test_a_new_connection_is_not_used_before_the_groups_are_joined() -> None:
    heard: list[dict[str, Any]] = []

    async def dying(line: Line) -> None:
        await line.hello()
        for _ in range(2):
            await line.ack(await line.heard())
        line.cut()

    async def slow(line: Line) -> None:
        await line.hello()
        heard.extend([await line.heard(), await line.heard()])
        await line.ack(heard[1])
        await line.ack(heard[0], "Forbidden")
        heard.append(await line.heard())
        await line.ack(heard[2])
        await line.serve()

    async with Service(dying, slow) as service, service.client() as client:
        states = client.states()
        await client.join("lobby")
        await client.join("hall")
        while not isinstance(await states.next(SECONDS), Offline):
            pass
        await client.send_event("hello", 1)
        assert [request["type"] for request in heard] == ["joinGroup"] * 2 + ["event"]
        assert await states.next(SECONDS) == NotRejoined(
            "lobby", "Forbidden", "so it is"
        )
        assert await states.next(SECONDS) == Online("c2", "u")
        assert client.groups == {"hall"}


async def test_groups_that_are_never_joined_again_cost_the_connection() -> None:
    async def dying(line: Line) -> None:
        await line.hello()
        await line.ack(await line.heard())
        line.cut()

    async def silent(line: Line) -> None:
        await line.hello()
        await line.socket.wait_closed()

    async with (
        Service(dying, silent, well) as service,
        service.client(connect_timeout=0.05) as client,
    ):
        await client.join("lobby")
        states = client.states()
        while await states.next(SECONDS) != Online("c3", "u"):
            pass


# The first connection.


async def test_who_does_not_say_who_we_are_does_not_keep_us_waiting() -> None:
    async def silent(line: Line) -> None:
        await line.socket.wait_closed()

    async with Service(silent) as service:
        with pytest.raises(DeadlineError):
            await service.client(connect_timeout=0.05).__aenter__()


async def test_a_service_that_hangs_up_at_once_is_no_connection() -> None:
    async def curt(line: Line) -> None:
        await line.socket.close(1013, "come back later")

    async def rude(line: Line) -> None:
        await line.socket.send("who are you?")
        await line.socket.wait_closed()

    async def cutting(line: Line) -> None:
        line.cut()
        await line.socket.wait_closed()

    for script, reason in (
        (curt, "1013 come back later"),
        (rude, "cannot be read"),
        (cutting, "cut"),
    ):
        async with Service(script) as service:
            with pytest.raises(ConnectError, match=reason):
                await service.client().__aenter__()
            assert service.connections == 1


async def test_a_service_that_speaks_no_subprotocol_of_ours_is_told_apart() -> None:
    async with Service(well, subprotocol=None) as service:
        with pytest.raises(ProtocolError, match=r"json\.webpubsub\.azure\.v1"):
            await service.client().__aenter__()


@pytest.mark.parametrize("status", [200, 401, 429, 500])
async def test_the_status_of_a_refusal_is_told(status: int) -> None:
    async with Service(status) as service:
        with pytest.raises(RefusedError) as refused:
            await service.client().__aenter__()
    assert refused.value.status == status
    assert refused.value.final == (status == 401)


async def test_what_speaks_no_http_is_no_connection() -> None:
    async def mumble(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(mumble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError):
            await WebPubSubClient(f"ws://127.0.0.1:{port}/").__aenter__()


async def test_a_provider_that_fails_for_a_while_is_asked_again() -> None:
    async with Service(brief, well) as service:
        url = service.url
        answers: list[str | Exception] = [url, OSError("no route"), LookupError(), url]

        async def provide() -> str:
            match answers.pop(0):
                case str(answer):
                    return answer
                case Exception() as error:
                    raise error

        async with WebPubSubClient(provide, JSON_V1, backoff=QUICK) as client:
            states = client.states()
            while await states.next(SECONDS) != Online("c2", "u"):
                pass
        assert answers == []
