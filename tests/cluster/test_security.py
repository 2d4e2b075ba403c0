"""Who may be a peer; all others neither join nor inject nor read, and are told why."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq
from typer.testing import CliRunner
from zmq.utils import z85

from hubbub.actors.messages import commands, peers
from hubbub.actors.messages.payload import Text
from hubbub.transport.cli import app
from hubbub.transport.cluster_secret import read_secret, read_secret_text
from support.bare_server import client
from support.cluster import Cluster, aside, awaited, peers_of
from support.gateway import GatewayProcess
from support.spread import Spread
from support.tcp_proxy import TcpProxy, free_port
from support.zmtp import Listening, Pusher, throw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUB = "private"
MARK = "a text that nobody else may read"


def secret_at(path: Path) -> str:
    """Make a secret as an operator does: ``hubbub secret``."""
    made = CliRunner().invoke(app, ["secret", str(path)])
    assert made.exit_code == 0, made.output
    return str(path)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> str:
    return secret_at(tmp_path_factory.mktemp("secrets") / "cluster.secret")


@pytest.fixture(scope="module")
def cluster(secret: str) -> Iterator[Cluster]:
    """Two gateways with a common secret; what is said between them is recorded."""
    options: dict[str, Any] = {"secret": secret, "proxied": True, "record": True}
    with Cluster(2, "--log-level", "info", **options) as gateways:
        yield gateways


@pytest.fixture(scope="module")
def plain() -> Iterator[Cluster]:
    """Two gateways without a secret, on loopback."""
    with Cluster(2, "--log-level", "info") as gateways:
        yield gateways


@pytest.fixture(scope="module")
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as made:
        yield made


@contextmanager
def stranger(cluster: Cluster, *arguments: str) -> Iterator[tuple[GatewayProcess, str]]:
    """Start a gateway that wants to be a peer; gives it, and where it is."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    place = ("--peer-listen", endpoint, "--peers", cluster.endpoint(0))
    with GatewayProcess(*place, *arguments, workers=1) as gateway:
        yield gateway, endpoint


def trouble(gateway: GatewayProcess, endpoint: str) -> str:
    """Wait until a gateway says what is wrong with an address."""

    def look() -> list[str]:
        view = peers_of(gateway)["peers"]
        return [peer["trouble"] for peer in view if peer["endpoint"] == endpoint]

    found: list[str] = awaited(look, any)
    return found[0]


async def apart(cluster: Cluster, gateway: GatewayProcess, hub: str) -> None:
    """Check that those who belong together are one service, without the stranger."""
    async with Spread(cluster, hub) as scene:
        alice = await scene.arrive(0, "alice", "room")
        bob = await scene.arrive(1, "bob", "room")
        mallory = client(gateway, hub, "mallory", groups=["room"])
        await scene.enter_async_context(mallory)
        for one, data in ((mallory, "outside"), (alice, "inside")):
            wish = {"type": "sendToGroup", "group": "room", "data": data}
            assert (await one.request(**wish))["success"]
        await (await scene.rest(1)).send_to_all("fence")
        for one in (alice, bob):  # two publishers have no order in common
            assert sorted(await one.datas(2)) == ["fence", "inside"]
        assert await mallory.data() == "outside"
    ids = {(await aside(peers_of, cluster[place]))["gateway"] for place in (0, 1)}
    view = await aside(peers_of, gateway)
    assert not [peer for peer in view["peers"] if peer["state"] == "up"]
    for place in (0, 1):
        seen = await aside(cluster.view, place)
        ups = {peer["gateway"] for peer in seen if peer["state"] == "up"}
        assert ups < ids


# Gateways of another kind.


async def test_a_gateway_with_another_secret_is_refused_and_both_sides_say_why(
    cluster: Cluster, hub: str, tmp_path: Path
) -> None:
    other = secret_at(tmp_path / "other.secret")
    with stranger(cluster, "--cluster-secret", other) as (gateway, _):
        place = cluster.endpoint(0)
        reason = await aside(trouble, gateway, place)
        assert "another cluster secret" in reason
        assert f"{place} cannot be a peer: {reason}" in gateway.log
        await aside(cluster[0].await_log, "connected with another cluster secret")
        await apart(cluster, gateway, hub)


