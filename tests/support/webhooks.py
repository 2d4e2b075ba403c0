"""A webhook on a stage: an application of ours behind it, or bare sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from support.handlers import application, stage, webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.handlers import Application, Stage


@asynccontextmanager
async def hooked(**settings: Any) -> AsyncIterator[tuple[Stage, Application]]:
    """Play a scene whose only handler is a webhook of an application."""
    async with (
        application() as app,
        stage(
            webhook(f"{app.url}/hooks/{{hub}}/{{event}}?code=s3cret", **settings)
        ) as s,
    ):
        yield s, app


def status(code: int, **more: Any) -> Any:
    return lambda: web.Response(status=code, **more)


@asynccontextmanager
async def raw_server(
    serve: Any,
) -> AsyncIterator[str]:
    """Serve with a coroutine of (request head, writer), one call per request."""

    async def connection(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        requests = 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                requests += 1
                if not await serve(requests, head, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
