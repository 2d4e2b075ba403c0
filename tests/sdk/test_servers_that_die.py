"""Many events while the servers that answer them are killed and started again.

Every event is answered once, or failed as the reference of the server protocol says.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCRIPT = Path(__file__).with_name("echo_server.py")
SERVERS, CLIENTS, EVENTS = 3, 200, 100
PATIENCE = 120.0

Process = asyncio.subprocess.Process


async def start_server(gateway: GatewayProcess) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        gateway.connection_string,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"attached\n"
    return process


@asynccontextmanager
async def running(gateway: GatewayProcess) -> AsyncIterator[list[Process]]:
    servers = list(
        await asyncio.gather(*(start_server(gateway) for _ in range(SERVERS)))
    )
    try:
        yield servers
    finally:
        for server in servers:
            if server.returncode is None:
                os.kill(server.pid, signal.SIGKILL)
            await server.wait()


async def ask(url: str, number: int, ends: Counter[str]) -> None:
    """Send events one after the other, and look at everything that comes back."""
    names = [Subprotocol("json.webpubsub.azure.v1")]
    async with connect(url, subprotocols=names, compression=None, proxy=None) as socket:
        await socket.recv()
        for ack_id in range(1, EVENTS + 1):
            data = f"{number}:{ack_id}"
            event: dict[str, Any] = {"type": "event", "event": "say", "ackId": ack_id}
            await socket.send(json.dumps({**event, "dataType": "text", "data": data}))
            heard = []
            while (frame := json.loads(await socket.recv()))["type"] != "ack":
                heard.append(frame["data"])
            assert frame["ackId"] == ack_id
            if frame["success"]:
                assert heard == [data], "answered once, with its own answer"
            else:
                assert heard == []
                assert frame["error"]["name"] == "InternalServerError"
            ends["answered" if frame["success"] else "failed"] += 1


async def test_every_event_is_answered_once_or_fails_while_servers_are_killed() -> None:
    ends: Counter[str] = Counter()
    chance = random.Random(4)
    kills = 0
    with GatewayProcess("--log-level", "warning") as gateway:
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
            servers = await stack.enter_async_context(running(gateway))
            url = gateway.client_url("chat")
            asking = asyncio.gather(*(ask(url, n, ends) for n in range(CLIENTS)))
            while not asking.done():
                place = chance.randrange(SERVERS)
                os.kill(servers[place].pid, signal.SIGKILL)
                kills += 1
                await servers[place].wait()
                servers[place] = await start_server(gateway)
            await asking
        given_again = gateway.log.count("events unanswered")
    assert ends.total() == CLIENTS * EVENTS
    assert kills >= 2, "the servers did die meanwhile"
    # Another server is always there, so at most three deaths in a row fail an event.
    assert ends["answered"] > ends.total() * 0.99
    print(dict(ends), kills, "kills,", given_again, "with events")  # noqa: T201
