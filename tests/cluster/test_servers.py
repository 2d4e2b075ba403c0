"""A server that is attached to one gateway serves the clients of all."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from hubbub.sdk import (
    Accept,
    Deny,
    HubMessage,
    Message,
    Presence,
    Reject,
    Respond,
    Text,
)
from support.bare_server import SECONDS, ask
from support.cluster import Cluster, aside
from support.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.messages import events
    from support.bare_server import BareServer


async def answered(server: BareServer, asking: asyncio.Task[dict[str, Any]]) -> None:
    """Let a server answer the event that is next, and the client be told."""
    event = await server.event("event")
    await server.answer(event, "respond")
    assert (await asking)["success"]


# One server.


@pytest.mark.parametrize("at", range(3))
async def test_a_server_takes_the_events_of_the_clients_of_every_gateway(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        server = await scene.bare(0)
        kinds = ("connect", "connected", "event", "joined", "left", "disconnected")
        await server.handle(*kinds)
        arriving = asyncio.create_task(scene.arrive(at, "token-user", query="&n=1"))
        event = await server.event("connect")
        assert event["query"]["n"] == ["1"]
        assert event["claims"]["sub"] == ["token-user"]
        who = {"userId": "ann", "groups": ["lobby"], "state": "s1"}
        await server.answer(event, "accept", **who)
        ann = await arriving
        assert ann.connected["userId"] == "ann"
        assert event["connectionId"] == ann.id
        notices = [await server.event() for _ in range(2)]
        assert {one["kind"] for one in notices} == {"joined", "connected"}
        for one in notices:
            assert (one["connectionId"], one["userId"]) == (ann.id, "ann")
            assert one["state"] == "s1"
            await server.answer(one, "done")
        asking = ask(ann, event="order.new", data={"n": 1}, metadata={"k": "v"})
        event = await server.event("event")
        assert (event["event"], event["data"]) == ("order.new", {"n": 1})
        assert event["metadata"] == {"k": "v"}
        answer = {"dataType": "json", "data": {"m": 2}, "metadata": {"k": "w"}}
        await server.answer(event, "respond", **answer, state="s2")
        assert (await asking)["success"]
        push = await ann.push()
        assert (push["data"], push["metadata"]) == ({"m": 2}, {"k": "w"})
        asking = ask(ann)
        event = await server.event("event")
        assert event["state"] == "s2"
        await server.answer(event, "fail", reason="no luck")
        error = (await asking)["error"]
        assert error == {"name": "InternalServerError", "message": "no luck"}
        await ann.request(type="leaveGroup", group="lobby")
        (event,) = await server.acknowledge("left")
        assert event["group"] == "lobby"
        await ann.socket.close()
        (event,) = await server.acknowledge("disconnected")
        assert (event["connectionId"], event["state"]) == (ann.id, "s2")


@pytest.mark.parametrize("at", range(3))
async def test_a_server_refuses_a_client_of_every_gateway(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        server = await scene.bare(0)
        await server.handle("connect")
        arriving = asyncio.create_task(scene.arrive(at))
        event = await server.event("connect")
        await server.answer(event, "reject", status=451, reason="not here")
        with pytest.raises(InvalidStatus) as refused:
            await arriving
        assert refused.value.response.status_code == 451
        assert b"not here" in (refused.value.response.body or b"")


async def test_a_server_of_the_sdk_serves_three_gateways(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        server = scene.server(2)

        @server.handle_event("connect")
        async def connect(event: events.Connect) -> Accept | Reject:
            name = event.claims["sub"][0]
            return Reject(403, "no") if name == "mallory" else Accept(user_id=name)

        @server.handle_event("*")
        async def echo(event: events.UserEvent) -> Respond:
            return Respond(event.payload)

        async with server:
            trio = await scene.trio()
            for number in range(20):
                for one in trio:
                    assert (await ask(one, data=number))["success"]
                    assert await one.data() == number
            with pytest.raises(InvalidStatus):
                await scene.arrive(1, "mallory")


# Several servers.


def naming(name: str, _: events.UserEvent) -> str:
    """Answer with the name of the server."""
    return name


async def test_each_event_goes_to_one_server_and_a_client_stays_with_its_own(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        servers = [scene.server(place) for place in range(3)]
        for name, server in enumerate(servers):
            server.handle_event("*", partial(naming, str(name)))
            await scene.enter_async_context(server)
        crowd = [await scene.arrive(number) for number in range(9)]
        chosen: list[str] = []
        for one in crowd:
            answers = set()
            for _ in range(5):
                assert (await ask(one))["success"]
                answers.add(await one.data())
            assert len(answers) == 1, "it stays"
            chosen += answers
        assert len(set(chosen)) >= 2, "not all with one"


async def test_a_window_counts_the_events_of_all_gateways(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        server = await scene.bare(0)
        await server.handle("event", window=2)
        crowd = [await scene.arrive(number) for number in range(6)]
        asking = [ask(one, data=number) for number, one in enumerate(crowd)]
        waiting = [await server.event("event") for _ in range(2)]
        seen = [event["data"] for event in waiting]
        for left in range(6, 0, -1):
            # Whoever is connected meanwhile proves that the others had their time.
            await scene.arrive(left, "late")
            await server.quiet()
            await server.answer(waiting.pop(0), "respond")
            if left > 2:
                waiting.append(await server.event("event"))
                seen.append(waiting[-1]["data"])
        assert sorted(seen) == list(range(6))
        assert all([(await ack)["success"] for ack in asking])


async def test_an_event_of_a_server_that_is_lost_goes_to_one_at_another_gateway(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        ann = await scene.arrive(2, "ann")
        servers = [await scene.bare(place) for place in (0, 1)]
        for server in servers:
            await server.handle("event")
        asking = ask(ann)
        holders = [asyncio.create_task(server.event("event")) for server in servers]
        done, _ = await asyncio.wait(holders, return_when=asyncio.FIRST_COMPLETED)
        (first,) = done
        assert "attempt" not in first.result()
        lost = holders.index(first)
        servers[lost].die()
        event = await holders[1 - lost]
        assert (event["attempt"], event["data"]) == (2, 1)
        await servers[1 - lost].answer(event, "respond")
        assert (await asking)["success"]


async def test_events_wait_for_the_next_server_wherever_it_comes(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        ann = await scene.arrive(1, "ann")
        async with scene.server(0) as first:
            await first.handle_event("*", lambda _: "first")
            assert (await ask(ann))["success"]
            assert await ann.data() == "first"
        asking = ask(ann)
        async with scene.server(2) as second:
            await second.handle_event("*", lambda _: "second")
            assert (await asking)["success"]
            assert await ann.data() == "second"


async def test_a_server_that_drains_answers_what_it_has_and_gets_no_more(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        ann, bob = await scene.arrive(1, "ann"), await scene.arrive(2, "bob")
        old = await scene.bare(0)
        await old.handle("event")
        askings = [ask(one) for one in (ann, bob)]
        waiting = [await old.event("event") for _ in range(2)]
        new = await scene.bare(1)
        await new.handle("event")
        await old.send(type="drain", id=1000)
        await old.quiet()
        for event in waiting:
            await old.answer(event, "respond")
        assert [(await asking)["success"] for asking in askings] == [True, True]
        assert await old.push() == {"type": "result", "id": 1000}
        for one in (ann, bob):
            await answered(new, ask(one))
        await old.quiet()


@pytest.mark.parametrize("at", range(3))
async def test_what_waits_for_the_window_of_a_server_that_drains_goes_to_another(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        old = await scene.bare(0)
        await old.handle("event", window=1)
        trio = await scene.trio()
        askings = [ask(one, data=number) for number, one in enumerate(trio)]
        mine = await old.event("event")
        await old.quiet()
        new = await scene.bare(at)
        await new.handle("event")
        await old.send(type="drain", id=1000)
        moved = [await new.event("event") for _ in range(2)]
        assert {event["data"] for event in (mine, *moved)} == {0, 1, 2}
        for event in moved:
            assert "attempt" not in event
            await new.answer(event, "respond")
        await old.quiet()
        await old.answer(mine, "respond")
        assert await old.push() == {"type": "result", "id": 1000}
        assert all([(await asking)["success"] for asking in askings])


async def test_an_event_whose_time_is_up_is_withdrawn_from_afar(
    hub: str, brief: Cluster
) -> None:
    async with Spread(brief, hub) as scene:
        server = await scene.bare(0)
        await server.handle("event")
        ann = await scene.arrive(1, "ann")
        asking = ask(ann)
        event = await server.event("event")
        assert not (await asking)["success"]
        assert await server.push() == {"type": "cancel", "eventId": event["eventId"]}
        await server.answer(event, "respond", dataType="text", data="late")
        await server.quiet()
        asking = ask(ann)
        event = await server.event("event")
        await server.answer(event, "respond", dataType="text", data="in time")
        assert (await asking)["success"]
        assert await ann.data() == "in time"


# Listening and watching.


async def test_a_server_hears_what_is_published_at_every_gateway(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        server = scene.server(0)
        heard: asyncio.Queue[Message] = asyncio.Queue()
        overheard: asyncio.Queue[HubMessage] = asyncio.Queue()
        server.subscribe("room", heard.put)
        server.subscribe_all(overheard.put)
        async with server:
            trio = await scene.trio()
            for number, one in enumerate(trio):
                wish = {"type": "sendToGroup", "group": "room", "data": str(number)}
                await one.request(**wish, dataType="text", noEcho=True)
                await one.request(**{**wish, "group": "elsewhere"}, dataType="text")
                service = await scene.rest(number)
                kind = {"content_type": "text/plain"}
                await service.send_to_user("bob", f"user {number}", **kind)
                await service.send_to_connection(trio[0].id, f"one {number}", **kind)
                await service.send_to_all(f"all {number}", **kind)
                name = ("alice", "bob", "carol")[number]
                found = await asyncio.wait_for(heard.get(), SECONDS)
                assert found == Message(Text(str(number)), "room", name)
                expected = [
                    HubMessage(Text(str(number)), "room", name),
                    HubMessage(Text(str(number)), "elsewhere", name),
                    HubMessage(Text(f"user {number}"), to_user="bob"),
                    HubMessage(Text(f"one {number}"), to_connection=trio[0].id),
                    HubMessage(Text(f"all {number}")),
                ]
                found_all = [
                    await asyncio.wait_for(overheard.get(), SECONDS) for _ in expected
                ]
                assert found_all == expected
            await server.unsubscribe("room")
            await server.unsubscribe_all()
            for one in trio:
                wish = {"type": "sendToGroup", "group": "room", "data": "unheard"}
                assert (await one.request(**wish))["success"]
        assert heard.empty()
        assert overheard.empty()


async def test_a_server_sees_who_comes_and_goes_at_every_gateway(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        seen: asyncio.Queue[Presence] = asyncio.Queue()
        async with scene.server(0) as server:
            await server.watch(seen.put, groups=("g", "other.*"))
            for place in range(3):
                ann = await scene.arrive(place, "ann")
                for group in ("g", "unwatched", "other.one"):
                    await ann.request(type="joinGroup", group=group)
                await ann.socket.close()
                came = [await asyncio.wait_for(seen.get(), SECONDS) for _ in range(6)]
                assert [(one.kind, one.group) for one in came] == [
                    ("connected", None),
                    ("joined", "g"),
                    ("joined", "other.one"),
                    ("left", "g"),
                    ("left", "other.one"),
                    ("disconnected", None),
                ]
                who = {(one.connection_id, one.user_id) for one in came}
                assert who == {(ann.id, "ann")}
            await server.unwatch()
            await scene.arrive(1, "bob")
            assert await server.user("bob").exists()
        assert seen.empty()


# Wishes.


@pytest.mark.parametrize("at", range(3))
async def test_a_server_decides_what_clients_of_every_gateway_publish_and_join(
    cluster: Cluster, hub: str, at: int
) -> None:
    async with Spread(cluster, hub) as scene:
        server = await scene.bare(0)
        await server.handle("publish", "subscribe", pattern="room")
        trio = await scene.trio()
        for one in trio:
            asking = asyncio.create_task(one.request(type="joinGroup", group="room"))
            event = await server.event("subscribe")
            assert event["connectionId"] == one.id
            await server.answer(event, "allow", group="hall")
            assert (await asking)["success"]
        polite = {"dataType": "text", "data": "polite"}
        wisher = trio[at]
        for kind, fields, heard in (
            ("allow", {"group": "hall"}, "wish"),
            ("allow", {"group": "hall", **polite}, "polite"),
            ("deny", {"reason": "not today"}, None),
        ):
            wish = {"type": "sendToGroup", "group": "room", "dataType": "text"}
            asking = asyncio.create_task(wisher.request(**wish, data="wish"))
            event = await server.event("publish")
            assert (event["group"], event["data"]) == ("room", "wish")
            await server.answer(event, kind, **fields)
            ack = await asking
            assert ack["success"] == (heard is not None)
            if heard is None:
                error = {"name": "Forbidden", "message": "not today"}
                assert ack["error"] == error
            else:
                for one in trio:
                    assert await one.data() == heard
        await server.do(type="publish", data="fence")
        for one in trio:
            assert await one.data() == "fence"


async def test_an_interception_holds_everywhere_once_it_is_declared(
    cluster: Cluster, hub: str
) -> None:
    async with Spread(cluster, hub) as scene:
        trio = await scene.trio()
        wish = {"type": "sendToGroup", "group": "room", "data": 1}
        for _ in range(5):
            async with scene.server(0, supersede=True) as server:
                await server.handle_events("publish", lambda _: Deny("no"))
                for one in trio:
                    assert (await one.request(**wish))["error"]["name"] == "Forbidden"
                await server.drain()


# Gateways that end.


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two gateways whose servers have one second for an event."""
    path = tmp_path_factory.mktemp("brief") / "hubbub.toml"
    path.write_text("[default]\nserver_timeout = 1.0\n")
    with Cluster(2, "--config", str(path)) as gateways:
        yield gateways


