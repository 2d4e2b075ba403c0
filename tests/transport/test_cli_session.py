"""A terminal client's connection against servers that behave strangely."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from hubbub.transport.cli_output import FailedError
from hubbub.transport.cli_session import SUBPROTOCOL, connected


async def _strange_server(handler: Any) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/client/hubs/chat", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0]
    return f"ws://{host}:{port}/client/hubs/chat"


async def test_a_server_of_another_subprotocol_is_refused() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket

    runner = await _strange_server(handler)
    with pytest.raises(FailedError, match="this server does not speak"):
        async with connected(_address(runner)):
            pass
    await runner.cleanup()


async def test_a_request_fails_when_the_connection_ends_before_its_ack() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        await socket.receive()
        await socket.close(code=1011)
        return socket

    runner = await _strange_server(handler)
    async with connected(_address(runner)) as session:
        with pytest.raises(FailedError, match="close code 1011"):
            await session.request(type="joinGroup", group="g")
        with pytest.raises(FailedError, match="close code 1011"):
            await session.request(type="joinGroup", group="g")
        assert [message async for message in session.messages()] == []
    await runner.cleanup()


async def test_a_duplicate_ack_counts_as_done_and_a_stranger_to_no_request() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        number = (await socket.receive_json())["ackId"]
        await socket.send_json({"type": "ack", "ackId": 99, "success": True})
        error = {"name": "Duplicate", "message": "again"}
        await socket.send_json(
            {"type": "ack", "ackId": number, "success": False, "error": error}
        )
        await socket.receive()
        return socket

    runner = await _strange_server(handler)
    async with connected(_address(runner)) as session:
        await session.request(type="joinGroup", group="g")
    await runner.cleanup()
