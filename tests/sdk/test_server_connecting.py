"""How a server comes to a connection, the first and the next."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from http import HTTPStatus

import jwt
import pytest

from hubbub.sdk import (
    ClosedError,
    ConnectError,
    ConnectionLost,
    DeadlineError,
    ProtocolError,
    ServerRefusedError,
    TooManyCallsError,
    WebPubSubServer,
)
from hubbub.sdk.server.link import MOST_CALLS
from support.fake_gateway import KEY, SECONDS, SOON, FakeGateway, noticed

ADVICE = {401: "access key", 403: "roles", 404: "hub"}


@pytest.mark.parametrize("status", ADVICE)
async def test_a_refusal_says_what_to_look_at(status: int) -> None:
    async with FakeGateway(status=HTTPStatus(status)) as gateway:
        server = gateway.server()
        with pytest.raises(ServerRefusedError, match=ADVICE[status]) as caught:
            await server.start()
        assert caught.value.status == status
        assert gateway.attempts == 1
        text = "".join(traceback.format_exception(caught.value))
        assert KEY not in text
        assert "Bearer" not in text


async def test_a_gateway_that_fails_is_asked_again_at_first() -> None:
    async with FakeGateway(status=HTTPStatus.SERVICE_UNAVAILABLE) as gateway:
        server = gateway.server()
        starting = asyncio.create_task(server.start())
        await gateway.attempted(2)
        gateway.status = None
        await asyncio.wait_for(starting, SECONDS)
        await server.close()


async def test_nobody_there_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = WebPubSubServer(
        f"Endpoint=http://127.0.0.1:{port};AccessKey={KEY};",
        "chat",
        connect_timeout=0.1,
        backoff=SOON,
    )
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port}"):
        await server.start()
    with pytest.raises(ClosedError):
        await server.publish("group", "x")


async def test_a_gateway_without_a_welcome_is_an_error_in_time() -> None:
    async with FakeGateway(welcoming=False) as gateway:
        with pytest.raises(DeadlineError, match="a connection"):
            await gateway.server(connect_timeout=0.1).start()


async def test_a_gateway_that_refuses_declarations_is_an_error() -> None:
    async with FakeGateway(obliging=False) as gateway:
        server = gateway.server(connect_timeout=0.2)
        server.handle_event("connect", lambda _: None)
        starting = asyncio.create_task(server.start())
        peer = await gateway.peer()
        frame = await peer.heard("handle")
        gateway.obliging = True
        await peer.say(
            type="error", id=frame["id"], name="Conflict", message="too many rules"
        )
        await starting  # the second time it did not
        await server.close()


@pytest.mark.parametrize("protocol", ["cbor", "json"])
async def test_the_token_is_in_a_header_and_says_who_we_are(protocol: str) -> None:
    async with FakeGateway() as gateway:
        async with gateway.server("manager+publisher", protocol=protocol):
            peer = await gateway.peer()
        assert peer.path == "/server/hubs/chat"
        assert peer.socket.subprotocol == f"{protocol}.server.hubbub.v1"
        scheme, token = peer.headers["Authorization"].split()
        assert scheme == "Bearer"
        audience = f"http://127.0.0.1:{gateway.port}/server/hubs/chat"
        claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=audience)
        assert claims["role"] == ["manager", "publisher"]


async def test_a_place_that_speaks_something_else_is_an_error() -> None:
    async with FakeGateway(speaks=()) as gateway:
        server = gateway.server(connect_timeout=0.1)
        with pytest.raises(ProtocolError, match=r"does not speak cbor\.server"):
            await server.start()


async def test_what_was_declared_is_declared_again_before_anything_else() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        first = await gateway.peer()
        await server.subscribe("group", lambda _: None)
        await server.subscribe_all(lambda _: None)
        await server.handle_event("order.*", lambda _: None, filter="event ne 'x'")
        await server.watch(lambda _: None, connections=False, groups=("a*",))
        await server.subscribe("gone", lambda _: None)
        await server.unsubscribe("gone")
        gateway.obliging = False
        first.cut()
        second = await gateway.peer()
        publishing = asyncio.create_task(server.publish("group", "x"))
        frames = [await second.heard() for _ in range(4)]
        for frame in frames:
            assert not server.attached
            await second.result(frame)
        kept = [{k: v for k, v in frame.items() if k != "id"} for frame in frames]
        rule = {"kind": "event", "pattern": "order.*", "filter": "event ne 'x'"}
        assert kept == [
            {"type": "subscribe", "group": "group"},
            {"type": "subscribe"},
            {
                "type": "handle",
                "rules": [rule],
                "window": 1000,
                "supersede": False,
            },
            {"type": "watch", "connections": False, "groups": ["a*"]},
        ]
        await second.result(await second.heard("publish"))
        await publishing
        assert server.attached


async def test_a_publish_under_way_raises_when_the_connection_is_lost() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        first = await gateway.peer()
        publishing = asyncio.create_task(server.publish("group", "once"))
        await first.heard("publish")
        first.cut()
        with pytest.raises(ConnectionLost):
            await publishing
        second = await gateway.peer()
        again = asyncio.create_task(server.publish("group", "twice"))
        frame = await second.heard("publish")
        assert second.data(frame) == "twice"  # and not the one that was lost
        await second.result(frame)
        await again


async def test_a_call_waits_for_a_connection_but_not_for_ever() -> None:
    gateway = FakeGateway()
    async with gateway, gateway.server(timeout=0.2) as server:
        gateway.status = HTTPStatus.SERVICE_UNAVAILABLE
        (await gateway.peer()).cut()
        await noticed(server)
        with pytest.raises(DeadlineError, match="a connection"):
            await server.publish("group", "x")
        gateway.status = None
        publishing = asyncio.create_task(server.publish("group", "x", timeout=SECONDS))
        peer = await gateway.peer()
        await peer.result(await peer.heard("publish"))
        await publishing


async def test_calls_that_wait_are_bounded() -> None:
    async with FakeGateway() as gateway, gateway.server(timeout=SECONDS) as server:
        await gateway.peer()
        waiting = [
            asyncio.create_task(server.publish("group", "x")) for _ in range(MOST_CALLS)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyCallsError):
            await server.publish("group", "one too many")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_refusal_on_the_way_back_is_not_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        gateway.status = HTTPStatus.UNAUTHORIZED
        before = gateway.attempts
        peer.cut()
        await gateway.attempted(before + 3)
        gateway.status = None
        await server.wait_attached(SECONDS)
    assert "check the access key" in caplog.text
    assert KEY not in caplog.text


async def test_a_draining_gateway_is_left_and_another_found() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        first = await gateway.peer()
        await first.say(type="draining")
        await first.socket.close(1001, "the gateway is shutting down")
        second = await gateway.peer()
        await server.wait_attached(SECONDS)
        asking = asyncio.create_task(server.user("ann").exists())
        await second.result(await second.heard("exists"), value=True)
        assert await asking is True


async def test_closing_while_there_is_no_connection_is_quick() -> None:
    async with FakeGateway() as gateway:
        server = gateway.server()
        await server.start()
        gateway.status = HTTPStatus.SERVICE_UNAVAILABLE
        (await gateway.peer()).cut()
        await noticed(server)
        waiting = asyncio.create_task(server.publish("group", "x"))
        await asyncio.sleep(0)
        await asyncio.wait_for(server.close(), SECONDS)
        with pytest.raises(ClosedError):
            await waiting
        await server.close()
        await server.wait()


async def test_a_server_starts_once() -> None:
    async with FakeGateway() as gateway, gateway.server() as server:
        with pytest.raises(RuntimeError, match="once"):
            await server.start()


async def test_secrets_are_in_no_log_and_no_repr(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with FakeGateway() as gateway, gateway.server() as server:
        peer = await gateway.peer()
        token = peer.headers["Authorization"].split()[1]
        parts = [server, server._link, server._link._dialer, server.manager]
        said = caplog.text.replace("\n", "") + repr(parts)
        # what the fake gateway's own library logs is not ours
        ours = [r for r in caplog.records if not r.name.startswith("websockets")]
        said = "".join(record.getMessage() for record in ours) + repr(parts)
        assert token not in said
        assert KEY not in said


async def test_closing_a_server_that_is_about_to_connect_stops_it() -> None:
    async with FakeGateway(welcoming=False) as gateway:
        server = gateway.server()
        starting = asyncio.create_task(server.start())
        peer = await gateway.peer()
        await server.close()
        with pytest.raises(ClosedError):
            await asyncio.wait_for(starting, SECONDS)
        assert not server.attached
        await asyncio.wait_for(peer.socket.wait_closed(), SECONDS)
