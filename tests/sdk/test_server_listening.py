"""What a server hears: in order, one by one, and never more than it can hold."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import AckError, HubMessage, Message, Presence, Text, WebPubSubServer
from support.fake_gateway import SECONDS, FakeGateway, Peer

if TYPE_CHECKING:
    from collections.abc import Callable


async def publish(peer: Peer, *texts: str, **where: Any) -> None:
    for text in texts:
        await peer.say(type="message", dataType="text", data=text, **where)


@pytest.mark.parametrize("kind", ["async", "plain", "plain for async"])
async def test_messages_come_one_by_one_in_their_order(kind: str) -> None:
    heard: list[str] = []
    under_way = 0
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def plain(message: Message) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        heard.append(message.data)
        under_way -= 1
        if message.data == "last":
            loop.call_soon_threadsafe(done.set)

    async def later(message: Message) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0 if len(heard) % 2 else 0.001)
        under_way -= 1
        plain(message)

    functions: dict[str, Callable[[Message], Any]] = {
        "async": later,
        "plain": plain,
        "plain for async": lambda message: later(message),  # noqa: PLW0108 - its kind
    }
    texts = [str(number) for number in range(200)]
    async with FakeGateway() as gateway, gateway.server() as server:
        server.subscribe("g", functions[kind])
        peer = await gateway.peer()
        await publish(peer, *texts, "last", group="g")
        await asyncio.wait_for(done.wait(), SECONDS)
    assert heard == [*texts, "last"]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_an_exception_loses_one_message(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def plain(message: Message) -> None:
        if message.data == "poison":
            raise ZeroDivisionError
        loop.call_soon_threadsafe(heard.put_nowait, message.data)

    async def later(message: Message) -> None:
        plain(message)

    async with FakeGateway() as gateway, gateway.server() as server:
        server.subscribe("g", plain if kind == "plain" else later)
        peer = await gateway.peer()
        await publish(peer, "poison", "fine", group="g")
        assert await asyncio.wait_for(heard.get(), SECONDS) == "fine"
    (record,) = [r for r in caplog.records if "failed at a message" in r.message]
    assert "poison" not in record.getMessage()


async def test_a_slow_function_loses_the_oldest_and_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    release, done = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(message: Message) -> None:
        release.wait(SECONDS)
        heard.append(message.data)
        if message.data == "99":
            loop.call_soon_threadsafe(done.set)

    async with FakeGateway() as gateway, gateway.server(inbox=10) as server:
        server.subscribe("g", slow)
        server.handle_event("sync", lambda _: None)
        peer = await gateway.peer()
        await publish(peer, *map(str, range(100)), group="g")
        await peer.event(1, event="sync")
        await peer.heard("respond")
        lost = server.lost
        release.set()
        await asyncio.wait_for(done.wait(), SECONDS)
        assert lost > 0
        assert len(heard) == 100 - lost
        assert heard[-10:] == [str(number) for number in range(90, 100)]
        await server.unsubscribe("g")
        assert server.lost == lost
    assert "slow is too slow" in caplog.text


async def test_large_messages_count_by_their_size() -> None:
    release = asyncio.Event()

    async def slow(_: Message) -> None:
        await release.wait()

    async with FakeGateway() as gateway, gateway.server() as server:
        server.subscribe("g", slow)
        server.handle_event("sync", lambda _: None)
        peer = await gateway.peer()
        big = "x" * (1 << 20)
        await publish(peer, *[big] * 30, group="g")
        await peer.event(1, event="sync")
        await peer.heard("respond")
        assert 10 <= server.lost <= 14
        release.set()


async def test_several_functions_hear_the_same_group() -> None:
    first: asyncio.Queue[Message] = asyncio.Queue()
    second: asyncio.Queue[Message] = asyncio.Queue()
    async with FakeGateway() as gateway, gateway.server() as server:
        await server.subscribe("g", first.put)
        await server.subscribe("g", second.put)
        peer = await gateway.peer()
        assert (await peer.heard())["type"] == "subscribe"
        await publish(peer, "both", group="g")
        assert (await asyncio.wait_for(first.get(), SECONDS)).data == "both"
        assert (await asyncio.wait_for(second.get(), SECONDS)).data == "both"
        await server.unsubscribe("g", first.put)
        assert peer.said.empty(), "one function still listens"
        await publish(peer, "one", group="g")
        assert (await asyncio.wait_for(second.get(), SECONDS)).data == "one"
        await server.unsubscribe("g")
        assert (await peer.heard())["type"] == "unsubscribe"
        await server.unsubscribe("g")
        assert peer.said.empty(), "nobody listened any more"
        assert first.empty()


async def test_a_function_may_unsubscribe_itself() -> None:
    done: asyncio.Queue[str] = asyncio.Queue()
    async with FakeGateway() as gateway, gateway.server() as server:

        async def once(message: Message) -> None:
            await server.unsubscribe("g")
            await server.unwatch()
            done.put_nowait(message.data)

        await server.subscribe("g", once)
        await server.watch(once)
        peer = await gateway.peer()
        await publish(peer, "1", "2", group="g")
        assert await asyncio.wait_for(done.get(), SECONDS) == "1"
        assert (await peer.heard("unsubscribe"))["group"] == "g"
    assert done.empty()


async def test_a_group_and_the_hub_are_told_apart() -> None:
    of_group: asyncio.Queue[Message] = asyncio.Queue()
    of_hub: asyncio.Queue[Message] = asyncio.Queue()
    async with FakeGateway() as gateway, gateway.server() as server:
        await server.subscribe("g", of_group.put)
        await server.subscribe_all(of_hub.put)
        peer = await gateway.peer()
        await publish(peer, "1", group="g", fromUserId="ann")
        await publish(peer, "2", group="g", scope="hub")
        await publish(peer, "3", userId="u", scope="hub", metadata={"k": "v"})
        assert await of_group.get() == Message(Text("1"), "g", "ann")
        assert await of_hub.get() == HubMessage(Text("2"), "g")
        third = HubMessage(Text("3"), None, None, {"k": "v"}, to_user="u")
        assert await of_hub.get() == third
        assert of_group.empty()


async def test_a_watcher_replaces_the_one_before() -> None:
    first: asyncio.Queue[Presence] = asyncio.Queue()
    second: asyncio.Queue[Presence] = asyncio.Queue()
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        await server.watch(first.put)
        await server.watch(second.put, groups=())
        await peer.say(type="presence", kind="connected", connectionId="c")
        assert await asyncio.wait_for(second.get(), SECONDS) == Presence(
            "connected", "c"
        )
        assert first.empty()
        asked = [await peer.heard("watch") for _ in range(2)]
        assert [frame["groups"] for frame in asked] == [["*"], []]
        await server.unwatch()
        frame = await peer.heard("watch")
        assert not frame.get("connections")
        with pytest.raises(ValueError, match="100"):
            server.watch(first.put, groups=["g"] * 101)


async def test_messages_see_no_context_of_one_another() -> None:
    who = contextvars.ContextVar("who", default="nobody")
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: Message) -> None:
        seen.put_nowait(who.get())
        who.set(message.data)

    async with FakeGateway() as gateway, gateway.server() as server:
        server.subscribe("g", hear)
        peer = await gateway.peer()
        await publish(peer, *"abcde", group="g")
        got = [await asyncio.wait_for(seen.get(), SECONDS) for _ in range(5)]
    assert got == ["nobody"] * 5


async def test_what_is_declared_before_connecting_is_in_force_afterwards() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()
        before = server.subscribe("a", lambda _: None)
        replaced = server.subscribe("b", lambda _: None)
        gone = server.unsubscribe("b")
        async with server:
            for declared in (before, replaced, gone):
                await declared
            peer = await gateway.peer()
            assert (await peer.heard())["group"] == "a"
            assert peer.said.empty()


async def test_what_is_taken_back_while_away_is_not_declared_again() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        first = await gateway.peer()
        first.obliging = False
        kept = server.subscribe("kept", lambda _: None)
        dropped = server.subscribe("dropped", lambda _: None)
        await first.heard("subscribe")
        first.cut()
        taken_back = server.unsubscribe("dropped")
        second = await gateway.peer()
        for declared in (kept, dropped, taken_back):
            await declared
        assert (await second.heard())["group"] == "kept"
        assert second.said.empty()


async def test_a_refused_subscription_is_forgotten() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        peer.obliging = False
        declared = server.subscribe("g", lambda _: None)
        frame = await peer.heard("subscribe")
        await peer.say(type="error", id=frame["id"], name="Forbidden", message="no")
        with pytest.raises(AckError, match="Forbidden"):
            await declared
        peer.cut()
        again = await gateway.peer()
        await server.wait_attached(SECONDS)
        assert again.said.empty()


def test_a_server_is_made_and_told_without_a_loop() -> None:
    place = "Endpoint=http://127.0.0.1:1;AccessKey=0123456789-0123456789-0123456789;"
    server = WebPubSubServer(place, "chat")
    server.subscribe("g", print)

    @server.handle_event("connect")
    async def connect(_: object) -> None: ...

    assert not server.attached
    assert "new" in repr(server)
    assert server.client_url(user_id="ann").startswith("ws://127.0.0.1:1/client/")
