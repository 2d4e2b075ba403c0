"""Recovery, frame by frame: what a client finds in its session when it comes back.

The clients are those of the ``websockets`` package and speak as the service's reference
says (client protocols, reliable subprotocols). REST is the official package's.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from hubbub.sdk import Respond, Text, WebPubSubServer
from support.official import SECONDS
from support.returning import Returning, gone, member

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors import events
    from support.gateway import GatewayProcess

TEXT = "text/plain"
BINARY = "application/octet-stream"


@pytest.fixture
def service(gateway: GatewayProcess, hub: str) -> Callable[[], Any]:
    return lambda: WebPubSubServiceClient.from_connection_string(
        gateway.connection_string, hub
    )


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
        await rest.send_to_all("to all", content_type=TEXT)
        await rest.send_to_user("alice", "to alice", content_type=TEXT)
        await rest.send_to_connection(alice.id, b"\x01", content_type=BINARY)
        await rest.send_to_group("hall", {"to": "hall"})
        assert await alice.numbered(4) == [
            (1, "to all"),
            (2, "to alice"),
            (3, "AQ=="),
            (4, {"to": "hall"}),
        ]


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
                await rest.send_to_group(group, group, content_type=TEXT)
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


async def test_handlers_hear_of_a_client_once_however_often_it_comes_back(
    gateway: GatewayProcess, hub: str
) -> None:
    """Client protocols, recovery request, and after acceptance."""
    told: list[tuple[str, str]] = []
    left = asyncio.Event()
    server = WebPubSubServer(gateway.connection_string, hub)

    async def connect(_: events.Connect) -> None:
        told.append(("connect", ""))

    async def connected(event: events.Connected) -> None:
        told.append(("connected", event.client.connection_id))

    async def disconnected(event: events.Disconnected) -> None:
        told.append(("disconnected", event.client.connection_id))
        left.set()

    async def ask(event: events.UserEvent) -> Respond:
        state = f"{event.client.state or ''}+"
        return Respond(Text(state), state=state)

    for handler in (connect, connected, disconnected, ask):
        server.handle_event(handler.__name__, handler)
    async with server, member(gateway, hub) as alice:
        client = alice
        for expected in ("+", "++", "+++"):
            request = {"type": "event", "event": "ask", "dataType": "text", "data": ""}
            await client.socket.send(json.dumps(request))
            push = await client.push()
            assert push["data"] == expected, "the connection state stays"
            await client.acknowledge(push["sequenceId"])
            await client.still()
            await client.cut()
            client = await client.back().__aenter__()
        await client.socket.close(1000)
        async with asyncio.timeout(SECONDS):
            await left.wait()
        assert told == [
            ("connect", ""),
            ("connected", alice.id),
            ("disconnected", alice.id),
        ]


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
