"""Whoever answers ``tests/node/invoke.mjs``, in each form that a handler has."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hubbub.actors import EventHandler, Fail, Json, Respond, Text, events
from hubbub.sdk import WebPubSubServer
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HUB = "chat"
SLOW = 0.4
"""Seconds that a slow answer takes."""
NAMES = "echo, nothing, null, empty, refuse, crash, slow"
TESTS = Path(__file__).parent.parent


def answer(event: events.UserEvent) -> Respond | Fail | None:
    """Answer at once, whatever form the handler has."""
    match event.event:
        case "echo":
            return Respond(event.payload)
        case "null":
            return Respond(Json(b"null"))
        case "empty":
            return Respond(Text(""))
        case "refuse":
            return Fail("not for you")
        case "crash":
            raise RuntimeError("no luck")
        case "slow":
            return Respond(Text("slow"))
        case _:
            return None


class Answers(EventHandler):
    """The handler as a class, in the gateway."""

    def on_event(self, event: events.UserEvent) -> Respond | Fail | None:
        if event.event == "slow":
            time.sleep(SLOW)
        return answer(event)


def _config(folder: Path, handler: str) -> str:
    file = folder / "hubbub.toml"
    file.write_text(
        f'[[hubs.{HUB}.handlers]]\n{handler}\nuser_events = "{NAMES}"\n',
    )
    return str(file)


@asynccontextmanager
async def by_class(folder: Path, workers: int) -> AsyncIterator[GatewayProcess]:
    config = _config(folder, 'handler = "support.invoked:Answers"')
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with GatewayProcess(
        "--config", config, environment={"PYTHONPATH": path}, workers=workers
    ) as gateway:
        yield gateway


@asynccontextmanager
async def by_webhook(folder: Path, workers: int) -> AsyncIterator[GatewayProcess]:
    runner = web.ServerRunner(web.Server(_hook), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        url = f"http://{host}:{port}/{{event}}"
        config = _config(folder, f'url = "{url}"\nretries = 0')
        with GatewayProcess("--config", config, workers=workers) as gateway:
            yield gateway
    finally:
        await runner.cleanup()


async def _hook(request: web.BaseRequest) -> web.Response:
    """Answer as a web application does, in its own words."""
    body = await request.read()
    if request.method == "OPTIONS":
        return web.Response(headers={"WebHook-Allowed-Origin": "*"})
    match request.path.lstrip("/"):
        case "echo":
            kind = request.headers.get("Content-Type", "text/plain")
            return web.Response(body=body, headers={"Content-Type": kind})
        case "null":
            return web.Response(body=b"null", content_type="application/json")
        case "empty":
            return web.Response(body=b"", content_type="text/plain")
        case "refuse":
            return web.Response(status=400, text="not for you")
        case "crash":
            return web.Response(status=500)
        case "slow":
            await asyncio.sleep(SLOW)
            return web.Response(text="slow")
        case _:
            return web.Response(status=204)


@asynccontextmanager
async def by_server(folder: Path, workers: int) -> AsyncIterator[GatewayProcess]:
    del folder
    with GatewayProcess(workers=workers) as gateway:
        server = WebPubSubServer(gateway.connection_string, HUB)
        for name in NAMES.split(", "):
            server.handle_event(name, _attached)
        async with server:
            yield gateway


async def _attached(event: events.UserEvent) -> Respond | Fail | None:
    if event.event == "slow":
        await asyncio.sleep(SLOW)
    return answer(event)


FORMS: dict[str, Any] = {
    "class": by_class,
    "webhook": by_webhook,
    "attached": by_server,
}
