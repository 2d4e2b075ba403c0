"""Recovery at another gateway than the one where the session was: it moves.

Two gateways of one service, so that each return is where the test wants it. The clients
are those of the ``websockets`` package; REST is the official package's.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from websockets.exceptions import InvalidStatus

from support.cluster import Cluster, aside
from support.official import SECONDS
from support.raw import metrics
from support.returning import (
    UNRECOVERABLE,
    Returning,
    address_of,
    gone,
    lost,
    member,
    sign,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT = "text/plain"
TRY_AGAIN = {502, 503}
MOVED = 1001


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    with Cluster(2, "--log-level", "info") as gateways:
        yield gateways


@pytest.fixture
def there(pair: Cluster, hub: str) -> str:
    """The other place, where clients come back to."""
    return address_of(pair[1], hub)


@pytest.fixture
def rest(pair: Cluster, hub: str) -> Callable[[int], Any]:
    """Make a service client of a gateway."""
    return lambda place: WebPubSubServiceClient.from_connection_string(
        pair[place].connection_string, hub
    )


async def test_everything_comes_along(
    pair: Cluster, hub: str, there: str, rest: Callable[[int], Any]
) -> None:
    url = pair[0].client_url(hub, "alice", ["webpubsub.sendToGroup.own"], ["given"])
    async with rest(0) as here, rest(1) as other, Returning(url) as alice:
        await here.grant_permission("joinLeaveGroup", alice.id, target_name="lent")
        await here.revoke_permission("sendToGroup", alice.id, target_name="own")
        assert (await alice.request(type="joinGroup", group="lent"))["success"]
        for number in (1, 2, 3):
            await here.send_to_group("given", number)
        seen = [await alice.frame() for _ in range(3)]
        await alice.acknowledge(1)
        await alice.still()
        await alice.cut()
        await other.send_to_connection(alice.id, 4)
        async with alice.back(at=there) as again:
            assert again.id == alice.id
            assert again.connected["userId"] == "alice"
            assert [await again.frame() for _ in range(2)] == seen[1:], "byte for byte"
            assert await again.numbered(1) == [(4, 4)]
            await here.send_to_group("given", 5)
            await other.send_to_group("lent", 6)
            await here.send_to_user("alice", 7)
            assert sorted(await again.numbered(3)) == sorted([(5, 5), (6, 6), (7, 7)])
            join = {"type": "joinGroup", "group": "lent", "ackId": 1}
            await again.socket.send(json.dumps(join))
            assert (await again.push())["error"]["name"] == "Duplicate"
            again._ack_id = 100
            ack = await again.request(type="sendToGroup", group="own", data=1)
            assert ack["error"]["name"] == "Forbidden"
            for service in (here, other):
                assert await service.connection_exists(alice.id)
                assert await service.has_permission(
                    "joinLeaveGroup", alice.id, target_name="lent"
                )


async def test_it_may_go_to_and_fro(
    pair: Cluster, hub: str, rest: Callable[[int], Any]
) -> None:
    async with rest(0) as here, member(pair[0], hub, "room") as alice:
        client = alice
        for number in range(1, 7):
            client._ack_id = number  # it counts on
            ack = await client.request(type="joinGroup", group=f"group {number}")
            assert ack["success"]
            await client.cut()
            await here.send_to_group("room", number)
            at = address_of(pair[number], hub)
            client = await client.back(at=at).__aenter__()
            assert client.id == alice.id
            assert await client.numbered(1) == [(number, number)]
            await client.acknowledge(number)
            await client.still()
        for number in range(1, 7):
            await here.send_to_group(f"group {number}", number)
        assert [data for _, data in await client.numbered(6)] == list(range(1, 7))
        await client.socket.close()


async def test_the_socket_at_the_old_place_is_closed(
    pair: Cluster, hub: str, there: str, rest: Callable[[int], Any]
) -> None:
    async with (
        rest(0) as here,
        member(pair[0], hub, "room") as alice,
        alice.back(at=there) as again,
    ):
        assert again.id == alice.id
        assert (await alice.closed())[0] == MOVED
        await here.send_to_group("room", "one", content_type=TEXT)
        assert await again.numbered(1) == [(1, "one")]


async def test_orders_find_the_session_where_it_is(
    pair: Cluster, hub: str, there: str, rest: Callable[[int], Any]
) -> None:
    async with rest(0) as here, member(pair[0], hub) as alice:
        await alice.cut()
        async with alice.back(at=there) as again:
            await here.add_connection_to_group("late", alice.id)
            await here.send_to_group("late", "hello", content_type=TEXT)
            assert await again.numbered(1) == [(1, "hello")]
            await here.close_connection(alice.id, reason="lunch")
            assert (await again.push())["event"] == "disconnected"
            assert (await again.closed())[0] == 1000
            await gone(here, alice.id)
            for place in (0, 1):
                url = again.way_back(at=address_of(pair[place], hub))
                assert (await lost(url))[0] == UNRECOVERABLE


async def test_what_is_no_session_is_none_anywhere(
    pair: Cluster, hub: str, there: str
) -> None:
    async with member(pair[0], hub) as alice:
        forged = alice.way_back(at=there, token=sign(alice.id, key="x" * 40))
        assert (await lost(forged))[0] == UNRECOVERABLE
        await alice.still()
        await alice.socket.close(1000)
        assert (await lost(alice.way_back(at=there)))[0] == UNRECOVERABLE


async def test_the_sessions_of_a_gateway_that_ends_go_on_at_another(
    pair: Cluster, hub: str, there: str, rest: Callable[[int], Any]
) -> None:
    """One whose client is there and one whose client is away."""
    async with (
        rest(1) as other,
        member(pair[0], hub, "room") as alice,
        member(pair[0], hub, "room", user="bob") as bob,
    ):
        await other.send_to_group("room", 1)
        assert await alice.numbered(1) == [(1, 1)]
        await bob.cut()
        assert await aside(pair.stop, 0) == 0
        await other.send_to_group("room", 2)
        for client in (alice, bob):
            async with client.back(at=there) as again:
                assert again.id == client.id
                assert await again.numbered(2) == [(1, 1), (2, 2)]
                await again.socket.close(1000)
    await aside(pair.restore)


async def test_the_sessions_of_a_gateway_that_died_are_lost_and_counted(
    pair: Cluster, hub: str, there: str
) -> None:
    """Until it counts as dead, whoever comes back is told to try again."""
    async with member(pair[0], hub) as alice:
        before = metrics(pair[1])["hubbub_sessions_lost_total"]
        await aside(pair.kill, 0)
        async with asyncio.timeout(3 * SECONDS):
            while True:
                try:
                    code, _ = await lost(alice.way_back(at=there))
                except InvalidStatus as again:
                    if again.response.status_code not in TRY_AGAIN:
                        raise
                else:
                    assert code == UNRECOVERABLE
                    break
        assert metrics(pair[1])["hubbub_sessions_lost_total"] == before + 1
    await aside(pair.restore)
