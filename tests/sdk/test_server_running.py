"""How a server runs its handlers: at the same time, in bounds, until it is drained."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from hubbub.sdk import (
    attempt,
)
from support.fake_gateway import SECONDS, FakeGateway, Peer

if TYPE_CHECKING:
    from hubbub.actors.messages import events


async def answer(peer: Peer, number: int) -> dict[str, Any]:
    """Wait for the answer to an event; give it without its number."""
    async with asyncio.timeout(SECONDS):
        while True:
            frame = await peer.heard()
            if frame.get("eventId") == number:
                del frame["eventId"]
                return frame


async def test_a_function_that_blocks_stops_nobody_else() -> None:
    release = threading.Event()
    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("slow", lambda _: release.wait(SECONDS) and "slow")
        server.handle_event("quick", lambda _: "quick")

        @server.handle_event("async")
        async def quicker(event: events.UserEvent) -> str:
            return event.event

        async with server:
            peer = await gateway.peer()
            for number, name in enumerate(("slow", "quick", "async")):
                await peer.event(number, event=name)
            others = [await peer.heard("respond"), await peer.heard("respond")]
            assert {frame["data"] for frame in others} == {"quick", "async"}
            release.set()
            assert (await peer.heard("respond"))["data"] == "slow"


async def test_a_handler_that_waits_keeps_nobody_waiting() -> None:
    begun: list[int] = []
    released = asyncio.Event()

    async def handler(event: events.UserEvent) -> None:
        begun.append(event.event_id)
        if event.event_id % 2:
            await released.wait()

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.burst(*range(10))
            answered = [(await peer.heard("respond"))["eventId"] for _ in range(5)]
            assert answered == [0, 2, 4, 6, 8]
            assert begun == list(range(10)), "events begin in their order"
            released.set()
            answered = [(await peer.heard("respond"))["eventId"] for _ in range(5)]
            assert sorted(answered) == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("kind_of_function", ["async", "plain"])
async def test_handlers_see_no_context_of_one_another(kind_of_function: str) -> None:
    who = contextvars.ContextVar("who", default="nobody")
    seen: list[str] = []

    def plain(event: events.UserEvent) -> None:
        seen.append(who.get())
        who.set(event.client.connection_id)

    async def handler(event: events.UserEvent) -> None:
        plain(event)

    async with FakeGateway() as gateway:
        server = gateway.server(threads=1)
        server.handle_event("*", plain if kind_of_function == "plain" else handler)
        async with server:
            peer = await gateway.peer()
            await peer.burst(*range(5))
            for _ in range(5):
                await peer.heard("respond")
    assert seen == ["nobody"] * 5


@pytest.mark.parametrize("kind_of_function", ["async", "plain"])
async def test_a_handler_can_tell_that_another_server_had_its_event(
    kind_of_function: str,
) -> None:
    def plain(_: events.UserEvent) -> str:
        return str(attempt())

    async def handler(event: events.UserEvent) -> str:
        return plain(event)

    async with FakeGateway() as gateway:
        server = gateway.server(threads=1)
        server.handle_event("*", plain if kind_of_function == "plain" else handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, attempt=2)
            await peer.event(2)
            answered = [(await peer.heard("respond"))["data"] for _ in range(2)]
            assert answered == ["2", "1"]


async def test_a_timeout_within_a_handler_hits_it_alone() -> None:
    async def handler(event: events.UserEvent) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(SECONDS if event.event == "slow" else 0)
        except TimeoutError:
            return "timed out"
        return "done"

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, event="slow")
            await peer.event(2, event="quick")
            assert (await answer(peer, 2))["data"] == "done"
            assert (await answer(peer, 1))["data"] == "timed out"


async def test_an_event_whose_time_is_up_is_cancelled() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def handler(event: events.UserEvent) -> None:
        if event.event == "wait":
            try:
                await asyncio.sleep(SECONDS)
            except asyncio.CancelledError:
                ended.put_nowait(event.client.connection_id)
                raise

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, event="wait")
            await peer.event(2, event="quick")
            await answer(peer, 2)
            await peer.say(type="cancel", eventId=1)
            await peer.say(type="cancel", eventId=99)  # nobody knows it
            assert await asyncio.wait_for(ended.get(), SECONDS) == "c1"
            await peer.event(3)
            assert (await answer(peer, 3))["type"] == "respond"


async def test_an_event_that_is_over_before_it_begins_leaves_nothing() -> None:
    async def handler(_: events.UserEvent) -> None:
        await asyncio.sleep(0.001)

    async with FakeGateway() as gateway:
        server = gateway.server(drain_timeout=SECONDS)
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.heard("handle")
            taken = server._runner.take

            def take_and_cancel(*arguments: Any) -> None:
                taken(*arguments)
                line, frame, _ = arguments
                if frame.event_id % 2:
                    server._runner._next_round()  # as if the one before it waited
                server._runner.cancel(line, frame.event_id)

            with mock.patch.object(server._runner, "take", take_and_cancel):
                await peer.burst(1, 2, 3, 4)
                await peer.event(5)
                asking = asyncio.create_task(server.user("u").exists())
                await peer.result(await peer.heard("exists"), value=True)
                assert await asking is True
            await server.drain()  # would wait for an event that is not over


async def test_an_event_id_that_is_given_twice_ends_the_connection() -> None:
    async def handler(_: events.UserEvent) -> None:
        await asyncio.sleep(SECONDS)

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.burst(1, 1)
            await gateway.peer()
            assert peer.socket.close_code == 1002


async def test_answers_of_a_lost_connection_are_not_for_the_next() -> None:
    release, under_way = asyncio.Event(), asyncio.Event()

    async def handler(event: events.UserEvent) -> str:
        if event.event == "first":
            under_way.set()
            await release.wait()
        return event.event

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", handler)
        async with server:
            first = await gateway.peer()
            await first.event(1, event="first")
            await under_way.wait()
            first.cut()
            second = await gateway.peer()
            await second.heard("handle")
            release.set()
            await second.event(1, event="second")
            frame = await second.heard()
            assert (frame["type"], frame["data"]) == ("respond", "second")


async def test_a_gateway_that_floods_is_told_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = asyncio.Event()

    async def handler(_: events.UserEvent) -> None:
        await release.wait()

    async with FakeGateway() as gateway:
        server = gateway.server(window=5)
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            assert (await peer.heard("handle"))["window"] == 5
            for number in range(20):
                await peer.event(number)
            for number in range(10, 20):
                frame = await peer.heard()
                assert (frame["type"], frame["eventId"]) == ("fail", number)
            release.set()
            for _ in range(10):
                assert (await peer.heard())["type"] == "respond"
    assert "10 are under way" in caplog.text


async def test_an_event_that_nobody_handles_any_more_fails() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("known", lambda _: None)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, event="unknown")
            assert (await answer(peer, 1))["type"] == "fail"


async def test_a_coroutine_from_a_plain_function_is_awaited() -> None:
    async def later() -> str:
        return "later"

    async with FakeGateway() as gateway:
        server = gateway.server()
        server.handle_event("*", lambda _: later())
        async with server:
            peer = await gateway.peer()
            await peer.event(1)
            assert (await answer(peer, 1))["data"] == "later"


async def test_threads_are_bounded() -> None:
    names: set[str] = set()
    barrier = threading.Semaphore(0)

    def handler(_: events.UserEvent) -> None:
        names.add(threading.current_thread().name)
        barrier.acquire(timeout=SECONDS)

    async with FakeGateway() as gateway:
        server = gateway.server(threads=3)
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            for number in range(12):
                await peer.event(number)
            barrier.release(12)
            for _ in range(12):
                await peer.heard("respond")
    assert len(names) <= 3