async def test_a_gateway_without_a_secret_is_refused_and_both_sides_say_why(
    cluster: Cluster, hub: str
) -> None:
    with stranger(cluster) as (gateway, _):
        place = cluster.endpoint(0)
        reason = await aside(trouble, gateway, place)
        assert "has a cluster secret and this one has none" in reason
        assert f"{place} cannot be a peer: {reason}" in gateway.log
        await aside(cluster[0].await_log, "or without one, and was turned away")
        await apart(cluster, gateway, hub)


async def test_a_gateway_with_a_secret_is_refused_where_there_is_none(
    plain: Cluster, hub: str, secret: str
) -> None:
    with stranger(plain, "--cluster-secret", secret) as (gateway, _):
        place = plain.endpoint(0)
        reason = await aside(trouble, gateway, place)
        assert "another cluster secret, or none" in reason
        assert f"{place} cannot be a peer: {reason}" in gateway.log
        await aside(plain[0].await_log, "secret, which this gateway has not")
        await apart(plain, gateway, hub)


@pytest.mark.parametrize("secured", [True, False])
async def test_a_gateway_of_another_cluster_is_refused_and_both_sides_say_why(
    cluster: Cluster, plain: Cluster, hub: str, secret: str, *, secured: bool
) -> None:
    those = cluster if secured else plain
    key = ("--cluster-secret", secret) if secured else ()
    with stranger(those, "--cluster", "other", *key) as (gateway, endpoint):
        place, why = those.endpoint(0), "it belongs to cluster 'other', not to 'hubbub'"
        assert await aside(trouble, gateway, place) == why
        await aside(gateway.await_log, f"{place} refuses to be a peer: {why}")
        log = f"{endpoint} is refused as a peer: {why}"
        await aside(those[0].await_log, log)
        await apart(those, gateway, hub)


@pytest.mark.parametrize("greeting", ["knock", "hello"])
async def test_a_gateway_of_another_version_is_refused_and_both_sides_say_why(
    plain: Cluster,
    context: zmq.Context[zmq.Socket[bytes]],
    greeting: str,
) -> None:
    with Pusher(plain.ports[0], context) as says, Listening(context) as hears:
        who = (99, "hubbub", "abcdef", hears.endpoint, 4711)
        knock: peers.Packet = peers.Knock(*who)
        says.say(knock if greeting == "knock" else peers.Hello(*who))
        refusal = await aside(hears.hear)
        assert isinstance(refusal, peers.Refusal)
        assert (refusal.gateway, refusal.number) == ("abcdef", 4711)
        assert "speaks version 99 of the peering protocol" in refusal.reason
        assert "run the same release" in refusal.reason
        log = f"{hears.endpoint} is refused as a peer: {refusal.reason}"
        await aside(plain[0].await_log, log)


# No gateways at all.


def known(cluster: Cluster) -> list[tuple[str, str, int]]:
    """Give the peers that the first gateway knows, and how often it has met each."""
    view = cluster.view(0)
    return [(peer["gateway"], peer["state"], peer["epoch"]) for peer in view]


def forgeries(endpoint: str, gateway: str) -> list[peers.Packet]:
    """Make what somebody would say who wants to be a peer, or to be taken for one."""
    publish = commands.Publish(commands.Everyone(), Text("injected"))
    relay = peers.Relay(HUB, publish)
    return [
        peers.Knock(peers.VERSION, "hubbub", "abcdef", endpoint, 1),
        peers.Hello(peers.VERSION, "hubbub", "abcdef", endpoint, 2),
        *(
            peers.Batch(who, tag, number, 0, (relay,))
            for who in ("abcdef", gateway)
            for tag in (1, 2)
            for number in (1, 2)
        ),
    ]


