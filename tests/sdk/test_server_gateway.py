"""A server and a real gateway: what it hears, handles and survives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    Accept,
    AckError,
    Allow,
    Backoff,
    Binary,
    ClosedError,
    ConnectionLost,
    DeadlineError,
    HubMessage,
    Json,
    Message,
    Presence,
    ServerRefusedError,
    Text,
    WebPubSubClient,
    WebPubSubServer,
)
from support.fake_gateway import noticed
from support.gateway import GatewayProcess
from support.sdk_servers import (
    MEMBER,
    SECONDS,
    client,
    data,
    hubs,
    serve,
)

if TYPE_CHECKING:
    from hubbub.actors.messages import events


async def test_a_missing_role_is_a_refusal_and_not_the_end(
    gateway: GatewayProcess,
) -> None:
    server = WebPubSubServer(gateway.connection_string, next(hubs), "subscriber")
    async with server:
        with pytest.raises(AckError, match=r"Forbidden: .*publisher"):
            await server.publish("g", "x")
        with pytest.raises(AckError, match=r"Forbidden: .*manager"):
            await server.user("ann").exists()
        await server.subscribe("g", lambda _: None)
        assert server.attached


async def test_a_wrong_key_says_what_to_do(gateway: GatewayProcess) -> None:
    wrong = f"Endpoint={gateway.endpoint};AccessKey=wrong-wrong-wrong-wrong-wrong-wr;"
    with pytest.raises(ServerRefusedError, match=r"401.*access key"):
        await WebPubSubServer(wrong, "chat").start()
    elsewhere = gateway.connection_string.replace(";Access", "/base;Access", 1)
    with pytest.raises(ServerRefusedError) as caught:
        await WebPubSubServer(elsewhere, "chat").start()
    assert caught.value.status in {401, 404}


async def test_a_server_hears_groups_the_hub_and_presence(
    gateway: GatewayProcess,
) -> None:
    server = serve(gateway)
    heard: asyncio.Queue[Message] = asyncio.Queue()
    overheard: asyncio.Queue[HubMessage] = asyncio.Queue()
    seen: asyncio.Queue[Presence] = asyncio.Queue()
    server.subscribe("g", heard.put)
    server.subscribe_all(overheard.put)
    server.watch(seen.put, groups=("g", "other.*"))
    async with server:
        async with client(server, "ann") as ann:
            me = ann.connection_id
            for group in ("g", "unwatched", "other.one"):
                await ann.join(group)
            await ann.send_to_group("g", "to g", metadata={"k": "v"})
            await ann.send_to_group("unwatched", {"to": "unwatched"})
            await server.publish("g", "unheard", no_echo=True)
            await server.client(me).send(b"x")
            await server.user("ann").send("y")
            await server.send_to_all("z")
            assert await heard.get() == Message(Text("to g"), "g", "ann", {"k": "v"})
            expected = [
                HubMessage(Text("to g"), "g", "ann", {"k": "v"}),
                HubMessage(Json(b'{"to":"unwatched"}'), "unwatched", "ann"),
                HubMessage(Binary(b"x"), to_connection=me),
                HubMessage(Text("y"), to_user="ann"),
                HubMessage(Text("z")),
            ]
            assert [await overheard.get() for _ in expected] == expected
            await server.unsubscribe("g")
            await server.unsubscribe_all()
            await ann.send_to_group("g", "unheard")
        expected_presence = [
            ("connected", None),
            ("joined", "g"),
            ("joined", "other.one"),
            ("left", "g"),
            ("left", "other.one"),
            ("disconnected", None),
        ]
        came = [await asyncio.wait_for(seen.get(), SECONDS) for _ in range(6)]
        assert [(one.kind, one.group) for one in came] == expected_presence
        assert {(one.connection_id, one.user_id) for one in came} == {(me, "ann")}
        await server.unwatch()
        async with client(server, "bob"):
            pass
        assert await server.user("bob").exists() is False
    assert heard.empty()
    assert overheard.empty()
    assert seen.empty()


async def test_state_and_events_of_a_client(gateway: GatewayProcess) -> None:
    server = serve(gateway)
    told: list[str] = []
    gone = asyncio.Event()

    @server.handle_event("connect")
    async def connect(event: events.Connect) -> Accept:
        assert event.query["place"] == ("1",)
        return Accept(user_id="ann", groups=("lobby",), state="fresh")

    @server.handle_event("connected")
    async def connected(event: events.Connected) -> None:
        told.append(f"connected {event.client.user_id} {event.client.state}")

    @server.handle_event("joined", groups="l*")
    @server.handle_event("left", groups="l*")
    async def presence(event: events.Joined | events.Left) -> None:
        told.append(f"{type(event).__name__} {event.group}")

    @server.handle_event("disconnected")
    async def disconnected(event: events.Disconnected) -> None:
        told.append(f"disconnected {event.client.user_id}")
        gone.set()

    @server.handle_events("subscribe", groups="r*")
    async def subscribe(event: events.Subscribe) -> Allow:
        return Allow(group=f"{event.group}.2")

    async with server:
        url = f"{server.client_url(roles=MEMBER)}&place=1"
        async with WebPubSubClient(url) as ann:
            assert ann.user_id == "ann"
            await ann.join("red")
            await server.publish("red.2", "hello")
            assert await data(ann) == "hello"
        await asyncio.wait_for(gone.wait(), SECONDS)
    assert told[0] == "connected ann fresh" or told[0] == "Joined lobby"
    assert set(told) == {
        "connected ann fresh",
        "Joined lobby",
        "Left lobby",
        "disconnected ann",
    }


async def test_a_filter_chooses_the_handler(gateway: GatewayProcess) -> None:
    server = serve(gateway)
    server.handle_event("ask", lambda _: "ann's", filter="userId eq 'ann'")
    server.handle_event("ask", lambda _: "a member's", filter="userId ne null")
    server.handle_event("*", lambda _: "anybody's")
    answers = {"ann": "ann's", "bob": "a member's", None: "anybody's"}
    async with server:
        for user, answer in answers.items():
            async with client(server, user) as one:
                await one.send_event("ask", "?")
                assert await data(one) == answer


async def test_a_new_version_supersedes_what_the_old_one_took(
    gateway: GatewayProcess,
) -> None:
    hub = next(hubs)
    old = WebPubSubServer(gateway.connection_string, hub)
    old.handle_events("publish", lambda _: None)
    async with old:
        pass
    new = WebPubSubServer(gateway.connection_string, hub, supersede=True)
    async with new, client(new, "ann") as ann:
        await ann.join("g")
        await ann.send_to_group("g", "nobody decides on this any more")
        assert await data(ann) == "nobody decides on this any more"


async def test_a_restarted_gateway_is_found_again() -> None:
    heard: asyncio.Queue[Message] = asyncio.Queue()
    with GatewayProcess() as first:
        server = WebPubSubServer(
            first.connection_string, "chat", backoff=Backoff(first=0.05, most=0.2)
        )
        server.subscribe("g", heard.put)
        server.handle_event("ask", lambda _: "answer")
        await server.start()
        attached_as = server.server_id
        await asyncio.to_thread(first.stop)
    await noticed(server)
    port = ("--port", str(first.port))
    with await asyncio.to_thread(GatewayProcess, *port):
        await server.wait_attached(10)
        assert server.server_id != attached_as
        await server.publish("g", "still here")
        assert (await asyncio.wait_for(heard.get(), SECONDS)).data == "still here"
        async with client(server) as one:
            await one.send_event("ask", "?")
            assert await data(one) == "answer"
        await server.close()


async def test_every_publish_is_acknowledged_or_raises_while_the_gateway_dies() -> None:
    confirmed, failed = 0, 0
    with GatewayProcess() as gateway:
        server = WebPubSubServer(gateway.connection_string, "chat", timeout=1)
        await server.start()

        async def publish(number: int) -> bool:
            try:
                await server.publish("g", number)
            except (ConnectionLost, DeadlineError):
                return False
            return True

        before = await asyncio.gather(*map(publish, range(200)))
        tasks = [asyncio.create_task(publish(number)) for number in range(200, 400)]
        await asyncio.sleep(0)
        gateway.process.kill()
        after = await asyncio.wait_for(asyncio.gather(*tasks), 10)
        confirmed, failed = sum(before) + sum(after), 400 - sum(before) - sum(after)
    assert all(before)
    assert confirmed + failed == 400
    await server.close()
    with pytest.raises(ClosedError):
        await server.publish("g", "x")


async def test_what_cannot_be_is_refused_before_it_is_sent(
    gateway: GatewayProcess,
) -> None:
    async with serve(gateway) as server:
        for wrong in (
            server.publish("", "x"),
            server.publish("g", None),
            server.publish("g", "x", filter="userId eq"),
            server.publish("g", "x", ttl=301),
            server.publish("g", "x", metadata={"k": "\n"}),
            server.publish("g", "\ud800"),
            server.group("g").add(""),
            server.manager.add_connections_to_groups([]),
            server.client("c").grant("fly", "g"),
            server.user("u").join(" "),
        ):
            with pytest.raises(ValueError, match=r"."):
                await wrong
        for name in ("", "g" * 1025):
            with pytest.raises(ValueError, match="group"):
                server.subscribe(name, lambda _: None)
        with pytest.raises(TypeError, match="list"):
            await server.publish("g", "x", excluded="abc")
        with pytest.raises(TypeError, match="function"):
            server.handle_event("connect", "not a function")  # type: ignore[call-overload]
        await server.publish("g", "x")
