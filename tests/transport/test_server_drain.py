"""Servers that drain, and a gateway that ends, against real processes."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.bare_server import CBOR, JSON, BareServer, ask, client, fresh_hub
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_draining_server_gets_no_more_and_is_told_when_it_is_done(
    gateway: GatewayProcess,
) -> None:
    hub = fresh_hub("drain")
    async with (
        BareServer(gateway, hub) as leaving,
        BareServer(gateway, hub) as staying,
        client(gateway, hub, "alice") as alice,
        client(gateway, hub, "bob") as bob,
    ):
        await leaving.handle("event", window=1)
        asking = [ask(alice), ask(bob)]
        mine = await leaving.event("event")
        await staying.handle("event")
        await leaving.send(type="drain", id=100)
        moved = await staying.event("event")  # it waited for the window
        assert "attempt" not in moved
        await staying.answer(moved, "respond")
        await leaving.quiet()
        await leaving.send(type="drain", id=101)
        await leaving.quiet()
        await leaving.answer(mine, "respond")
        done = [await leaving.push() for _ in range(2)]
        assert {one["id"] for one in done} == {100, 101}
        assert [(await one)["success"] for one in asking] == [True, True]
        assert await leaving.do(type="drain") is None  # at once: it has nothing
        again = ask(alice)
        await staying.answer(await staying.event("event"), "respond")
        assert (await again)["success"]
        await leaving.quiet()


async def test_a_server_may_take_events_again_after_a_drain(
    gateway: GatewayProcess,
) -> None:
    hub = fresh_hub("drain")
    async with (
        BareServer(gateway, hub) as server,
        client(gateway, hub, "alice") as alice,
    ):
        await server.handle("event")
        asking = ask(alice)
        event = await server.event("event")
        await server.send(type="drain", id=100)
        await server.send(type="handle", rules=[{"kind": "event"}], id=101)
        done = [await server.push() for _ in range(2)]
        assert {one["id"] for one in done} == {100, 101}
        await server.answer(event, "respond")
        assert (await asking)["success"]
        again = ask(alice)
        await server.answer(await server.event("event"), "respond")
        assert (await again)["success"]


# The end of the gateway.


def start(tmp_path: Path) -> GatewayProcess:
    path = tmp_path / "hubbub.toml"
    path.write_text("drain_seconds = 2")
    return GatewayProcess("--config", str(path), "--log-level", "info")


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_servers_hear_of_every_client_before_the_gateway_ends(
    tmp_path: Path, protocol: str
) -> None:
    with start(tmp_path) as ending:
        async with (
            BareServer(ending, "chat", protocol) as server,
            BareServer(ending, "idle", protocol) as idle,
        ):
            await server.handle("disconnected", window=2)
            clients = [client(ending, "chat", f"u{number}") for number in range(5)]
            for one in clients:
                await one.__aenter__()
            ending.signal(signal.SIGTERM)
            told = await server.acknowledge(*["disconnected"] * 5)
            assert {one["userId"] for one in told} == {f"u{n}" for n in range(5)}
            assert {one["reason"] for one in told} == {"ServiceReload"}
            for attached in (server, idle):
                assert await attached.push() == {"type": "draining"}
                closing = await attached.closed()
                assert closing == (1001, "the gateway is shutting down")
            for one in clients:
                assert (await one.push())["event"] == "disconnected"
                assert (await one.closed())[0] == 1001
        status = await asyncio.to_thread(ending.process.wait, 15)
        assert status == 0
        assert "Traceback" not in ending.log


async def test_a_server_that_answers_nothing_does_not_keep_the_gateway(
    tmp_path: Path,
) -> None:
    with start(tmp_path) as ending:
        async with BareServer(ending, "chat") as silent:
            await silent.handle("disconnected", "event")
            async with client(ending, "chat") as alice:
                await alice.socket.send(
                    json.dumps({"type": "event", "event": "e", "data": 1})
                )
                await silent.event("event")
                ending.signal(signal.SIGTERM)
                assert (await alice.push())["event"] == "disconnected"
                assert (await alice.closed())[0] == 1001
            assert await silent.closed() == (1001, "the gateway is shutting down")
        assert await asyncio.to_thread(ending.process.wait, 15) == 0
        assert "Traceback" not in ending.log
