"""Connections are closed from every gateway, with a reason, and some are spared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.spread import NOBODY, Spread

if TYPE_CHECKING:
    from support.cluster import Cluster
    from support.official import Bystander

kinds = pytest.mark.parametrize("kind", ["rest", "server"])
places = pytest.mark.parametrize("at", range(3))


async def farewell(*those: Bystander) -> list[str]:
    """Wait until connections are closed; gives the reasons they were told."""
    told = []
    for one in those:
        push = await one.push()
        assert push["event"] == "disconnected", push
        told.append(push["message"].removeprefix("Application server closed the "))
        assert (await one.closed())[0] == 1000
    return told


@kinds
@places
async def test_a_connection_is_closed_with_a_reason(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        trio = await scene.trio()
        await manager.close_connection(trio[0].id, reason="moved, é & <more>")
        await manager.close_connection(trio[1].id)
        await manager.close_connection(NOBODY, reason="not there")
        assert await farewell(*trio[:2]) == [
            "connection. Reason: moved, é & <more>",
            "connection.",
        ]
        await manager.send_to_all("still here")
        assert await trio[2].data() == "still here"


@kinds
@places
async def test_a_user_is_closed_everywhere_but_for_the_excluded(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        alices = [await scene.arrive(place, "alice") for place in range(3)]
        await manager.close_user_connections(
            "alice", excluded=[alices[1].id], reason="user"
        )
        reasons = await farewell(alices[0], alices[2])
        assert reasons == ["connection. Reason: user"] * 2
        await manager.send_to_all("still here")
        assert await alices[1].data() == "still here"


@kinds
@places
async def test_a_group_is_closed_everywhere_but_for_the_excluded(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        trio = await scene.trio("room")
        outsiders = await scene.trio()
        await manager.close_group_connections(
            "room", excluded=[trio[2].id, outsiders[0].id], reason="group"
        )
        assert await farewell(*trio[:2]) == ["connection. Reason: group"] * 2
        await manager.send_to_all("still here")
        for one in (trio[2], *outsiders):
            assert await one.data() == "still here"


@kinds
@places
async def test_all_are_closed_everywhere_but_for_the_excluded(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        alice, bob, carol = await scene.trio("room")
        plain = await scene.arrive_simple((at + 1) % 3)
        await manager.close_all_connections(excluded=[bob.id], reason="hub")
        assert await farewell(alice, carol) == ["connection. Reason: hub"] * 2
        assert (await plain.closed())[0] == 1000
        await manager.send_to_all("still here")
        assert await bob.data() == "still here"
        await manager.close_all_connections()
        assert await farewell(bob) == ["connection."]


@kinds
async def test_what_was_sent_before_a_close_arrives_before_it(
    cluster: Cluster, hub: str, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(0, kind)
        trio = await scene.trio("room")
        for number in range(20):
            await manager.send_to_group("room", number)
        await manager.close_group_connections("room", reason="done")
        for one in trio:
            assert await one.datas(20) == list(range(20))
        assert await farewell(*trio) == ["connection. Reason: done"] * 3
