"""Events that attached servers declare and answer, against a real process."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from support.bare_server import CBOR, JSON, BareServer, client, data, fresh_hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.gateway import GatewayProcess
    from support.official import Bystander

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])


@asynccontextmanager
async def entering(
    server: BareServer, comes: Bystander, kind: str = "accept", **fields: Any
) -> AsyncIterator[dict[str, Any]]:
    """Let a client come while the server answers its ``connect``; gives the event."""

    async def answer() -> dict[str, Any]:
        event = await server.event("connect")
        await server.answer(event, kind, **fields)
        return event

    answering = asyncio.create_task(answer())
    try:
        async with comes:
            yield await answering
    finally:
        answering.cancel()


# connect, connected, disconnected.


async def test_connect_tells_all_about_the_handshake(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("handshake")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("connect")
        comes = client(gateway, hub, "älice", groups=["g"], query="&q=1&q=%C3%BC&e=")
        async with entering(server, comes) as event:
            assert event["userId"] == "älice"
            assert event["connectionId"] == comes.id
            assert event["eventId"] == 1
            query = {name: event["query"][name] for name in ("q", "e")}
            assert query == {"q": ["1", "ü"], "e": [""]}
            assert "access_token" not in event["query"]
            assert event["claims"]["webpubsub.group"] == ["g"]
            assert event["headers"]["Host"] == [f"{gateway.host}:{gateway.port}"]
            assert event["subprotocols"] == ["json.webpubsub.azure.v1"]
            assert event["clientCertificates"] == []
            assert "attempt" not in event


async def test_an_acceptance_decides_user_groups_roles_and_state(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("accept")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("connect", "connected", "event", "disconnected")
        comes = client(gateway, hub, "alice", groups=["token"], roles=())
        answer: dict[str, Any] = {
            "userId": "anna",
            "groups": ["lobby"],
            "roles": ["webpubsub.sendToGroup.lobby"],
            "state": "level=3",
        }
        async with entering(server, comes, **answer):
            assert comes.connected["userId"] == "anna"
            (connected,) = await server.acknowledge("connected")
            assert connected["state"] == "level=3"
            assert connected["userId"] == "anna"
            assert connected["subprotocol"] == "json.webpubsub.azure.v1"
            assert await server.do(type="exists", group="lobby") is True
            assert await server.do(type="exists", group="token") is False
            sent = {"type": "sendToGroup", "data": 1}
            assert (await comes.request(**sent, group="lobby"))["success"]
            assert not (await comes.request(**sent, group="token"))["success"]
        (gone,) = await server.acknowledge("disconnected")
        assert gone["state"] == "level=3"
        assert gone["reason"]


async def test_a_rejection_gives_the_client_its_status_and_reason(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("reject")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("connect")
        with pytest.raises(InvalidStatus) as refused:
            async with entering(
                server, client(gateway, hub), "reject", status=418, reason="a\r\nb: ü"
            ):
                pytest.fail("let in")
        assert refused.value.response.status_code == 418
        assert refused.value.response.body == "a\r\nb: ü\n".encode()
        assert "b" not in refused.value.response.headers


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("connected", {}),
        ("respond", {}),
        ("allow", {}),
        ("deny", {}),
        ("done", {}),
        ("fail", {"reason": "no"}),
        ("reject", {"status": 200}),
        ("reject", {"status": 10**9}),
        ("accept", {"groups": [""]}),
        ("accept", {"groups": ["ok", "x" * 1025]}),
        ("accept", {"state": "ü"}),
        ("accept", {"state": "x" * 8193}),
        ("accept", {"userId": 7}),
        ("accept", {"roles": "all"}),
        ("accept", {"subprotocol": "nobody.offered.this"}),
    ],
    ids=str,
)
async def test_an_answer_that_does_not_fit_keeps_the_client_out(
    gateway: GatewayProcess, protocol: str, kind: str, fields: dict[str, Any]
) -> None:
    hub = fresh_hub("misfit")
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("connect")
        with pytest.raises(InvalidStatus) as refused:
            async with entering(server, client(gateway, hub), kind, **fields):
                pytest.fail("let in")
        assert refused.value.response.status_code == 500
        for word in await server.errors():
            assert word == "BadRequest"
        async with entering(server, client(gateway, hub)):
            pass  # the server is still asked


# User events.


async def test_a_response_comes_before_the_ack_with_data_of_any_type(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub, raw = fresh_hub("respond"), b"\x00\xff"
    said = raw if protocol == CBOR else base64.b64encode(raw).decode()
    cases = [
        ("text", "é", "é"),
        ("json", data(protocol, {"n": 1}), {"n": 1}),
        ("binary", said, raw),
        ("protobuf", said, raw),
    ]
    async with BareServer(gateway, hub, protocol) as server:
        await server.handle("event", pattern="order.*, PING")
        async with client(gateway, hub, "alice") as alice:
            for number, (kind, value, expected) in enumerate(cases, 1):
                content: dict[str, Any] = {"data": base64.b64encode(raw).decode()}
                if kind in {"text", "json"}:
                    content = {"data": expected}
                asking = asyncio.create_task(
                    alice.request(
                        type="event", event="order.new", dataType=kind, **content
                    )
                )
                event = await server.event("event")
                assert (event["event"], event["dataType"]) == ("order.new", kind)
                assert event["data"] == value
                await server.answer(
                    event,
                    "respond",
                    dataType=kind,
                    data=value,
                    metadata={"n": str(number)},
                    state=f"s{number}",
                )
                assert await asking == {"type": "ack", "ackId": number, "success": True}
                push = await alice.push()
                assert push["metadata"] == {"n": str(number)}
                assert push["from"] == "server"
                assert event.get("state") == (f"s{number - 1}" if number > 1 else None)
                got = push["data"]
                if isinstance(expected, bytes):
                    got = base64.b64decode(got, validate=True)
                assert got == expected
            refused = await alice.request(type="event", event="order.a.b", data=1)
            assert refused["error"]["name"] == "InternalServerError"
            asking = asyncio.create_task(
                alice.request(type="event", event="ping", data=1)
            )
            await server.answer(await server.event("event"), "respond")
            assert (await asking)["success"]


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("fail", {"reason": "sold out"}, "sold out"),
        ("accept", {}, "The event handler failed."),
        ("done", {}, "The event handler failed."),
        ("allow", {}, "The event handler failed."),
        ("respond", {"state": "ü"}, "The event handler failed."),
        ("respond", {"dataType": "color", "data": "x"}, "The event handler failed."),
        ("respond", {"dataType": "text", "data": 7}, "The event handler failed."),
        ("respond", {"metadata": {"": "x"}}, "The event handler failed."),
        ("respond", {"metadata": {"a": 1}}, "The event handler failed."),
        ("nonsense", {}, "The event handler failed."),
    ],
    ids=str,
)
async def test_an_event_fails_at_once_by_an_answer_that_is_none(
    gateway: GatewayProcess,
    protocol: str,
    kind: str,
    fields: dict[str, Any],
    reason: str,
) -> None:
    hub = fresh_hub("fail")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub) as alice,
        client(gateway, hub, simple=True) as simple,
    ):
        await server.handle("event")
        asking = asyncio.create_task(alice.request(type="event", event="e", data=1))
        await server.answer(await server.event("event"), kind, **fields)
        error = {"name": "InternalServerError", "message": reason}
        assert (await asking)["error"] == error
        assert set(await server.errors()) <= {"BadRequest"}
        await simple.socket.send("hello")
        event = await server.event("event")
        assert (event["event"], event["dataType"], event["data"]) == (
            "message",
            "text",
            "hello",
        )
        await server.answer(event, kind, **fields)
        assert await simple.closed() == (1011, "the event handler failed")


async def test_answers_to_what_was_never_asked_change_nothing(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("unknown")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub) as alice,
    ):
        await server.handle("event")
        for number in (0, 1, 999, 2**53 - 1):
            await server.send(type="respond", eventId=number)
        asking = asyncio.create_task(alice.request(type="event", event="e", data=1))
        event = await server.event("event")
        await server.answer(event, "respond", dataType="text", data="first")
        await server.answer(event, "respond", dataType="text", data="second")
        await server.answer(event, "fail")
        assert (await asking)["success"]
        assert await alice.data() == "first"
        assert (await alice.request(type="joinGroup", group="g"))["success"]
        await server.quiet()
