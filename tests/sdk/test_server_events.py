"""What handlers of a server are given, and what becomes of what they return."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import events
from hubbub.sdk import (
    Accept,
    Allow,
    Binary,
    ClosedError,
    Deny,
    Fail,
    Json,
    Protobuf,
    Reject,
    Respond,
    Text,
    WebPubSubServer,
)
from support.fake_gateway import SECONDS, FakeGateway, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = {"type": "fail", "reason": "The event handler failed."}
CLIENT = {
    "connectionId": "c1",
    "userId": "ann",
    "subprotocol": "json.webpubsub.azure.v1",
    "state": "s",
}
WHO = events.Client("chat", "c1", "ann", "json.webpubsub.azure.v1", "s")


def declare(server: WebPubSubServer, kind: str, handler: Callable[[Any], Any]) -> None:
    if kind in {"publish", "subscribe"}:
        server.handle_events(kind, handler)
    else:
        server.handle_event("ask" if kind == "event" else kind, handler)


async def answer(peer: Peer, number: int) -> dict[str, Any]:
    """Wait for the answer to an event; give it without its number."""
    async with asyncio.timeout(SECONDS):
        while True:
            frame = await peer.heard()
            if frame.get("eventId") == number:
                del frame["eventId"]
                return frame


GIVEN = [
    (
        "connect",
        {
            "query": {"a": ["1", "2"]},
            "headers": {"h": ["x"]},
            "claims": {"sub": ["ann"]},
            "subprotocols": ["p"],
            "clientCertificates": [{"thumbprint": "ab", "content": "pem"}],
        },
        events.Connect(
            WHO,
            1,
            {"a": ("1", "2")},
            {"h": ("x",)},
            {"sub": ("ann",)},
            ("p",),
            (events.Certificate("ab", "pem"),),
        ),
    ),
    ("connected", {}, events.Connected(WHO, 1)),
    ("disconnected", {"reason": "r"}, events.Disconnected(WHO, 1, "r")),
    ("joined", {"group": "g"}, events.Joined(WHO, 1, "g")),
    ("left", {"group": "g"}, events.Left(WHO, 1, "g")),
    ("subscribe", {"group": "g"}, events.Subscribe(WHO, 1, "g")),
    (
        "publish",
        {"group": "g", "dataType": "json", "data": [1], "metadata": {"k": "v"}},
        events.Publish(WHO, 1, "g", Json(b"[1]"), {"k": "v"}),
    ),
    (
        "event",
        {"event": "ask", "dataType": "text", "data": "?"},
        events.UserEvent(WHO, 1, "ask", Text("?")),
    ),
]


@pytest.mark.parametrize("protocol", ["cbor", "json"])
@pytest.mark.parametrize(("kind", "fields", "event"), GIVEN)
async def test_handlers_are_given_events(
    protocol: str, kind: str, fields: dict[str, Any], event: events.Event
) -> None:
    given: asyncio.Queue[events.Event] = asyncio.Queue()
    async with FakeGateway() as gateway:
        server = gateway.server(protocol=protocol)
        declare(server, kind, given.put)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, kind, **CLIENT, **fields)
            assert await asyncio.wait_for(given.get(), SECONDS) == event


@pytest.mark.parametrize("protocol", ["cbor", "json"])
@pytest.mark.parametrize(
    ("said", "payload"),
    [
        ({"dataType": "binary"}, Binary(b"\x00\xff")),
        ({"dataType": "protobuf"}, Protobuf(b"\x00\xff")),
    ],
)
async def test_bytes_come_and_go_in_both_protocols(
    protocol: str, said: dict[str, Any], payload: Binary | Protobuf
) -> None:
    data = "AP8=" if protocol == "json" else b"\x00\xff"
    async with FakeGateway() as gateway:
        server = gateway.server(protocol=protocol)
        server.handle_event("*", lambda event: Respond(event.payload))
        async with server:
            peer = await gateway.peer()
            await peer.event(1, **said, data=data)
            frame = await answer(peer, 1)
            assert frame == {"type": "respond", **said, "data": data}
            assert payload.data == b"\x00\xff"


ANSWERED: list[tuple[str, Any, dict[str, Any]]] = [
    ("connect", None, {"type": "accept"}),
    (
        "connect",
        Accept("bob", ("g",), ("r",), "p", "state"),
        {
            "type": "accept",
            "userId": "bob",
            "groups": ["g"],
            "roles": ["r"],
            "subprotocol": "p",
            "state": "state",
        },
    ),
    (
        "connect",
        Accept("", (), ()),
        {"type": "accept", "userId": "", "groups": [], "roles": []},
    ),
    ("connect", Reject(403, "no"), {"type": "reject", "status": 403, "reason": "no"}),
    ("event", None, {"type": "respond"}),
    ("event", "yes", {"type": "respond", "dataType": "text", "data": "yes"}),
    ("event", b"\x01", {"type": "respond", "dataType": "binary", "data": b"\x01"}),
    ("event", {"a": 1}, {"type": "respond", "dataType": "json", "data": '{"a":1}'}),
    (
        "event",
        Respond(Json(b"[1]"), "st", {"k": "v"}),
        {
            "type": "respond",
            "dataType": "json",
            "data": "[1]",
            "state": "st",
            "metadata": {"k": "v"},
        },
    ),
    ("event", Fail("why"), {"type": "fail", "reason": "why"}),
    ("publish", None, {"type": "allow"}),
    (
        "publish",
        Allow(Text("x"), {"k": "v"}, "other"),
        {
            "type": "allow",
            "dataType": "text",
            "data": "x",
            "metadata": {"k": "v"},
            "group": "other",
        },
    ),
    ("publish", Deny("no"), {"type": "deny", "reason": "no"}),
    ("subscribe", Allow(group="other"), {"type": "allow", "group": "other"}),
    ("connected", "anything", {"type": "done"}),
    # What does not answer the event fails it.
    ("connect", Respond(), {**FAILED, "type": "reject", "status": 500}),
    ("connect", Reject(200), {**FAILED, "type": "reject", "status": 500}),
    ("event", Accept(), FAILED),
    ("event", object(), FAILED),
    ("event", Respond(Text("\ud800")), FAILED),
    ("event", Respond(Text("x"), state="\n"), FAILED),
    ("publish", "text", FAILED),
    ("subscribe", True, FAILED),
]


@pytest.mark.parametrize("kind_of_function", ["async", "plain"])
@pytest.mark.parametrize(("kind", "result", "frame"), ANSWERED)
async def test_what_a_handler_returns_is_answered(
    kind_of_function: str, kind: str, result: Any, frame: dict[str, Any]
) -> None:
    async def later(_: object) -> Any:
        return result

    handler = later if kind_of_function == "async" else lambda _: result
    async with FakeGateway() as gateway:
        server = gateway.server()
        declare(server, kind, handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1, kind, group="g")
            assert await answer(peer, 1) == frame


@pytest.mark.parametrize("kind", ["connect", "event", "publish", "connected"])
async def test_an_exception_fails_its_event_alone_and_says_nothing(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(event: events.Event) -> None:
        if event.client.connection_id == "c1":
            raise ZeroDivisionError("the secret of the handler")

    def fails_in_a_thread(event: events.Event) -> None:
        if event.client.connection_id == "c1":
            raise SystemExit("the secret of the handler")

    def fails_to_take() -> None:
        raise AssertionError("called without an event")

    handlers: list[Callable[..., Any]] = [fails, fails_in_a_thread, fails_to_take]
    for handler in handlers:
        async with FakeGateway() as gateway:
            server = gateway.server()
            declare(server, kind, handler)
            async with server:
                peer = await gateway.peer()
                await peer.event(1, kind, group="g", connectionId="c1")
                frame = await answer(peer, 1)
                kinds = {"connect": "reject", "connected": "done"}
                assert frame["type"] == kinds.get(kind, "fail")
                assert "secret" not in str(frame)
                if handler is not fails_to_take:
                    await peer.event(2, kind, group="g", connectionId="c2")
                    fine = (await answer(peer, 2))["type"]
                    assert fine in {"accept", "respond", "allow", "done"}
    assert "connection c1" in caplog.text
    assert "?" not in "".join(record.getMessage() for record in caplog.records)


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


async def test_draining_waits_for_what_is_under_way() -> None:
    release, under_way = asyncio.Event(), asyncio.Event()

    async def handler(_: events.UserEvent) -> None:
        under_way.set()
        await release.wait()

    async with FakeGateway() as gateway:
        server = gateway.server(drain_timeout=SECONDS)
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1)
            await under_way.wait()
            draining = asyncio.create_task(server.drain())
            await peer.heard("drain")
            assert not draining.done()
            release.set()
            assert (await answer(peer, 1))["type"] == "respond"
            await draining
            with pytest.raises(ClosedError):
                server.handle_event("other", handler)
            peer.cut()
            again = await gateway.peer()
            await server.wait_attached(SECONDS)
            assert again.said.empty(), "a drained server declares no rules"


async def test_closing_does_not_wait_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stopped = asyncio.Event()

    async def handler(_: events.UserEvent) -> None:
        under_way.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    under_way = asyncio.Event()
    async with FakeGateway() as gateway:
        server = gateway.server(drain_timeout=0.05)
        server.handle_event("*", handler)
        async with server:
            peer = await gateway.peer()
            await peer.event(1)
            await under_way.wait()
        await asyncio.wait_for(stopped.wait(), SECONDS)
    assert "the server closes nevertheless" in caplog.text


async def test_the_answer_of_a_last_event_leaves_before_the_socket_closes() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()

        @server.handle_event("last")
        async def last(_: events.UserEvent) -> str:
            closing.set_result(asyncio.create_task(server.close()))
            return "bye"

        closing: asyncio.Future[asyncio.Task[None]] = asyncio.Future()
        await server.start()
        peer = await gateway.peer()
        await peer.event(1, event="last")
        assert (await answer(peer, 1))["data"] == "bye"
        await asyncio.wait_for(await closing, SECONDS)


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


async def test_an_interrupt_of_the_program_ends_a_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    async with FakeGateway() as gateway:

        async def serve() -> None:
            async with gateway.server() as server:
                attached.set()
                await server.wait()

        attached = asyncio.Event()
        task = asyncio.create_task(serve())
        peer = await gateway.peer()
        await attached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, SECONDS)
        await asyncio.wait_for(peer.socket.wait_closed(), SECONDS)
        assert peer.socket.close_code == 1000
    assert not caplog.records
