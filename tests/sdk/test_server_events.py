"""What handlers of a server are given, and what becomes of what they return."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.messages import events
from hubbub.sdk import (
    Accept,
    Allow,
    Binary,
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