@pytest.mark.parametrize("kind", ["plain", "curve"])
async def test_a_socket_without_the_secret_neither_joins_nor_injects(
    cluster: Cluster,
    context: zmq.Context[zmq.Socket[bytes]],
    secret: str,
    kind: str,
) -> None:
    before = await aside(known, cluster)
    with Listening(context) as hears, Pusher(cluster.ports[0], context) as says:
        if kind == "curve":
            # It has keys of its own, and has even learned the gateway's public one.
            real = read_secret(secret)
            says.socket.curve_serverkey = zmq.curve_public(
                z85.encode(real.derive("hubbub listens"))
            )
            says.socket.curve_publickey, says.socket.curve_secretkey = (
                zmq.curve_keypair()
            )
            says.socket.disconnect(f"tcp://127.0.0.1:{cluster.ports[0]}")
            says.socket.connect(f"tcp://127.0.0.1:{cluster.ports[0]}")
        says.socket.sndtimeo = 500
        async with Spread(cluster, HUB) as scene:
            alice = await scene.arrive(0, "alice")
            friend: str = before[0][0]
            for forged in forgeries(hears.endpoint, friend):
                # Until it is through the handshake it cannot send: so it never can.
                with pytest.raises(zmq.Again):
                    await aside(says.say, forged)
                says.socket.sndtimeo = 0
            await (await scene.rest(1)).send_to_all("fence")
            assert await alice.data() == "fence"
        assert await aside(hears.silent, 1500), "nobody greets it"
        assert await aside(known, cluster) == before


async def test_bytes_of_an_unencrypted_peer_have_no_effect_where_there_is_a_secret(
    cluster: Cluster, plain: Cluster
) -> None:
    with TcpProxy(plain.ports[0], record=True) as proxy, zmq.Context() as made:
        with Pusher(proxy.port, made) as says:
            own = (await aside(peers_of, cluster[1]))["gateway"]
            says.say(*forgeries("tcp://127.0.0.1:9", own))
            await aside(awaited, lambda: sum(map(len, proxy.said)), (400).__lt__)
        said = bytes(proxy.said[0])
    async with Spread(cluster, HUB) as scene:
        alice = await scene.arrive(0, "alice")
        for _ in range(3):
            await aside(throw, cluster.ports[0], said)
        await (await scene.rest(1)).send_to_all("fence")
        assert await alice.data() == "fence"


async def test_what_gateways_with_a_secret_say_cannot_be_read(
    cluster: Cluster,
) -> None:
    async with Spread(cluster, HUB) as scene:
        alice = await scene.arrive(0, "a name for alice", "a name for a group")
        service = await scene.rest(1)
        await service.send_to_group("a name for a group", MARK * 10)
        await service.send_to_user("a name for alice", MARK * 10)
        assert await alice.datas(2) == [MARK * 10] * 2
    said = b"".join(bytes(one) for proxy in cluster.proxies for one in proxy.said)
    assert len(said) > 1000
    for text in (MARK, "a name for", HUB, "hubbub\0", cluster.endpoint(0)):
        assert text.encode() not in said


async def test_an_impostor_at_the_address_of_a_seed_hears_nothing(
    context: zmq.Context[zmq.Socket[bytes]], secret: str, hub: str
) -> None:
    with Listening(context) as naked, Listening(context, keys=True) as dressed:
        seeds = f"{naked.endpoint},{dressed.endpoint}"
        place = ("--peer-listen", "tcp://127.0.0.1:0", "--peers", seeds)
        with GatewayProcess(*place, "--cluster-secret", secret, workers=1) as gateway:
            for one in (naked, dressed):
                reason = await aside(trouble, gateway, one.endpoint)
                assert "another cluster secret" in reason
            async with client(gateway, hub, "alice", groups=["room"]) as alice:
                wish = {"type": "sendToGroup", "group": "room", "data": MARK}
                assert (await alice.request(**wish))["success"]
            for one in (naked, dressed):
                assert await aside(one.silent, 200)


def test_secrets_do_not_reach_logs(cluster: Cluster, secret: str) -> None:
    text = read_secret_text(secret).strip()
    assert text.rpartition(":")[2] not in cluster.log(0) + cluster.log(1)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "192.0.2.1:7000", "0.0.0.0:7000"])
def test_without_a_secret_nobody_leaves_this_machine(listen: str) -> None:
    place = ("--peer-listen", f"tcp://{listen}", "--peers", "tcp://192.0.2.2:7000")
    told = ("--peer-endpoint", "tcp://127.0.0.1:7000")
    with pytest.raises(AssertionError, match="hubbub secret"):
        GatewayProcess(*place, *told, workers=1)


def test_views_are_for_those_who_have_the_key(cluster: Cluster) -> None:
    view = peers_of(cluster[0])
    assert set(view["peers"][0]) >= {"endpoint", "gateway", "state", "epoch", "lost"}
    assert msgspec.json.encode(view)
