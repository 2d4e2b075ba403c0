"""What was recorded between gateways, or is broken, has no effect on the service.

The gateways have no secret, so that recordings can be read, changed and said again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cbor2
import pytest
import zmq

from hubbub.actors.messages import peers
from hubbub.transport.wire import peering
from support.cluster import Cluster, aside, awaited, peers_of
from support.spread import Spread
from support.zmtp import Pusher, packets, throw

if TYPE_CHECKING:
    from collections.abc import Iterator


A, B, C = range(3)
COUNT = 50


@pytest.fixture(scope="module")
def recorded() -> Iterator[Cluster]:
    with Cluster(3, "--log-level", "info", proxied=True, record=True) as gateways:
        yield gateways


@pytest.fixture
def cluster(recorded: Cluster) -> Cluster:
    """Three gateways; what each hears from the others is recorded."""
    recorded.restore()
    return recorded


@pytest.fixture(scope="module")
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as made:
        yield made


def said_to(cluster: Cluster, place: int) -> list[bytes]:
    """Give all that was said to a gateway, by connection."""
    return [bytes(said) for said in cluster.proxies[place].said]


def greetings(cluster: Cluster) -> int:
    """Count the greetings that have passed between gateways."""
    return sum(
        isinstance(packet, peers.Hello)
        for proxy in cluster.proxies
        for said in proxy.said
        for packet in packets(bytes(said))
    )


async def converse(scene: Spread, tag: str) -> None:
    """Have clients of every gateway join, publish, hear and leave."""
    trio = await scene.trio("room")
    services = [await scene.rest(place) for place in (A, B, C)]
    for one in trio:
        await one.request(type="joinGroup", group=f"group {tag}")
    for number in range(COUNT):
        service = services[number % 3]
        await service.send_to_group("room", [tag, number])
        await service.send_to_group(f"group {tag}", [tag, -number])
    said = sorted([tag, number] for n in range(COUNT) for number in (n, -n))
    for one in trio:
        # What two gateways publish has no common order.
        assert sorted(await one.datas(2 * COUNT)) == said
        await one.socket.close()


async def nothing_comes(scene: Spread) -> None:
    """Check that members hear the fence, and nothing before it."""
    trio = await scene.trio("room", "group before")
    for place in (A, B, C):
        await (await scene.rest(place)).send_to_all(f"fence {place}")
    for one in trio:
        heard = await one.datas(3)
        assert sorted(heard) == ["fence 0", "fence 1", "fence 2"]
        await one.socket.close()


@pytest.mark.parametrize("again", ["in the same epoch", "after a restart"])
async def test_recordings_that_are_said_again_have_no_effect(
    cluster: Cluster, hub: str, again: str
) -> None:
    async with Spread(cluster, hub) as scene:
        await converse(scene, "before")
    spoken = [said_to(cluster, place) for place in (A, B, C)]
    if again == "after a restart":
        for place in (B, C):
            await aside(cluster.stop, place)
            await aside(cluster.start, place)
            await aside(cluster.await_linked)
    before = await aside(cluster.bonds)
    count = await aside(greetings, cluster)
    async with Spread(cluster, hub) as scene:
        for _ in range(2):
            for place, said in enumerate(spoken):
                for one in said:
                    await aside(throw, cluster.ports[place], one)
            await nothing_comes(scene)
        await converse(scene, "after")
        await nothing_comes(scene)
    assert await aside(cluster.bonds) == before
    # Each is answered at most once; that starts no conversation.
    said_again = 2 * sum(
        isinstance(packet, peers.Hello)
        for said in spoken
        for one in said
        for packet in packets(one)
    )
    assert await aside(greetings, cluster) <= count + 2 * said_again
    for place in (A, B, C):
        assert "Traceback" not in cluster.log(place)


def spoken_to(cluster: Cluster, place: int, speaker: str) -> peers.Batch:
    """Give the last batch that a gateway has said to another."""
    said = [
        packet
        for one in said_to(cluster, place)
        for packet in packets(one)
        if isinstance(packet, peers.Batch) and packet.gateway == speaker
    ]
    return said[-1]


@pytest.mark.parametrize(
    "rest",
    [
        [1_000_000, 0, False, [[99]]],
        [1_000_000, 0, False, [[1, "hub"]]],
        [1_000_000, 0, False, "no messages"],
        [1_000_000],
        [-1, 0, False, []],
    ],
    ids=["kind", "fields", "messages", "short", "number"],
)
async def test_a_batch_that_cannot_be_read_ends_its_link_alone_and_it_comes_back(
    cluster: Cluster,
    hub: str,
    context: zmq.Context[zmq.Socket[bytes]],
    rest: list[object],
) -> None:
    async with Spread(cluster, hub) as scene:
        await converse(scene, "before")
        trio = await scene.trio("room")
        speaker = (await aside(peers_of, cluster[B]))["gateway"]
        batch = await aside(spoken_to, cluster, A, speaker)
        others = await aside(cluster.bonds, C)
        pairs = [(A, B), (B, A)]
        before = {pair: await aside(cluster.peer, *pair) for pair in pairs}
        broken = cbor2.dumps([peering.BATCH, speaker, batch.tag, *rest])
        with Pusher(cluster.ports[A], context) as says:
            says.say(broken)
            await aside(cluster.await_log, A, "what it sent cannot be read")
        for pair in pairs:
            epoch = before[pair]["epoch"] + 1
            await aside(cluster.await_peer, *pair, state="up", epoch=epoch)
        assert await aside(cluster.bonds, C) == others
        for place, one in enumerate(trio):
            wish = {"type": "sendToGroup", "group": "room", "data": place}
            assert (await one.request(**wish))["success"]
        for one in trio:
            assert sorted(await one.datas(3)) == [A, B, C]


async def test_a_broken_batch_of_nobody_that_is_linked_has_no_effect(
    cluster: Cluster, hub: str, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    async with Spread(cluster, hub) as scene:
        await converse(scene, "before")
        speaker = (await aside(peers_of, cluster[B]))["gateway"]
        tag = (await aside(spoken_to, cluster, A, speaker)).tag
        before = await aside(cluster.bonds)
        with Pusher(cluster.ports[A], context) as says:
            for gateway, number in ((speaker, tag + 1), ("abcdef", tag), ("", tag)):
                for rest in ([1, 0, False, [[99]]], [1], []):
                    frame = [peering.BATCH, gateway, number, *rest]
                    says.say(cbor2.dumps(frame))
            says.say(b"", b"\xff", cbor2.dumps([99]), cbor2.dumps("hello"))

            def told(log: str) -> bool:
                return "packets from outside could not be read" in log

            await aside(awaited, lambda: cluster.log(A), told)
        await converse(scene, "after")
        assert await aside(cluster.bonds) == before
        assert "Traceback" not in cluster.log(A)


async def test_batches_in_the_name_of_a_peer_that_are_out_of_order_change_nothing(
    cluster: Cluster, hub: str, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    async with Spread(cluster, hub) as scene:
        await converse(scene, "before")
        speaker = (await aside(peers_of, cluster[B]))["gateway"]
        batch = await aside(spoken_to, cluster, A, speaker)
        before = await aside(cluster.bonds)
        with Pusher(cluster.ports[A], context) as says:
            for number in (1, batch.number, batch.number + 1000, 2**60):
                for received in (0, 2**60):
                    forged = peers.Batch(speaker, batch.tag, number, received, ())
                    says.say(forged)
                beat = peers.Heartbeat(
                    speaker, batch.tag, number, 2**60, missing=bool(number % 2)
                )
                says.say(beat)
        await converse(scene, "after")
        await nothing_comes(scene)
        assert await aside(cluster.bonds) == before
