"""Noise at the port for peers: the service goes on, and nobody in it notices."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import TYPE_CHECKING

import cbor2
import pytest
import zmq

from hubbub.transport.cluster_secret import new_secret, write_secret
from support.cluster import Cluster, aside, peers_of
from support.spread import Spread
from support.swarm import resident
from support.traffic import Member, Publisher, complete
from support.zmtp import Pusher, throw

if TYPE_CHECKING:
    from collections.abc import Iterator

GREETING = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL" + bytes(16) + b"\0" + bytes(31)
READY = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
ROUNDS = 300


MIB = 1 << 20


@pytest.fixture(scope="module", params=["plain", "secured"])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two gateways; without a secret anybody on this machine can speak to them."""
    secret = None
    if request.param == "secured":
        path = tmp_path_factory.mktemp("secrets") / "cluster.secret"
        write_secret(path, new_secret())
        secret = str(path)
    with Cluster(2, "--log-level", "info", secret=secret) as gateways:
        yield gateways


def noise(chance: random.Random) -> bytes:
    """Make what somebody might send over TCP."""
    data = chance.randbytes(chance.choice((1, 10, 100, 5000)))
    head = chance.choice((b"", GREETING[:10], GREETING, GREETING + READY))
    frame = chance.choice(
        (b"", b"\0\xff", b"\x02" + b"\xff" * 8, b"\x06\0\0\0\0\0\0\0\5")
    )
    return head + frame + data


def item(chance: random.Random, depth: int = 0) -> object:
    """Make something that CBOR can say."""
    kinds = 9 if depth < 4 else 6
    match chance.randrange(kinds):
        case 0:
            return chance.randrange(-3, 20)
        case 1:
            return chance.getrandbits(chance.choice((8, 31, 63, 64, 70)))
        case 2:
            return chance.choice(("", "chat", "g", "x" * 2000, "\0", "é"))
        case 3:
            return chance.randbytes(chance.randrange(8))
        case 4:
            return chance.choice((None, True, False, 1.5, float("nan")))
        case 5:
            return cbor2.CBORTag(chance.choice((2, 28, 55799)), 1)
        case 6:
            return {"k": item(chance, depth + 1)}
        case _:
            return [item(chance, depth + 1) for _ in range(chance.randrange(8))]


def packet(chance: random.Random, gateways: list[str]) -> bytes:
    """Make what is nearly a packet, in the name of a peer or of nobody."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(60))
    who = chance.choice((*gateways, "abcdef", "", "x" * 300))
    kind = chance.choice((1, 2, 3, 4, 5, 5, 5, 6))
    rest = [item(chance) for _ in range(chance.randrange(8))]
    # No tag that is right: whoever knows it is the peer.
    data = cbor2.dumps([kind, who, chance.getrandbits(63), *rest])
    if chance.random() < 0.5:
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        data = bytes(broken)
    return data


@pytest.mark.parametrize("seed", range(2))
async def test_noise_at_the_port_for_peers_disturbs_nobody(
    cluster: Cluster, hub: str, seed: int
) -> None:
    chance = random.Random(seed)
    before = await aside(cluster.bonds)
    names = [(await aside(peers_of, cluster[place]))["gateway"] for place in (0, 1)]
    memory = resident(cluster[0].pid)
    over = threading.Event()

    def disturb() -> None:
        with zmq.Context() as context, Pusher(cluster.ports[0], context) as says:
            says.socket.sndtimeo = 100
            while not over.is_set():
                with contextlib.suppress(zmq.Again):  # where it never gets in
                    says.say(*(packet(chance, names) for _ in range(50)))
                for _ in range(5):
                    throw(cluster.ports[0], noise(chance))

    async with Spread(cluster, hub) as scene:
        members = [Member(await scene.arrive(at, None, "load")) for at in (0, 1)]
        publishers = [
            Publisher(await scene.arrive(at, f"p{at}"), "load") for at in (0, 1)
        ]
        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        try:
            for _ in range(ROUNDS // 100):
                for one in publishers:
                    await one.publish(200)
                late = await scene.arrive(1, "late", "late")
                await (await scene.rest(0)).send_to_group("late", "at once")
                assert await late.data() == "at once"
            await complete(members, publishers)
        finally:
            over.set()
            await aside(disturbing.join)
        for member in members:
            await member.stop()
    assert await aside(cluster.bonds) == before
    assert resident(cluster[0].pid) - memory < 64 * MIB
    for place in (0, 1):
        assert "Traceback" not in cluster.log(place)


async def test_connections_that_say_nothing_are_dropped_and_hold_nobody_up(
    cluster: Cluster, hub: str
) -> None:
    before = await aside(cluster.bonds)
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", cluster.ports[0]))
            )
            for _ in range(300)
        ]
        async with Spread(cluster, hub) as scene:
            alice = await scene.arrive(0, "alice")
            await (await scene.rest(1)).send_to_user("alice", "at once")
            assert await alice.data() == "at once"

        def drain(one: socket.socket) -> None:
            one.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                while one.recv(1000):
                    pass

        for one in silent:
            await aside(drain, one)
    assert await aside(cluster.bonds) == before
