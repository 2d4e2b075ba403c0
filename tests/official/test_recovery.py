"""Recovery, frame by frame: who gets a session back, and who does not.

The clients are those of the ``websockets`` package and speak as the service's reference
says (client protocols, reliable subprotocols). REST is the official package's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from support.official import Bystander
from support.returning import (
    RELIABLE,
    ROLES,
    UNRECOVERABLE,
    Returning,
    address_of,
    gone,
    lost,
    member,
    sign,
    way_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.gateway import GatewayProcess


@pytest.fixture
def service(gateway: GatewayProcess, hub: str) -> Callable[[], Any]:
    return lambda: WebPubSubServiceClient.from_connection_string(
        gateway.connection_string, hub
    )


# Who comes back.


async def test_the_first_message_says_how_to_come_back(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        assert alice.connected["userId"] == "alice"
        assert alice.token
        assert alice.socket.subprotocol == RELIABLE
    async with Bystander(gateway.client_url(hub, "bob")) as bob:
        assert "reconnectionToken" not in bob.connected


async def test_no_access_token_is_needed(gateway: GatewayProcess, hub: str) -> None:
    async with member(gateway, hub) as alice:
        await alice.cut()
        async with alice.back() as again:
            assert again.connected["event"] == "connected"
            assert again.id == alice.id
            assert again.connected["userId"] == "alice"
            assert again.token
            await again.cut()
            async with again.back() as third:
                assert third.id == alice.id


async def test_a_client_without_a_name_comes_back_too(
    gateway: GatewayProcess, hub: str
) -> None:
    async with Returning(gateway.client_url(hub)) as nobody:
        await nobody.cut()
        async with nobody.back() as again:
            expected = nobody.connected | {"reconnectionToken": again.token}
            assert again.connected == expected


@pytest.mark.parametrize("claims", [{"exp": 1_000_000_000}, {"aud": "http://nowhere"}])
async def test_an_access_token_that_is_no_good_does_no_harm(
    gateway: GatewayProcess, hub: str, claims: dict[str, Any]
) -> None:
    old = gateway.token(f"/client/hubs/{hub}", **claims)
    async with member(gateway, hub) as alice:
        await alice.cut()
        url = f"{alice.way_back()}&access_token={old}&room=7"
        async with Returning(url) as again:
            assert again.id == alice.id


async def test_the_hub_may_stand_in_another_spelling_or_in_the_query(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        await alice.cut()
        shouted = address_of(gateway, hub).replace(hub, hub.upper())
        async with alice.back(at=shouted) as again:
            assert again.id == alice.id
            await again.cut()
        bare = address_of(gateway, hub).partition("/hubs/")[0]
        url = again.way_back(at=f"{bare}/") + f"&hub={hub}"
        async with Returning(url) as third:
            assert third.id == alice.id


async def test_the_spelling_of_the_subprotocol_is_the_clients(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        await alice.cut()
        spelled = "JSON.reliable.WebPubSub.azure.v1"
        async with Returning(alice.way_back(), spelled) as again:
            assert again.socket.subprotocol == spelled
            assert again.id == alice.id


async def test_a_token_alone_makes_a_new_connection(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        url = gateway.client_url(hub, "alice")
        for more in ("", "&awps_connection_id="):
            stray = f"{url}{more}&awps_reconnection_token={alice.token}"
            async with Returning(stray) as other:
                assert other.id != alice.id


# Who does not.


@pytest.mark.parametrize(
    "connection_id",
    ["0" * 32, "f" * 8, "x", "a b/c?d&e", "é" * 20, "A" * 1000],
    ids=["like ours", "short", "tiny", "strange", "not ASCII", "long"],
)
async def test_nobody_has_a_session_of_an_unknown_id(
    gateway: GatewayProcess, hub: str, connection_id: str
) -> None:
    url = way_back(address_of(gateway, hub), connection_id, sign(connection_id))
    assert (await lost(url))[0] == UNRECOVERABLE


async def test_a_session_is_of_its_hub_alone(gateway: GatewayProcess, hub: str) -> None:
    async with member(gateway, hub) as alice:
        elsewhere = address_of(gateway, f"{hub}_other")
        assert (await lost(alice.way_back(at=elsewhere)))[0] == UNRECOVERABLE
        await alice.still()


async def test_a_client_without_numbers_has_no_session_to_recover(
    gateway: GatewayProcess, hub: str
) -> None:
    async with Bystander(gateway.client_url(hub, "bob", ROLES)) as bob:
        url = way_back(address_of(gateway, hub), bob.id, sign(bob.id))
        assert (await lost(url))[0] == UNRECOVERABLE
        ack = await bob.request(type="joinGroup", group="room")
        assert ack["success"]


async def test_a_client_that_says_goodbye_gives_up_its_session(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub) as alice:
        await alice.socket.close(1000)
        await gone(rest, alice.id)
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


@pytest.mark.parametrize("code", [1001, 3000])
async def test_a_close_with_another_code_is_like_a_cut(
    gateway: GatewayProcess, hub: str, code: int
) -> None:
    async with member(gateway, hub) as alice:
        await alice.socket.close(code)
        async with alice.back() as again:
            assert again.id == alice.id


async def test_a_client_closed_over_rest_is_told_and_cannot_return(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub) as alice:
        await rest.close_connection(alice.id, reason="lunch")
        push = await alice.push()
        assert (push["type"], push["event"]) == ("system", "disconnected")
        assert "lunch" in push["message"]
        assert (await alice.closed())[0] == 1000
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


async def test_a_client_closed_over_rest_while_it_is_away_cannot_return(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub) as alice:
        await alice.cut()
        await rest.close_connection(alice.id)
        await gone(rest, alice.id)
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


async def test_a_client_that_breaks_the_protocol_loses_its_session(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        await alice.socket.send("{")
        assert (await alice.push())["event"] == "disconnected"
        assert (await alice.closed())[0] == 1007
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


# At most one socket.


@pytest.mark.one_process("a session that moves is closed, see test_recovery_elsewhere")
async def test_the_newest_socket_wins_and_the_old_one_is_cut(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with (
        service() as rest,
        member(gateway, hub, "room") as alice,
        alice.back() as again,
    ):
        assert again.id == alice.id
        with pytest.raises(ConnectionClosedError) as cut:
            await alice.frame()
        assert cut.value.rcvd is None, "cut, not closed"
        await rest.send_to_group("room", "one", content_type="text/plain")
        assert await again.numbered(1) == [(1, "one")]
        ack = await again.request(type="joinGroup", group="hall")
        assert ack["success"]


async def test_of_many_at_once_one_is_left(gateway: GatewayProcess, hub: str) -> None:
    async with member(gateway, hub, "room") as alice:
        crowd = [alice.back() for _ in range(8)]
        opened = await asyncio.gather(
            *(one.__aenter__() for one in crowd), return_exceptions=True
        )
        stayed = 0
        for one in opened:
            if not isinstance(one, Returning):
                continue
            try:
                await one.still()
            except ConnectionClosed:
                continue
            stayed += 1
            assert one.id == alice.id
            await one.cut()
        assert stayed == 1
