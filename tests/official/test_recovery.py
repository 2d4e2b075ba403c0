"""Recovery, frame by frame: who gets a session back, what is in it, and who does not.

The clients are those of the ``websockets`` package and speak as the service's reference
says (client protocols, reliable subprotocols). REST is the official package's.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from websockets.exceptions import ConnectionClosedError

from support.gateway import KEY, SECONDARY_KEY
from support.official import Bystander
from support.returning import (
    RELIABLE,
    Returning,
    address_of,
    gone,
    lost,
    sign,
    way_back,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.gateway import GatewayProcess

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
UNRECOVERABLE = 1008


@pytest.fixture
def service(gateway: GatewayProcess, hub: str) -> Callable[[], Any]:
    return lambda: WebPubSubServiceClient.from_connection_string(
        gateway.connection_string, hub
    )


def member(
    gateway: GatewayProcess, hub: str, *groups: str, user: str = "alice"
) -> Returning:
    return Returning(gateway.client_url(hub, user, ROLES, groups))


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


FORGERIES: dict[str, Callable[[str, str], str]] = {
    "none": lambda _id, _token: "",
    "not a token": lambda _id, _token: "x",
    "of another key": lambda id_, _token: sign(id_, key=KEY[::-1]),
    "of another connection": lambda id_, _token: sign(id_[::-1]),
    "of no connection": lambda id_, _token: sign(id_, aud=None),
    "of another service": lambda id_, _token: sign(id_, iss="https://example.com"),
    "too old": lambda id_, _token: sign(id_, seconds=-3600),
    "with another payload": lambda id_, token: ".".join(
        (
            token.split(".")[0],
            sign(id_, seconds=9_999_999).split(".")[1],
            token.split(".")[2],
        )
    ),
    "with a bit of its signature gone": lambda _id, token: token[:-4],
    "with no signature": lambda _id, token: f"{token.rpartition('.')[0]}.",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_wrong_token_is_let_in_and_closed_and_does_no_harm(
    gateway: GatewayProcess, hub: str, forge: Callable[[str, str], str]
) -> None:
    async with member(gateway, hub) as alice:
        token = forge(alice.id, alice.token)
        url = way_back(address_of(gateway, hub), alice.id, token)
        code, reason = await lost(url)
        assert code == UNRECOVERABLE
        assert reason
        await alice.still()


async def test_a_client_token_is_no_reconnection_token(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice:
        access = gateway.token(f"/client/hubs/{hub}", sub="alice")
        assert (await lost(alice.way_back(token=access)))[0] == UNRECOVERABLE
        assert (await lost(f"{way_back(address_of(gateway, hub), alice.id, '')}"))[
            0
        ] == UNRECOVERABLE
        await alice.still()


async def test_the_token_of_one_client_does_not_open_the_session_of_another(
    gateway: GatewayProcess, hub: str
) -> None:
    async with member(gateway, hub) as alice, member(gateway, hub, user="bob") as bob:
        assert (await lost(bob.way_back(token=alice.token)))[0] == UNRECOVERABLE
        await bob.still()


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
        while True:
            try:
                await alice.frame()
            except ConnectionClosedError as closed:
                assert closed.rcvd is not None
                assert closed.rcvd.code == 1007
                break
        assert (await lost(alice.way_back()))[0] == UNRECOVERABLE


# At most one socket.


async def test_the_newest_socket_wins_and_the_old_one_is_cut(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        async with alice.back() as again:
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
            except ConnectionClosedError:
                continue
            stayed += 1
            assert one.id == alice.id
            await one.cut()
        assert stayed == 1


# What is in it.


async def test_what_was_not_acknowledged_comes_again_under_its_old_number(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        for number in range(1, 6):
            await rest.send_to_group("room", {"n": number})
        seen = [await alice.frame() for _ in range(5)]
        await alice.acknowledge(2)
        await alice.still()
        await alice.cut()
        await rest.send_to_connection(alice.id, {"n": 6})
        async with alice.back() as again:
            replayed = [await again.frame() for _ in range(3)]
            assert replayed == seen[2:], "byte for byte"
            assert await again.numbered(1) == [(6, {"n": 6})]
            await rest.send_to_group("room", {"n": 7})
            assert await again.numbered(1) == [(7, {"n": 7})]
            await again.acknowledge(7)
            await again.still()
            await again.cut()
            async with again.back() as third:
                await third.still()


async def test_acks_of_any_number_do_no_harm(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        for number in (1, 2, 3):
            await rest.send_to_group("room", number)
        assert [one[0] for one in await alice.numbered(3)] == [1, 2, 3]
        for sequence_id in (2, 2, 1, 0, "2"):
            await alice.acknowledge(sequence_id)
        await alice.still()
        await alice.cut()
        async with alice.back() as again:
            assert await again.numbered(1) == [(3, 3)]
            await again.acknowledge(2**53)  # more than was ever sent: all of it
            await again.still()
            await again.cut()
        await rest.send_to_group("room", 4)
        async with again.back() as third:
            assert await third.numbered(1) == [(4, 4)]


async def test_every_kind_of_message_has_a_number_and_nothing_else_has(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        ack = await alice.request(type="joinGroup", group="hall")
        assert "sequenceId" not in ack
        assert "sequenceId" not in alice.connected
        await rest.send_to_all("to all", content_type="text/plain")
        await rest.send_to_user("alice", "to alice", content_type="text/plain")
        await rest.send_to_connection(alice.id, b"\x01", content_type=BINARY)
        await rest.send_to_group("hall", {"to": "hall"})
        assert await alice.numbered(4) == [
            (1, "to all"),
            (2, "to alice"),
            (3, "AQ=="),
            (4, {"to": "hall"}),
        ]


BINARY = "application/octet-stream"


async def test_groups_and_permissions_are_still_there(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    url = gateway.client_url(hub, "alice", ["webpubsub.sendToGroup.own"], ["given"])
    async with service() as rest, Returning(url) as alice:
        await rest.grant_permission("joinLeaveGroup", alice.id, target_name="lent")
        await rest.revoke_permission("sendToGroup", alice.id, target_name="own")
        assert (await alice.request(type="joinGroup", group="lent"))["success"]
        await rest.add_connection_to_group("added", alice.id)
        await alice.cut()
        await rest.add_connection_to_group("late", alice.id)
        await rest.grant_permission("sendToGroup", alice.id, target_name="later")
        async with alice.back() as again:
            for group in ("given", "lent", "added", "late"):
                await rest.send_to_group(group, group, content_type="text/plain")
            assert await again.datas(4) == ["given", "lent", "added", "late"]
            again._ack_id = 100
            for group, may in (("own", False), ("later", True), ("none", False)):
                ack = await again.request(type="sendToGroup", group=group, data=1)
                assert ack["success"] == may
            assert (await again.request(type="leaveGroup", group="lent"))["success"]
            assert not await rest.group_exists("lent")


async def test_ack_ids_are_remembered(gateway: GatewayProcess, hub: str) -> None:
    async with member(gateway, hub) as alice:
        for group in ("room", "hall"):
            assert (await alice.request(type="joinGroup", group=group))["success"]
        sent = await alice.request(type="sendToGroup", group="room", data="once")
        await alice.numbered(1)
        await alice.acknowledge(1)
        await alice.still()
        await alice.cut()
        async with alice.back() as again:
            for request in (
                {"type": "joinGroup", "group": "room", "ackId": 1},
                {"type": "sendToGroup", "group": "room", "data": "twice"}
                | {"ackId": sent["ackId"]},
            ):
                await again.socket.send(json.dumps(request))
                ack = await again.push()
                assert ack["ackId"] == request["ackId"]
                assert not ack["success"]
                assert ack["error"]["name"] == "Duplicate"
            await again.still()


async def test_a_client_that_is_away_exists_and_is_a_member(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        await alice.cut()
        assert await rest.connection_exists(alice.id)
        assert await rest.user_exists("alice")
        assert await rest.group_exists("room")
        async with alice.back() as again:
            await again.still()
            await again.socket.close(1000)
            await gone(rest, alice.id)
            assert not await rest.group_exists("room")


# Bounds.


@pytest.mark.parametrize("count", [1000, 1001])
async def test_a_thousand_messages_wait_and_not_one_more(
    gateway: GatewayProcess, hub: str, count: int
) -> None:
    """Counted from the cut on: what came before and was not acknowledged is beside it."""
    publisher = Bystander(gateway.client_url(hub, "bob", ROLES))
    async with publisher as bob, member(gateway, hub, "room") as alice:
        await bob.request(type="sendToGroup", group="room", data=0)
        assert await alice.numbered(1) == [(1, 0)]
        await alice.cut()
        await asyncio.to_thread(gateway.await_log, f"closed {hub}/{alice.id} from")
        for number in range(1, count):
            frame = {"type": "sendToGroup", "group": "room", "data": number}
            await bob.socket.send(json.dumps(frame))
        await bob.request(type="sendToGroup", group="room", data=count)
        if count > 1000:
            assert (await lost(alice.way_back()))[0] == UNRECOVERABLE
            return
        async with alice.back() as again:
            found = await again.numbered(count + 1)
            assert found == [(number + 1, number) for number in range(count + 1)]


def within(seconds: int) -> dict[str, int]:
    """Say how long a message may wait, which the official package has no name for."""
    return {"messageTtlSeconds": seconds}


async def test_a_message_whose_time_is_over_does_not_come(
    gateway: GatewayProcess, hub: str, service: Callable[[], Any]
) -> None:
    async with service() as rest, member(gateway, hub, "room") as alice:
        await alice.cut()
        await rest.send_to_group("room", "soon over", params=within(1))
        await rest.send_to_group("room", "in time", params=within(300))
        await rest.send_to_group("room", "for ever")
        await asyncio.sleep(1.1)  # its time is over by the clock alone
        async with alice.back() as again:
            assert await again.numbered(2) == [(2, "in time"), (3, "for ever")]
            await rest.send_to_group("room", "next", params=within(1))
            assert await again.numbered(1) == [(4, "next")]
