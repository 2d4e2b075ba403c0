"""Servers that flood the gateway, or do not read, against a real process.

A healthy server and a healthy client of the same hub work on meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import cbor2
import pytest

from support.bare_server import CBOR, JSON, BareServer, RawServer, client
from support.gateway import GatewayProcess
from support.raw import metrics
from support.server_witness import ServerWitness
from support.wire import BINARY, NO_OP_MASK, TEXT, client_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUB = "floods"
CONFIG = """
[limits]
server_queue_messages = 5000
server_queue_bytes = 1048576
close_seconds = 1.0
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("floods") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(scope="module")
def witness(gateway: GatewayProcess) -> Iterator[ServerWitness]:
    with ServerWitness(gateway, HUB) as found:
        yield found


@pytest.fixture(autouse=True)
def undisturbed(gateway: GatewayProcess, witness: ServerWitness) -> Iterator[None]:
    yield
    witness.check()
    assert "Traceback" not in gateway.log


def _publish(**more: Any) -> dict[str, Any]:
    return {"type": "publish", "dataType": "text", "data": "x", **more}


def test_a_flood_of_publications_is_taken_in_order(
    gateway: GatewayProcess, witness: ServerWitness
) -> None:
    frame = json.dumps(_publish(group="nobody")).encode()
    flood = client_frame(TEXT, frame, mask=NO_OP_MASK) * 10_000
    with RawServer(gateway) as server:
        server.attach(HUB, JSON)
        for _ in range(10):
            server.send(flood)
            witness.check()
        server.send(client_frame(TEXT, b'{"type":"ping"}'))
        assert server.message() == {"type": "pong"}


@pytest.mark.parametrize("protocol", [JSON, CBOR])
@pytest.mark.parametrize(
    "frame",
    [
        _publish(group="nobody", id=1),
        {"type": "members", "group": "witnesses", "id": 1},
        {"type": "unheard", "id": 1},
    ],
    ids=str,
)
def test_a_flood_whose_answers_nobody_reads_ends_as_too_slow(
    gateway: GatewayProcess,
    witness: ServerWitness,
    protocol: str,
    frame: dict[str, Any],
) -> None:
    written = cbor2.dumps(frame) if protocol == CBOR else json.dumps(frame).encode()
    opcode = BINARY if protocol == CBOR else TEXT
    flood = client_frame(opcode, written, mask=NO_OP_MASK) * 10_000
    slow = metrics(gateway)["hubbub_slow_clients_total"]
    with RawServer(gateway, receive_buffer=4096) as server:
        server.attach(HUB, protocol)
        for _ in range(60):  # until the buffers of two systems are full
            server.send_if_possible(flood)
            witness.check()
            if metrics(gateway)["hubbub_slow_clients_total"] > slow:
                return
    pytest.fail("never too slow")


async def test_a_server_that_does_not_read_its_groups_ends_as_too_slow(
    gateway: GatewayProcess,
) -> None:
    async with client(gateway, HUB, "speaker", groups=["loud"]) as speaker:
        with RawServer(gateway, receive_buffer=4096) as server:
            server.attach(HUB, JSON)
            server.send(client_frame(TEXT, b'{"type":"subscribe","group":"loud"}'))
            content = {"type": "sendToGroup", "group": "loud", "noEcho": True}
            for _ in range(100):
                ack = await speaker.request(**content, data="x" * 200_000)
                assert ack["success"]
            assert await asyncio.to_thread(_is_cut, server)


def _is_cut(server: RawServer) -> bool:
    """Read all that was on its way, to the end."""
    server.read_to_end()
    return True


async def test_events_of_a_server_that_does_not_read_go_to_another(
    gateway: GatewayProcess,
) -> None:
    hub = "deaf"
    clients = [client(gateway, hub, f"u{number}") for number in range(60)]
    for one in clients:
        await one.__aenter__()
    with RawServer(gateway, receive_buffer=4096) as deaf:
        deaf.attach(hub, JSON)
        rules = {"type": "handle", "rules": [{"kind": "event"}], "id": 1}
        deaf.send(client_frame(TEXT, json.dumps(rules).encode()))
        assert deaf.message() == {"type": "result", "id": 1}
        async with BareServer(gateway, hub) as heir:
            event = {"type": "event", "event": "e", "data": "x" * 200_000}
            asking = [asyncio.create_task(one.request(**event)) for one in clients]
            await asyncio.to_thread(gateway.await_log, "unanswered")
            await heir.handle("event", window=8)  # or it is behind as well
            attempts = []
            for _ in clients:
                given = await heir.event("event")
                attempts.append(given.get("attempt", 1))
                await heir.answer(given, "respond")
            assert max(attempts) == 2
            assert all([(await one)["success"] for one in asking])
    for one in clients:
        await one.__aexit__(None, None, None)
