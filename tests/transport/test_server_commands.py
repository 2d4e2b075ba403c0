"""What an attached server commands and watches, against a real process."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, BareServer, client, data, scene

if TYPE_CHECKING:
    from support.gateway import GatewayProcess
    from support.official import Bystander

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])

# Commands, each with its effect on a client.


async def tell_groups(server: BareServer, protocol: str) -> None:
    """Publish to the groups a and b, then to everyone."""
    for group in ("a", "b"):
        await server.do(type="publish", group=group, data=data(protocol, group))
    await server.do(type="publish", data=data(protocol, "fence"))


async def heard(bystander: Bystander) -> list[str]:
    """Give the groups that a client has heard."""
    found: list[str] = []
    while (group := await bystander.data()) != "fence":
        found.append(group)
    return found


async def test_memberships_change_for_a_connection_and_a_user(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "memberships") as (server, alice, bob, _):
        for whom in ({"connectionId": alice.id}, {"userId": "bob"}):
            await server.do(type="addToGroup", group="b", **whom)
        await tell_groups(server, protocol)
        assert await heard(alice) == ["a", "b"]
        assert await heard(bob) == ["b"]
        await server.do(type="removeFromGroup", group="b", userId="alice")
        await server.do(type="removeFromGroup", connectionId=bob.id)
        await tell_groups(server, protocol)
        assert await heard(alice) == ["a"]
        assert await heard(bob) == []
        assert await server.do(type="exists", group="both") is True


async def test_all_connections_that_pass_a_filter_change_groups(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "all") as (server, alice, _, _hub):
        filtered = {"groups": ["a", "b"], "filter": "userId eq 'bob'"}
        await server.do(type="addAllToGroups", **filtered)
        page = await server.do(type="members", group="b")
        assert [one["userId"] for one in page["members"]] == ["bob"]
        await server.do(type="addAllToGroups", groups=["b"])
        await tell_groups(server, protocol)
        assert await heard(alice) == ["a", "b"]
        await server.do(type="removeAllFromGroups", groups=["a", "both"])
        assert await server.do(type="exists", group="a") is False
        await server.do(type="removeAllFromGroups", groups=["b"], filter="false")
        assert await server.do(type="exists", group="b") is True


async def test_permissions_count_from_the_result_on(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = f"permissions_{protocol}"
    join = {"type": "joinGroup", "group": "g"}
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub, roles=()) as poor,
    ):
        about = {"permission": "joinLeaveGroup", "group": "g", "connectionId": poor.id}
        assert await server.do(type="hasPermission", **about) is False
        assert not (await poor.request(**join))["success"]
        await server.do(type="grant", **about)
        assert await server.do(type="hasPermission", **about) is True
        assert (await poor.request(**join))["success"]
        await server.do(type="revoke", **about)
        assert await server.do(type="hasPermission", **about) is False
        assert not (await poor.request(**join))["success"]
        assert (
            await server.do(type="hasPermission", **{**about, "group": "h"})
        ) is False


async def test_existence_is_told_of_connections_users_and_groups(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "existence") as (server, alice, _, _hub):
        for target in ({"connectionId": alice.id}, {"userId": "bob"}, {"group": "a"}):
            assert await server.do(type="exists", **target) is True
        for target in ({"connectionId": "x"}, {"userId": "x"}, {"group": "x"}):
            assert await server.do(type="exists", **target) is False


async def test_members_come_in_pages(gateway: GatewayProcess, protocol: str) -> None:
    hub = f"pages_{protocol}"
    async with BareServer(gateway, hub, protocol) as server, AsyncExitStack() as stack:
        entered = [
            await stack.enter_async_context(client(gateway, hub, user, groups=["g"]))
            for user in ("a", None, "c", "d", None)
        ]
        ids = sorted(one.id for one in entered)
        seen: list[dict[str, str]] = []
        more = True
        while more:
            after = seen[-1]["connectionId"] if seen else ""
            page = await server.do(type="members", group="g", after=after, limit=2)
            seen += page["members"]
            more = page["more"]
        assert [one["connectionId"] for one in seen] == ids
        users = sorted(one.get("userId", "") for one in seen)
        assert users == ["", "", "a", "c", "d"]
        assert "userId" not in seen[ids.index(entered[1].id)]


@pytest.mark.parametrize("whom", ["connectionId", "userId", "group", "excluded"])
async def test_a_close_ends_whom_it_is_for(
    gateway: GatewayProcess, protocol: str, whom: str
) -> None:
    async with scene(gateway, protocol, f"close_{whom}") as (server, alice, bob, _):
        targets: dict[str, dict[str, Any]] = {
            "connectionId": {"connectionId": alice.id},
            "userId": {"userId": "alice"},
            "group": {"group": "a"},
            "excluded": {"excluded": [bob.id]},
        }
        await server.do(type="close", reason="lunch", **targets[whom])
        assert await server.do(type="exists", connectionId=alice.id) is False
        farewell = await alice.push()
        assert farewell["event"] == "disconnected"
        assert farewell["message"].endswith("Reason: lunch")
        assert await alice.closed() == (1000, "closed by the application server")
        assert (await bob.request(type="joinGroup", group="still-here"))["success"]


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        ({"type": "addToGroup", "group": "g", "userId": "x"}, "NotFound"),
        ({"type": "addToGroup", "group": "g", "connectionId": "x"}, "NotFound"),
        *(
            (
                {
                    "type": name,
                    "connectionId": "x",
                    "permission": "sendToGroup",
                    "group": "g",
                },
                "NotFound",
            )
            for name in ("grant", "revoke")
        ),
    ],
    ids=str,
)
async def test_who_is_not_there_is_not_found(
    gateway: GatewayProcess, protocol: str, frame: dict[str, Any], name: str
) -> None:
    async with BareServer(gateway, "absent", protocol) as server:
        assert await server.refusal(**frame) == name
        assert await server.do(type="removeFromGroup", userId="x") is None
        about = {**frame, "type": "hasPermission", "permission": "sendToGroup"}
        assert await server.do(**{**about, "connectionId": "x"}) is False


async def test_permission_rules_have_a_bound(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "rules") as (server, alice, _, _hub):
        about = {"permission": "sendToGroup", "connectionId": alice.id}
        names = []
        for number in range(2000):
            push = await server.request(type="grant", group=f"g{number}", **about)
            if push["type"] == "error":
                names.append(push["name"])
                break
        assert names == ["Conflict"]


# Presence.


async def test_presence_is_told_where_it_is_watched(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "presence") as all_of:
        server = all_of.server
        await server.do(type="watch", connections=True, groups=["room-*"])
        async with client(
            gateway, all_of.hub, "carol", groups=["room-1", "x"]
        ) as carol:
            who = {"connectionId": carol.id, "userId": "carol"}
            await carol.request(type="joinGroup", group="room-2")
            await carol.request(type="joinGroup", group="room-2.deep")
            await carol.request(type="leaveGroup", group="room-1")
        seen = [await server.push() for _ in range(6)]
        assert all(push.pop("type") == "presence" for push in seen)
        assert seen == [
            {"kind": "connected", **who},
            {"kind": "joined", "group": "room-1", **who},
            {"kind": "joined", "group": "room-2", **who},
            {"kind": "left", "group": "room-1", **who},
            {"kind": "left", "group": "room-2", **who},
            {"kind": "disconnected", **who},
        ]


async def test_a_watch_takes_the_place_of_the_one_before(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "rewatch") as all_of, AsyncExitStack() as later:
        server = all_of.server
        await server.do(type="watch", connections=True, groups=["*"])
        await server.do(type="watch", groups=["*"])
        anonymous = client(gateway, all_of.hub, groups=["x.y"])
        connection_id = (await later.enter_async_context(anonymous)).id
        assert await server.push() == {
            "type": "presence",
            "kind": "joined",
            "group": "x.y",
            "connectionId": connection_id,
        }
        await server.do(type="watch")
        await later.aclose()
        await server.quiet()
