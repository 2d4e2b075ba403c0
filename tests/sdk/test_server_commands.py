"""What a server asks of a real gateway is seen by real clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import (
    AckError,
    Json,
    Protobuf,
    WebPubSubClient,
)
from support.sdk_servers import (
    SECONDS,
    client,
    ended,
    protocols,
    serve,
)

if TYPE_CHECKING:
    from support.gateway import GatewayProcess


@protocols
async def test_messages_reach_their_targets(
    gateway: GatewayProcess, protocol: str
) -> None:
    server = serve(gateway, protocol=protocol)
    async with server, client(server, "ann") as ann, client(server, "bob") as bob:
        await ann.join("g")
        await bob.join("g")
        a, b = ann.connection_id, bob.connection_id
        manager = server.manager
        await server.publish("g", "1", excluded=[b])
        await server.publish("g", "2", filter="userId eq 'bob'")
        await server.group("g").send("3", metadata={"k": "v"}, ttl=10)
        await server.send_to_all("4", excluded=[a])
        await server.user("ann").send({"n": 5})
        await server.client(b).send(b"\x06\xff")
        await manager.send_to_all("7", filter="userId eq 'ann'")
        await manager.send_to_group("g", "8", excluded=[a])
        await manager.send_to_user("bob", Protobuf(b"\x09"))
        await manager.send_to_connection(a, Json(b'{"n": 10}'), ttl=1)
        heard_by_ann = [await ann.next(SECONDS) for _ in range(5)]
        heard_by_bob = [await bob.next(SECONDS) for _ in range(6)]
    said = [message.data for message in heard_by_ann]
    assert said == ["1", "3", {"n": 5}, "7", {"n": 10}]
    assert heard_by_ann[1].metadata == {"k": "v"}
    assert [message.group for message in heard_by_ann] == ["g", "g", None, None, None]
    said = [message.data for message in heard_by_bob]
    assert said == ["2", "3", "4", b"\x06\xff", "8", b"\x09"]
    assert heard_by_bob[5].data_type == "protobuf"


@protocols
async def test_membership_is_managed(gateway: GatewayProcess, protocol: str) -> None:
    server = serve(gateway, protocol=protocol)
    async with server, client(server, "ann") as ann, client(server, "bob") as bob:
        a, b = ann.connection_id, bob.connection_id
        manager, left = server.manager, server.group("left")

        async def members(group: str) -> set[str | None]:
            found = server.group(group).connections()
            return {member.user_id async for member in found}

        await server.client(a).join("left")
        await server.user("bob").join("left")
        assert await members("left") == {"ann", "bob"}
        assert [m.connection_id async for m in left.connections(1)] == [min(a, b)]
        listed = [m async for m in manager.list_connections(group="left", top=5)]
        assert {member.connection_id for member in listed} == {a, b}
        await server.client(a).leave("left")
        await server.user("bob").leave("left")
        assert await members("left") == set()

        await manager.add_connection_to_group("g1", a)
        await manager.add_user_to_group("g1", "bob")
        await manager.add_connections_to_groups(["g2", "g3"], filter="userId eq 'ann'")
        assert await members("g1") == {"ann", "bob"}
        assert await members("g2") == await members("g3") == {"ann"}
        await manager.remove_connection_from_group("g1", a)
        await manager.remove_user_from_group("g1", "bob")
        await manager.remove_connections_from_groups(["g2"])
        assert await members("g1") == await members("g2") == set()
        await server.client(a).leave_all()
        assert await members("g3") == set()
        await left.add(a)
        await left.add(b)
        await left.remove(b)
        assert await members("left") == {"ann"}
        await manager.remove_user_from_all_groups("ann")
        await manager.remove_connection_from_all_groups(b)
        assert not await left.exists()


async def test_a_group_of_many_is_listed_page_by_page(gateway: GatewayProcess) -> None:
    server = serve(gateway)
    async with server, asyncio.TaskGroup() as tasks:
        clients = [client(server) for _ in range(205)]
        for start in range(0, len(clients), 20):
            some = clients[start : start + 20]
            await asyncio.gather(*(one.__aenter__() for one in some))
        await server.manager.add_connections_to_groups(["crowd"])
        found = [m async for m in server.group("crowd").connections()]
        ids = [member.connection_id for member in found]
        assert ids == sorted(one.connection_id for one in clients)
        assert {member.user_id for member in found} == {None}
        assert len([m async for m in server.group("crowd").connections(201)]) == 201
        for one in clients:
            tasks.create_task(one.close())


@protocols
async def test_permissions_and_existence_are_told(
    gateway: GatewayProcess, protocol: str
) -> None:
    server = serve(gateway, protocol=protocol)
    guest = WebPubSubClient(server.client_url(user_id="guest"))
    async with server, guest:
        handle, manager = server.client(guest.connection_id), server.manager
        who = guest.connection_id
        with pytest.raises(AckError, match="Forbidden"):
            await guest.join("g")
        assert not await handle.has_permission("joinLeaveGroup", "g")
        await handle.grant("joinLeaveGroup", "g")
        assert await handle.has_permission("joinLeaveGroup", "g")
        await guest.join("g")
        await handle.revoke("joinLeaveGroup", "g")
        await manager.grant_permission("sendToGroup", who, target_name="g")
        assert await manager.has_permission("sendToGroup", who, target_name="g")
        await manager.revoke_permission("sendToGroup", who, target_name="g")
        assert not await manager.has_permission("sendToGroup", who, target_name="g")

        assert await handle.exists()
        assert await server.user("guest").exists()
        assert await server.group("g").exists()
        assert await manager.connection_exists(who)
        assert not await manager.user_exists("nobody")
        assert not await manager.group_exists("nothing")


async def test_connections_are_closed_with_a_reason(gateway: GatewayProcess) -> None:
    server = serve(gateway)
    async with server:

        async def closed(
            close: Any, *, user: str = "ann", group: str | None = None
        ) -> str:
            one = client(server, user)
            async with one:
                if group is not None:
                    await one.join(group)
                states = one.states()
                await close(one)
                reason = await ended(states)
                one.abort()
                return reason

        manager = server.manager
        for number, close in enumerate(
            [
                lambda one: server.client(one.connection_id).close("reason 0"),
                lambda _: server.user("ann").close("reason 1"),
                lambda _: server.group("g").close("reason 2"),
                lambda one: manager.close_connection(
                    one.connection_id, reason="reason 3"
                ),
                lambda _: manager.close_user_connections("ann", reason="reason 4"),
                lambda _: manager.close_group_connections("g", reason="reason 5"),
                lambda _: manager.close_all_connections(
                    excluded=["x"], reason="reason 6"
                ),
            ]
        ):
            assert f"reason {number}" in await closed(close, group="g")
