"""What is sent at one gateway arrives at the others: to all, groups, users, one.

Who sends is at gateway ``at``, the clients are one at each. Where something must not
arrive, a later message of the same sender that everybody gets, the fence, proves it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.cluster import aside
from support.spread import NOBODY, TEXT, Spread

if TYPE_CHECKING:
    from support.cluster import Cluster

kinds = pytest.mark.parametrize("kind", ["rest", "server"])
places = pytest.mark.parametrize("at", range(3))
ROUNDS = 30


@kinds
@places
async def test_a_send_to_all_heeds_exclusion_and_filter_everywhere(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        alice, bob, carol = await scene.trio()
        await manager.send_to_all({"n": 1})
        await manager.send_to_all(2, excluded=[alice.id, carol.id, NOBODY])
        await manager.send_to_all(3, filter="userId eq 'alice'")
        await manager.send_to_all(4, filter="userId ne 'x'", excluded=[alice.id])
        await manager.send_to_all("fence")
        assert await alice.datas(3) == [{"n": 1}, 3, "fence"]
        assert await bob.datas(4) == [{"n": 1}, 2, 4, "fence"]
        assert await carol.datas(3) == [{"n": 1}, 4, "fence"]


@kinds
@places
async def test_a_send_to_a_group_reaches_its_members_everywhere_and_nobody_else(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        alice, bob, carol = await scene.trio("room")
        outsiders = [await scene.arrive(place) for place in range(3)]
        await manager.send_to_group("room", {"n": 1})
        await manager.send_to_group("room", 2, excluded=[alice.id, bob.id])
        await manager.send_to_group("room", 3, filter="userId eq 'bob'")
        await manager.send_to_group("room", 4, filter="'room' in groups")
        await manager.send_to_group("empty", "nobody is there")
        await manager.send_to_all("fence")
        assert await alice.datas(3) == [{"n": 1}, 4, "fence"]
        assert await bob.datas(4) == [{"n": 1}, 3, 4, "fence"]
        assert await carol.datas(4) == [{"n": 1}, 2, 4, "fence"]
        assert [await one.data() for one in outsiders] == ["fence"] * 3


@kinds
@places
async def test_a_send_to_a_user_reaches_the_connections_of_every_gateway(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        alices = [await scene.arrive(0, "alice"), await scene.arrive(1, "alice")]
        inside = await scene.arrive(2, "alice", "phones")
        bob = await scene.arrive((at + 1) % 3, "bob")
        await manager.send_to_user("alice", {"n": 1})
        await manager.send_to_user("alice", 2, filter="'phones' in groups")
        await manager.send_to_user("nobody", "lost")
        await manager.send_to_all("fence")
        for alice in alices:
            assert await alice.datas(2) == [{"n": 1}, "fence"]
        assert await inside.datas(3) == [{"n": 1}, 2, "fence"]
        assert await bob.data() == "fence"


@kinds
@places
async def test_a_send_to_a_connection_finds_it_wherever_it_is(
    cluster: Cluster, hub: str, at: int, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(at, kind)
        trio = await scene.trio()
        for number, one in enumerate(trio):
            await manager.send_to_connection(one.id, {"n": number})
        for missing in (NOBODY, f"{trio[0].id[:-4]}0000", "ffffff" + "0" * 26):
            await manager.send_to_connection(missing, "lost")
        await manager.send_to_all("fence")
        for number, one in enumerate(trio):
            assert await one.datas(2) == [{"n": number}, "fence"]


async def test_every_kind_of_data_arrives_byte_for_byte(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        alice, bob, _ = await scene.trio("room")
        plain = await scene.arrive_simple(2)
        frames: list[dict[str, Any]] = [
            {"dataType": "text", "data": "text é ✓"},
            {"dataType": "json", "data": {"b": 1, "a": [2.5, None, "é"]}},
            {"dataType": "binary", "data": "AAH+/w=="},
            {"dataType": "protobuf", "data": "Cg90eXBlLnRlc3QvVGhpbmcSAggB"},
        ]
        for frame in frames:
            wish = {"type": "sendToGroup", "group": "room", "noEcho": True}
            assert (await alice.request(**wish, **frame))["success"]
        for frame in frames:
            push = await bob.push()
            assert push == {
                "type": "message",
                "from": "group",
                "group": "room",
                "fromUserId": "alice",
                **frame,
            }
        service = await scene.rest(1)
        await service.send_to_all({"b": 1, "a": [2.5, None, "é"]})
        await service.send_to_all("text é ✓".encode(), content_type=TEXT)
        await service.send_to_all(
            b"\x00\x01\xfe\xff", content_type="application/octet-stream"
        )
        assert [await plain.frame() for _ in range(3)] == [
            '{"b": 1, "a": [2.5, null, "\\u00e9"]}',
            "text é ✓",
            b"\x00\x01\xfe\xff",
        ]


@kinds
async def test_a_large_message_crosses_whole(
    cluster: Cluster, hub: str, kind: str
) -> None:
    async with Spread(cluster, hub) as scene:
        manager = await scene.manager(0, kind)
        alice, bob, carol = await scene.trio()
        for size in (1, 1000, 70_000, 900_000):
            await manager.send_to_all({"x": "x" * size})
            for one in (alice, bob, carol):
                assert await one.data() == {"x": "x" * size}


async def test_what_a_client_publishes_reaches_members_everywhere_in_order(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        trio = await scene.trio("room")
        count = 200
        for number in range(count):
            for one in trio:
                frame = {"type": "sendToGroup", "group": "room", "data": number}
                await one.socket.send(json.dumps(frame))
        for one in trio:
            heard: dict[str, list[int]] = {}
            for _ in range(3 * count):
                push = await one.push()
                heard.setdefault(push["fromUserId"], []).append(push["data"])
            assert heard == {
                name: list(range(count)) for name in ("alice", "bob", "carol")
            }


async def test_no_echo_spares_the_sender_and_the_echo_precedes_the_ack(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        alice, bob, _ = await scene.trio("room")
        wish: dict[str, Any] = {"type": "sendToGroup", "group": "room"}
        assert (await alice.request(**wish, data=1, noEcho=True))["success"]
        assert (await alice.request(**wish, data=2))["success"]
        assert await alice.data() == 2
        assert await bob.datas(2) == [1, 2]


async def test_metadata_travels_with_a_message(cluster: Cluster, hub: str) -> None:
    async with Spread(cluster, hub) as scene:
        alice, bob, _ = await scene.trio("room")
        wish = {"type": "sendToGroup", "group": "room", "data": 1, "noEcho": True}
        await alice.request(**wish, metadata={"trace": "t1"})
        assert (await bob.push())["metadata"] == {"trace": "t1"}


# At once: nothing is awaited between the ack and the send.


@places
async def test_what_is_published_anywhere_after_a_join_is_acknowledged_arrives(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        member = await scene.arrive(at)
        others = [await scene.arrive((at + n) % 3) for n in (1, 2)]
        services = [await scene.rest((at + n) % 3) for n in (1, 2)]
        for number in range(ROUNDS):
            group = f"g{number}"
            assert (await member.request(type="joinGroup", group=group))["success"]
            wish = {"type": "sendToGroup", "group": group, "data": number}
            acks = [one.request(**wish) for one in others]
            sends = [one.send_to_group(group, number) for one in services]
            await asyncio.gather(*acks, *sends)
            assert await member.datas(4) == [number] * 4


@places
async def test_a_client_is_reached_from_everywhere_once_it_is_connected(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        services = [await scene.rest((at + n) % 3) for n in (1, 2)]
        for one in services:
            await one.group_exists("warm up")
        for number in range(ROUNDS // 3):
            user, group = f"user {number}", f"g{number}"
            one = await scene.arrive(at, user, group)
            sends = [
                wait
                for service in services
                for wait in (
                    service.send_to_user(user, "user"),
                    service.send_to_group(group, "group"),
                    service.send_to_connection(one.id, "connection"),
                    service.send_to_all("all"),
                )
            ]
            await asyncio.gather(*sends)
            heard = await one.datas(8)
            assert sorted(heard) == sorted(2 * ["user", "group", "connection", "all"])
            await one.socket.close()


async def test_leaving_a_group_stops_its_messages_from_everywhere(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        alice, bob, _ = await scene.trio()
        for number in range(ROUNDS):
            group = f"g{number}"
            for kind in ("joinGroup", "leaveGroup"):
                assert (await alice.request(type=kind, group=group))["success"]
            wish = {"type": "sendToGroup", "group": group, "data": "outside"}
            assert (await bob.request(**wish))["success"]
        await (await scene.rest(1)).send_to_all("fence")
        assert await alice.data() == "fence"


# Cost.


async def test_a_publication_visits_only_gateways_where_somebody_wants_it(
    cluster: Cluster, hub: str
) -> None:
    def relayed() -> list[int]:
        return [cluster.peer(0, other)["relayed"] for other in (1, 2)]

    async with Spread(cluster, hub) as scene:
        alice, bob, _ = await scene.trio()
        await alice.request(type="joinGroup", group="here")
        await bob.request(type="joinGroup", group="there")
        before = await aside(relayed)
        for group in ("here", "there", "nowhere"):
            for number in range(50):
                wish = {"type": "sendToGroup", "group": group, "data": number}
                assert (await alice.request(**wish, noEcho=True))["success"]
        assert await bob.datas(50) == list(range(50))
        after = await aside(relayed)
        assert [new - old for new, old in zip(after, before, strict=True)] == [50, 0]


async def test_hubs_and_names_do_not_mix(cluster: Cluster, hub: str) -> None:
    name = "a/b c+é%?#&'x"
    async with Spread(cluster, hub) as here, Spread(cluster, f"{hub}_other") as there:
        inside = await here.arrive(0, name, name)
        outside = await there.arrive(0, name, name)
        service = await here.rest(1)
        await service.send_to_user(name, "user")
        await service.send_to_group(name, "group")
        await service.send_to_all("all")
        assert await inside.datas(3) == ["user", "group", "all"]
        await (await there.rest(2)).send_to_all("fence")
        assert await outside.data() == "fence"