@pytest.mark.parametrize("returns", [True, False], ids=["returns", "stays away"])
async def test_events_of_a_server_whose_gateway_is_killed_go_to_another_server(
    mortal: Cluster, hub: str, *, returns: bool
) -> None:
    async with Spread(mortal, hub) as scene:
        crowd = [await scene.arrive(2, f"user {number}") for number in range(10)]
        far, near = await scene.bare(0), await scene.bare(1)
        for server in (far, near):
            await server.handle("event")
        for number, one in enumerate(crowd):
            wish = {"type": "event", "event": "e", "data": number, "ackId": 1}
            await one.socket.send(json.dumps(wish))
        first = [await server.event("event") for server in (far, near)]
        assert all("attempt" not in event for event in first)
        mortal.kill(0)
        if returns:
            await aside(mortal.start, 0)
        await aside(mortal.await_log, 2, "is gone: ", 30)
        attempts = {first[1]["data"]: 1}
        await near.answer(first[1], "respond")
        while len(attempts) < len(crowd):
            event = await near.event("event")
            attempts[event["data"]] = event.get("attempt", 1)
            await near.answer(event, "respond")
        acks = [await one.push() for one in crowd]
        assert acks == [{"type": "ack", "ackId": 1, "success": True}] * 10
        assert attempts[first[0]["data"]] == 2
        assert set(attempts.values()) == {1, 2}


