"""Which events cross the wire to attached servers: rules, windows. A real process."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, BareServer, client, fresh_hub

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ({"filter": "userId eq 'alice'"}, ["alice"]),
        ({"filter": "connectionId eq 'x'"}, []),
        ({"filter": "'vip' in groups"}, ["bob"]),
        ({"filter": "event eq 'e' and userId ne null"}, ["alice", "bob"]),
        ({"filter": "event eq 'f'"}, []),
        ({"filter": "group eq null"}, ["alice", "bob"]),
        ({"pattern": "f"}, []),
        ({"pattern": "?"}, ["alice", "bob"]),
        ({"filter": ""}, ["alice", "bob"]),
    ],
    ids=str,
)
async def test_only_what_a_rule_names_crosses_the_wire(
    gateway: GatewayProcess, protocol: str, rule: dict[str, Any], taken: list[str]
) -> None:
    hub = fresh_hub("filter")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub, "alice") as alice,
        client(gateway, hub, "bob", groups=["vip"]) as bob,
    ):
        await server.handle("event", **rule)
        for name, one in (("alice", alice), ("bob", bob)):
            asking = asyncio.create_task(one.request(type="event", event="e", data=1))
            if name in taken:
                event = await server.event("event")
                assert event["userId"] == name
                await server.answer(event, "respond")
            assert (await asking)["success"] == (name in taken)
        await server.quiet()


async def test_presence_as_events_is_for_the_groups_that_were_named(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("presence")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("joined", "left", pattern="room-*")
        async with client(gateway, hub, "alice", groups=["room-1"]) as alice:
            for kind in ("joinGroup", "leaveGroup"):
                for group in ("room-2", "lobby"):
                    assert (await alice.request(type=kind, group=group))["success"]
        told = await server.acknowledge("joined", "joined", "left", "left")
        groups = [one["group"] for one in told]
        assert groups == ["room-1", "room-2", "room-2", "room-1"]
        assert {one["userId"] for one in told} == {"alice"}


async def test_a_declaration_takes_the_place_of_the_one_before(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("redeclare")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub) as alice,
    ):
        await server.handle("event", "publish")
        await server.handle("connected")
        assert not (await alice.request(type="event", event="e", data=1))["success"]
        sent = {"type": "sendToGroup", "group": "g", "data": 1}
        assert (await alice.request(**sent))["success"]
        await server.do(type="handle")
        async with client(gateway, hub):
            pass
        await server.quiet()


async def test_a_window_bounds_what_is_unanswered(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("window")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("event", window=2)
        waiting = []
        clients = [client(gateway, hub, f"u{number}") for number in range(5)]
        for one in clients:
            await one.__aenter__()
            await one.socket.send(
                json.dumps({"type": "event", "event": "e", "data": 1, "ackId": 1})
            )
            await asyncio.sleep(0)
        waiting = [await server.event("event") for _ in range(2)]
        await server.quiet()
        seen = [one["userId"] for one in waiting]
        while waiting:
            await server.answer(waiting.pop(0), "respond")
            if len(seen) < 5:
                waiting.append(await server.event("event"))
                seen.append(waiting[-1]["userId"])
                await server.quiet()
        assert sorted(seen) == [f"u{number}" for number in range(5)]
        for one in clients:
            assert (await one.push())["success"]
            await one.__aexit__(None, None, None)
