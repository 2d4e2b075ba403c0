"""Recovery, frame by frame: for how long, and for how many messages, a session is kept.

The clients are those of the ``websockets`` package and speak as the service's reference
says (client protocols, reliable subprotocols). REST is the official package's.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from support.gateway import GatewayProcess
from support.official import SECONDS, Bystander
from support.raw import RawClient, target
from support.returning import (
    RELIABLE,
    ROLES,
    UNRECOVERABLE,
    Returning,
    address_of,
    gone,
    lost,
    member,
    way_back,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 1.0
KEPT = 50
IMPATIENT = f"""
keep_alive = 1
[limits]
recovery_seconds = {WINDOW}
retained_messages = {KEPT}
retained_bytes = 100000
ack_seconds = 0.5
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that keeps little, and not for long."""
    file = tmp_path_factory.mktemp("strict") / "hubbub.toml"
    file.write_text(IMPATIENT)
    with GatewayProcess("--config", str(file), "--log-level", "info") as gateway:
        yield gateway


def rest_of(gateway: GatewayProcess, hub: str) -> Any:
    return WebPubSubServiceClient.from_connection_string(gateway.connection_string, hub)


async def cut(gateway: GatewayProcess, client: Returning) -> None:
    """Cut a client, and wait until the gateway knows."""
    await client.cut()
    await asyncio.to_thread(gateway.await_log, f"/{client.id} from")


async def flood(publisher: Bystander, numbers: range) -> None:
    """Publish numbers to the room; the last is acknowledged."""
    for number in numbers[:-1]:
        frame = {"type": "sendToGroup", "group": "room", "data": number}
        await publisher.socket.send(json.dumps(frame))
    ack = await publisher.request(type="sendToGroup", group="room", data=numbers[-1])
    assert ack["success"]


@pytest.mark.parametrize("count", [1000, 1001])
async def test_a_thousand_messages_wait_and_not_one_more(
    gateway: GatewayProcess, hub: str, count: int
) -> None:
    """Counted from the cut on: what was not acknowledged before is kept beside it."""
    publisher = Bystander(gateway.client_url(hub, "bob", ROLES))
    async with publisher as bob, member(gateway, hub, "room") as alice:
        await flood(bob, range(1))
        assert await alice.numbered(1) == [(1, 0)]
        await cut(gateway, alice)
        await flood(bob, range(1, count + 1))
        if count > 1000:
            assert (await lost(alice.way_back()))[0] == UNRECOVERABLE
            return
        async with alice.back() as again:
            found = await again.numbered(count + 1)
            assert found == [(number + 1, number) for number in range(count + 1)]


async def test_the_count_is_a_setting(strict: GatewayProcess, hub: str) -> None:
    publisher = Bystander(strict.client_url(hub, "bob", ROLES))
    async with (
        publisher as bob,
        member(strict, hub, "room") as alice,
        member(strict, hub, "room") as carol,
    ):
        await cut(strict, alice)
        await flood(bob, range(KEPT))
        async with alice.back() as again:
            assert len(await again.numbered(KEPT)) == KEPT
        await cut(strict, carol)
        await flood(bob, range(KEPT + 1))
        assert (await lost(carol.way_back()))[0] == UNRECOVERABLE


async def test_the_bytes_are_a_setting(strict: GatewayProcess, hub: str) -> None:
    async with rest_of(strict, hub) as rest, member(strict, hub, "room") as alice:
        await cut(strict, alice)
        await rest.send_to_group("room", "x" * 90_000, content_type="text/plain")
        assert await rest.connection_exists(alice.id)
        await rest.send_to_group("room", "x" * 10_000, content_type="text/plain")
        await gone(rest, alice.id)
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


async def test_a_session_ends_when_its_client_stays_away(
    strict: GatewayProcess, hub: str
) -> None:
    async with rest_of(strict, hub) as rest, member(strict, hub, "room") as alice:
        await alice.cut()
        assert await rest.connection_exists(alice.id)
        await gone(rest, alice.id)
        assert not await rest.group_exists("room")
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


async def test_the_time_begins_anew_with_each_return(
    strict: GatewayProcess, hub: str
) -> None:
    """A session that is in use outlives any number of windows."""
    async with member(strict, hub, "room") as alice:
        client = alice
        for _ in range(3):
            await client.cut()
            await asyncio.sleep(WINDOW * 0.4)  # away, but not for too long
            client = await client.back().__aenter__()
            assert client.id == alice.id
        await client.still()
        await client.socket.close()


async def test_the_stream_of_a_client_that_stays_away_ends(
    strict: GatewayProcess, hub: str
) -> None:
    reader = Bystander(strict.client_url(hub, "bob", groups=["room"]))
    async with reader as bob, member(strict, hub) as alice:
        for request in (
            {"type": "sendToGroup", "group": "room", "stream": {"streamId": "s"}},
            {"type": "streamData", "streamId": "s", "streamSequenceId": 1}
            | {"dataType": "json", "data": 1},
        ):
            await alice.socket.send(json.dumps(request))
        assert (await alice.push())["expectedSequenceId"] == 1
        assert (await bob.push())["data"] == 1
        await alice.cut()
        last = await bob.push()
        assert last["stream"] == {
            "streamId": "s",
            "streamSequenceId": 2,
            "endOfStream": True,
            "error": {"name": "Cancelled"},
        }
        assert (last["dataType"], last["data"]) == ("text", "")


async def test_a_client_that_never_acknowledges_is_closed(
    strict: GatewayProcess, hub: str
) -> None:
    """Not by the count alone: it has ``ack_seconds`` to acknowledge something."""
    publisher = Bystander(strict.client_url(hub, "bob", ROLES))
    async with publisher as bob, member(strict, hub, "room") as alice:

        async def publish() -> None:
            number = 0
            while True:
                await flood(bob, range(number, number + 10))
                number += 10
                await asyncio.sleep(0.01)

        publishing = asyncio.create_task(publish())
        found = []
        try:
            async with asyncio.timeout(SECONDS):
                while (push := await alice.push())["type"] == "message":
                    found.append(push["sequenceId"])
        finally:
            publishing.cancel()
            with suppress(asyncio.CancelledError):
                await publishing
        assert found == list(range(1, len(found) + 1))
        assert len(found) > KEPT
        assert push["event"] == "disconnected"
        assert "not acknowledged" in push["message"]
        assert (await alice.closed())[0] == UNRECOVERABLE
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


async def test_a_client_that_does_not_read_is_closed_and_cannot_return(
    gateway: GatewayProcess, hub: str
) -> None:
    """Twenty megabytes, of which sixteen are kept for a client."""
    url = gateway.client_url(hub, "alice", groups=["room"])
    async with rest_of(gateway, hub) as rest, Returning(url) as alice:
        alice.socket.transport.pause_reading()
        for _ in range(22):
            await rest.send_to_group("room", "x" * 900_000, content_type="text/plain")
        await gone(rest, alice.id)
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE
        await alice.cut()


async def test_a_client_that_answers_no_ping_may_come_back(
    strict: GatewayProcess, hub: str
) -> None:
    """Its network was gone for a while: it knows of nothing."""

    def silent() -> tuple[str, str]:
        with RawClient(strict) as client:
            assert client.upgrade(target(strict, hub), protocol=RELIABLE).status == 101
            hello = client.message()
            assert client.closed()[0] == 1011
            return hello["connectionId"], hello["reconnectionToken"]

    connection_id, token = await asyncio.to_thread(silent)
    url = way_back(address_of(strict, hub), connection_id, token)
    async with Returning(url) as again:
        assert again.id == connection_id


async def test_a_client_that_acknowledges_gets_any_number(
    strict: GatewayProcess, hub: str
) -> None:
    publisher = Bystander(strict.client_url(hub, "bob", ROLES))
    async with publisher as bob, member(strict, hub, "room") as alice:
        for start in range(0, 40 * KEPT, KEPT):
            await flood(bob, range(start, start + KEPT))
            found = await alice.numbered(KEPT)
            assert found == [(n + 1, n) for n in range(start, start + KEPT)]
            await alice.acknowledge(start + KEPT)
            await asyncio.sleep(0.02)  # more than ack_seconds, all in all
        await alice.still()


def within(seconds: int) -> dict[str, int]:
    """Say how long a message may wait, which the official package has no name for."""
    return {"messageTtlSeconds": seconds}


async def test_a_message_whose_time_is_over_does_not_come(
    gateway: GatewayProcess, hub: str
) -> None:
    async with rest_of(gateway, hub) as rest, member(gateway, hub, "room") as alice:
        await alice.cut()
        await rest.send_to_group("room", "soon over", params=within(1))
        await rest.send_to_group("room", "in time", params=within(300))
        await rest.send_to_group("room", "for ever")
        await asyncio.sleep(1.1)  # its time is over by the clock alone
        async with alice.back() as again:
            assert await again.numbered(2) == [(2, "in time"), (3, "for ever")]
            await rest.send_to_group("room", "next", params=within(1))
            assert await again.numbered(1) == [(4, "next")]


async def test_the_time_of_a_client_message_counts_too(
    gateway: GatewayProcess, hub: str
) -> None:
    publisher = Bystander(gateway.client_url(hub, "bob", ROLES))
    async with publisher as bob, member(gateway, hub, "room") as alice:
        await alice.cut()
        for data, seconds in (("over", 1), ("in time", 300)):
            ack = await bob.request(
                type="sendToGroup", group="room", data=data, ttlSeconds=seconds
            )
            assert ack["success"]
        await asyncio.sleep(1.1)  # its time is over by the clock alone
        async with alice.back() as again:
            assert await again.numbered(1) == [(2, "in time")]
            await again.still()
