"""Links that are cut, stalled and healed while both gateways live lose nothing."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from support.cluster import aside, awaited
from support.spread import Spread
from support.traffic import Member, Publisher, complete

if TYPE_CHECKING:
    from support.cluster import Cluster
    from support.tcp_proxy import TcpProxy

COUNT = 3000
PLACES = range(3)


@pytest.fixture
def cluster(mortal: Cluster) -> Cluster:
    """Three gateways; the way to each leads through a proxy."""
    return mortal


async def attempted(proxy: TcpProxy) -> None:
    """Wait until somebody has tried to get through."""
    before = proxy.accepted
    await aside(awaited, lambda: proxy.accepted, before.__lt__)


async def traffic(scene: Spread) -> tuple[list[Member], list[Publisher]]:
    """Have a publisher and a member of one group at each gateway."""
    members = [Member(await scene.arrive(at, None, "load")) for at in PLACES]
    for member in members:
        scene.push_async_callback(member.stop)
    publishers = [
        Publisher(await scene.arrive(at, f"publisher {at}"), "load") for at in PLACES
    ]
    return members, publishers


def resent(cluster: Cluster) -> int:
    return sum(peer["resent"] for place in PLACES for peer in cluster.view(place))


@pytest.mark.parametrize("seed", [1, 2])
async def test_links_that_are_cut_and_healed_under_load_lose_nothing(
    cluster: Cluster, hub: str, seed: int
) -> None:
    chance = random.Random(seed)
    before = await aside(cluster.bonds)
    resent_before = await aside(resent, cluster)
    async with Spread(cluster, hub) as scene:
        members, publishers = await traffic(scene)
        publishing = asyncio.gather(*(one.publish(COUNT) for one in publishers))
        cuts = 0
        while not publishing.done():
            proxies = chance.sample(cluster.proxies, chance.randint(1, 3))
            for proxy in proxies:
                proxy.cut()
            if chance.random() < 0.5:
                await asyncio.gather(*map(attempted, proxies))
            back = [asyncio.create_task(attempted(proxy)) for proxy in proxies]
            await asyncio.sleep(0)  # they have looked how it is now
            for proxy in proxies:
                proxy.heal()
            cuts += 1
            await asyncio.gather(*back)
        await publishing
        await complete(members, publishers)
    after = await aside(cluster.bonds)
    again = await aside(resent, cluster) - resent_before
    print(f"{cuts} cuts, {again} batches sent again")  # noqa: T201 - how hard it was
    assert cuts >= 3
    assert after == before, "the links have outlived every cut"


async def test_a_link_that_is_stalled_for_a_while_goes_on_where_it_was(
    cluster: Cluster, hub: str
) -> None:
    before = await aside(cluster.bonds)
    async with Spread(cluster, hub) as scene:
        members, publishers = await traffic(scene)
        publishing = asyncio.gather(*(one.publish(COUNT) for one in publishers))
        for number, proxy in enumerate(cluster.proxies, 1):
            proxy.stall()
            await publishers[0].reached(number * COUNT // 4)
            proxy.heal()
        await publishing
        await complete(members, publishers)
    assert await aside(cluster.bonds) == before


async def test_a_join_made_while_a_link_is_cut_counts_everywhere_once_it_is_healed(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        alice, bob, carol = await scene.trio()
        await carol.request(type="joinGroup", group="old")
        for proxy in cluster.proxies:
            proxy.cut()
        joining = asyncio.create_task(alice.request(type="joinGroup", group="new"))
        leaving = asyncio.create_task(carol.request(type="leaveGroup", group="old"))
        await attempted(cluster.proxies[0])
        for proxy in cluster.proxies:
            proxy.heal()
        assert (await joining)["success"]
        assert (await leaving)["success"]
        for place in PLACES:
            await aside(cluster.await_quiet, place)
        wish = {"type": "sendToGroup", "data": "new"}
        for one in (bob, carol):
            assert (await one.request(**wish, group="new"))["success"]
            assert await alice.data() == "new"
        assert (await bob.request(**{**wish, "group": "old"}))["success"]
        service = await scene.rest(1)
        await service.send_to_all("fence")
        assert await carol.data() == "fence"


async def test_a_question_asked_while_a_link_is_cut_is_answered_once_it_is_healed(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        service = await scene.rest(0)
        alice, bob, carol = await scene.trio("room")
        for proxy in cluster.proxies:
            proxy.cut()
        questions = [
            asyncio.create_task(wait)
            for wait in (
                service.connection_exists(bob.id),
                service.user_exists("carol"),
                service.has_permission("sendToGroup", carol.id, target_name="room"),
            )
        ]
        await attempted(cluster.proxies[1])
        for proxy in cluster.proxies:
            proxy.heal()
        assert await asyncio.gather(*questions) == [True, True, True]
        found = [one async for one in service.list_connections(group="room")]
        ids = {alice.id, bob.id, carol.id}
        assert {one.connection_id for one in found} == ids
