"""A client comes back to another gateway than the one that it left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import Backoff, NotRecovered, Offline, Online, WebPubSubClient
from support.cluster import Cluster
from support.sdk_clients import SECONDS, by_way_of, until, until_online
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = Backoff(first=0.01, most=0.05)
ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two gateways of one service."""
    with Cluster(2) as cluster:
        yield cluster


@pytest.fixture
def balancer(cluster: Cluster) -> Iterator[TcpProxy]:
    """What sends each connection to the next gateway."""
    with TcpProxy(*(gateway.port for gateway in cluster.gateways)) as proxy:
        yield proxy


def url(cluster: Cluster, balancer: TcpProxy, user: str) -> str:
    own = cluster[0].client_url("chat", user, ROLES, ["lobby"])
    return by_way_of(balancer, own)


async def test_a_client_is_found_again_at_whichever_gateway_it_comes_to(
    cluster: Cluster, balancer: TcpProxy
) -> None:
    bobs = cluster[1].client_url("chat", "bob", ROLES)
    async with (
        WebPubSubClient(url(cluster, balancer, "ann"), backoff=SOON) as ann,
        WebPubSubClient(bobs) as bob,
    ):
        await ann.join("hall")
        states, first = ann.states(), ann.connection_id
        await until_online(states)
        for turn in range(4):
            balancer.cut()
            await until(states, Offline)
            await bob.send_to_group("hall", turn)
            balancer.heal()
            back = await until_online(states)
            assert back == [Online(first, "ann", recovered=True)]
            await bob.send_to_group("lobby", f"turn {turn}")
            heard = [(await ann.next(SECONDS)).data for _ in range(2)]
            assert heard == [turn, f"turn {turn}"]


async def test_nothing_is_lost_or_doubled_between_two_gateways(
    cluster: Cluster, balancer: TcpProxy
) -> None:
    bobs = cluster[1].client_url("chat", "bob", ROLES)
    async with (
        WebPubSubClient(url(cluster, balancer, "ann"), backoff=SOON) as ann,
        WebPubSubClient(bobs) as bob,
    ):
        states, first = ann.states(), ann.connection_id

        async def publish() -> None:
            for number in range(1000):
                if number % 100 == 0:
                    back = await until(states, Online)
                    assert back == Online(first, "ann", recovered=number > 0)
                    balancer.reset()
                    await until(states, Offline)
                await bob.send_to_group("lobby", number)

        publishing = asyncio.create_task(publish())
        heard = [(await ann.next(SECONDS)).data for _ in range(1000)]
        await publishing
        assert heard == list(range(1000))
        assert ann.connection_id == first


async def test_a_stream_goes_on_at_another_gateway(
    cluster: Cluster, balancer: TcpProxy
) -> None:
    bobs = cluster[1].client_url("chat", "bob", ROLES, ["lobby"])
    async with (
        WebPubSubClient(url(cluster, balancer, "ann"), backoff=SOON) as ann,
        WebPubSubClient(bobs) as bob,
    ):
        streams, states = bob.on_stream("lobby"), ann.states()
        await until_online(states)

        async def publish() -> None:
            async with ann.stream("lobby", no_echo=True) as stream:
                for number in range(200):
                    await stream.send(number)
                    if number % 50 == 25:
                        balancer.reset()
                        await until_online(states)

        publishing = asyncio.create_task(publish())
        incoming = await streams.next(SECONDS)
        assert [part.data async for part in incoming] == list(range(200))
        await publishing


async def test_a_gateway_that_dies_takes_the_session_with_it_and_that_is_told() -> None:
    with Cluster(2) as cluster, TcpProxy(cluster[0].port, cluster[1].port) as balancer:
        async with WebPubSubClient(url(cluster, balancer, "ann"), backoff=SOON) as ann:
            states, first = ann.states(), ann.connection_id
            await until_online(states)
            await asyncio.to_thread(cluster.kill, 0)
            # The other one may have to make sure that it is gone, and not just slow.
            *_, told, back = await until_online(states, seconds=40.0)
            assert isinstance(told, NotRecovered)
            assert isinstance(back, Online)
            assert back.connection_id != first
            await ann.send_to_group("lobby", "at the other one")
            assert (await ann.next(SECONDS)).data == "at the other one"
