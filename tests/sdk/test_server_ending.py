"""How a server ends: nothing under way is lost, and nothing holds it for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import ClosedError
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