async def test_a_gateway_that_drains_lets_its_servers_events_be_answered(
    mortal: Cluster, hub: str
) -> None:
    async with Spread(mortal, hub) as scene:
        ann = await scene.arrive(2, "ann")
        server = await scene.bare(0)
        await server.handle("event")
        asking = ask(ann)
        event = await server.event("event")
        gateway = mortal[0]
        stopping = asyncio.create_task(aside(mortal.stop, 0))
        await aside(gateway.await_log, "draining")
        await server.answer(event, "respond", dataType="text", data="done")
        ack = await asking
        assert ack["success"], ack
        assert await ann.data() == "done"
        assert await stopping == 0


async def test_servers_elsewhere_hear_of_every_client_of_a_gateway_that_drains(
    mortal: Cluster, hub: str
) -> None:
    async with Spread(mortal, hub) as scene:
        server = await scene.bare(1)
        await server.handle("disconnected", window=2)
        crowd = [await scene.arrive(0, f"u{number}", "room") for number in range(20)]
        stopping = asyncio.create_task(aside(mortal.stop, 0))
        told = await server.acknowledge(*["disconnected"] * 20)
        assert {one["connectionId"] for one in told} == {one.id for one in crowd}
        assert {one["reason"] for one in told} == {"ServiceReload"}
        for one in crowd:
            assert (await one.push())["event"] == "disconnected"
            assert (await one.closed())[0] == 1001
        assert await stopping == 0
        assert not await (await scene.rest(2)).group_exists("room")
