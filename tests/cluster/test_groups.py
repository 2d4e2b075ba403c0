"""Groups are one over all gateways: membership, its lists, and whether they exist.

Who gives orders is at gateway ``at``, the clients are one at each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.core.rest import HttpRequest

from hubbub.sdk import AckError
from support.spread import NOBODY, Spread

if TYPE_CHECKING:
    from support.cluster import Cluster

kinds = pytest.mark.parametrize("kind", ["rest", "server"])
places = pytest.mark.parametrize("at", range(3))


async def users(manager: Any, group: str) -> list[str | None]:
    """List who is in a group, sorted by name."""
    found = [one.user_id async for one in manager.list_connections(group=group)]
    return sorted(found, key=str)


@kinds
@places
async def test_connections_enter_and_leave_groups(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        sender = await scene.rest((at + 1) % 3)
        trio = await scene.trio()
        for one in trio:
            await manager.add_connection_to_group("room", one.id)
            await manager.add_connection_to_group("room", one.id)
        assert await users(manager, "room") == ["alice", "bob", "carol"]
        await sender.send_to_group("room", "inside")
        for one in trio:
            assert await one.data() == "inside"
        await manager.remove_connection_from_group("room", trio[0].id)
        assert await users(manager, "room") == ["bob", "carol"]
        await manager.add_connection_to_group("hall", trio[1].id)
        await manager.remove_connection_from_all_groups(trio[1].id)
        await sender.send_to_group("hall", "outside")
        await sender.send_to_group("room", "still inside")
        await sender.send_to_all("fence")
        assert await trio[0].data() == "fence"
        assert await trio[1].data() == "fence"
        assert await trio[2].datas(2) == ["still inside", "fence"]


@kinds
@places
async def test_users_enter_and_leave_groups_with_the_connections_of_every_gateway(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        sender = await scene.rest((at + 1) % 3)
        alices = [await scene.arrive(place, "alice") for place in range(3)]
        await manager.add_user_to_group("room", "alice")
        await sender.send_to_group("room", "inside")
        for one in alices:
            # What two gateways say reaches a third in no common order.
            assert await one.data() == "inside"
        await manager.remove_user_from_group("room", "alice")
        await sender.send_to_group("room", "outside")
        for group in ("room", "hall"):
            await manager.add_user_to_group(group, "alice")
        assert await users(manager, "hall") == ["alice"] * 3
        await manager.remove_user_from_all_groups("alice")
        for group in ("room", "hall"):
            assert not await sender.group_exists(group)
        await sender.send_to_all("fence")
        for one in alices:
            assert await one.data() == "fence"


@kinds
@places
async def test_what_is_nowhere_cannot_enter_a_group_but_can_leave(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        present = await scene.arrive((at + 1) % 3, "alice")
        gone = await scene.arrive((at + 2) % 3, "bob")
        await manager.close_connection(gone.id)
        missing = [NOBODY, gone.id, "ffffff" + "0" * 26]
        wishes = [(manager.add_connection_to_group, one) for one in missing]
        wishes += [(manager.add_user_to_group, name) for name in ("nobody", "bob")]
        for wish, target in wishes:
            with pytest.raises(
                (ResourceNotFoundError, AckError), match=r"not found|Not"
            ):
                await wish("room", target)
        for one in missing:
            await manager.remove_connection_from_group("room", one)
            await manager.remove_connection_from_all_groups(one)
        await manager.remove_user_from_group("room", "bob")
        await manager.remove_user_from_all_groups("bob")
        assert await manager.connection_exists(present.id)
        assert not await manager.group_exists("room")


@kinds
@places
async def test_many_are_added_and_removed_by_a_filter_everywhere(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager, rest = await scene.manager(at, kind), await scene.rest(at)
        sender = await scene.rest((at + 1) % 3)
        await scene.trio("given")

        async def change(verb: str, groups: list[str], where: str = "") -> None:
            if kind == "server":
                adds = verb == "addToGroups"
                order = (
                    manager.add_connections_to_groups
                    if adds
                    else manager.remove_connections_from_groups
                )
                await order(groups, filter=where or None)
                return
            content = {"groups": groups, "filter": where or None}
            request = HttpRequest("POST", f"/api/hubs/{hub}/:{verb}", json=content)
            answer = await rest.send_request(request)
            assert answer.status_code == 200, answer.text()

        await change("addToGroups", ["x", "y"], "userId ne 'alice'")
        assert await users(sender, "x") == await users(sender, "y") == ["bob", "carol"]
        await change("addToGroups", ["x"])
        assert await users(sender, "x") == ["alice", "bob", "carol"]
        await change("removeFromGroups", ["x", "given"], "'y' in groups")
        assert await users(sender, "x") == await users(sender, "given") == ["alice"]
        await change("removeFromGroups", ["y"])
        assert not await sender.group_exists("y")


async def test_clients_enter_and_leave_by_token_and_request(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        services = [await scene.rest(place) for place in range(3)]
        alice = await scene.arrive(0, "alice", "given")
        bob = await scene.arrive(1, "bob")
        assert (await bob.request(type="joinGroup", group="given"))["success"]
        for service in services:
            assert await users(service, "given") == ["alice", "bob"]
        assert (await alice.request(type="leaveGroup", group="given"))["success"]
        for service in services:
            assert await users(service, "given") == ["bob"]
        await bob.socket.close()
        # The gateway of bob knows first; the others ask it.
        for service in services:
            assert not await service.group_exists("given")


# Lists and existence.


@kinds
@places
async def test_a_group_is_listed_page_by_page_over_all_gateways(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        names = [*(f"user {number}" for number in range(9)), None]
        there = {
            (await scene.arrive(number, name, "room")).id: name
            for number, name in enumerate(names)
        }
        manager = await scene.manager(at, kind)

        def seen(members: list[Any]) -> dict[str, str | None]:
            ids = [one.connection_id for one in members]
            assert ids == sorted(ids)
            return {one.connection_id: one.user_id for one in members}

        every = [one async for one in manager.list_connections(group="room")]
        assert seen(every) == there
        top = [one async for one in manager.list_connections(group="room", top=7)]
        assert seen(top) == dict(sorted(there.items())[:7])
        assert [one async for one in manager.list_connections(group="empty")] == []


@places
async def test_the_next_page_may_come_from_another_gateway(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        ids = sorted([(await scene.arrive(n, None, "room")).id for n in range(8)])
        path = f"/api/hubs/{hub}/groups/room/connections"
        found: list[list[str]] = []
        token: str | None = None
        for page in range(4):
            service = await scene.rest(at + page)
            query = {"maxpagesize": 3}
            if token is not None:
                query["continuationToken"] = token  # type: ignore[assignment] # texts and numbers
            request = HttpRequest("GET", path, params=query)
            answer = (await service.send_request(request)).json()
            found.append([one["connectionId"] for one in answer["value"]])
            if answer.get("nextLink") is None:
                break
            (token,) = parse_qs(urlsplit(answer["nextLink"]).query)["continuationToken"]
        assert [len(page) for page in found] == [3, 3, 2]
        assert [one for page in found for one in page] == ids


@kinds
@places
async def test_existence_is_known_everywhere_from_arrival_to_departure(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        for place in range(3):

            async def look(connection_id: str) -> list[bool]:
                return [
                    await manager.connection_exists(connection_id),
                    await manager.group_exists("room"),
                    await manager.user_exists("alice"),
                ]

            assert await look(NOBODY) == [False] * 3
            alice = await scene.arrive(place, "alice", "room")
            assert await look(alice.id) == [True] * 3
            await manager.close_connection(alice.id)
            assert await look(alice.id) == [False] * 3
