"""uvicorn, as a gateway uses it: sockets, signals and the end are the gateway's own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

from hubbub.transport.front_door import FrontDoor
from hubbub.transport.web import web_app

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from hubbub.transport.front import Front

_BACKLOG = 4096


class HttpServer(uvicorn.Server):
    """uvicorn's server, with our signals and our drain."""

    def __init__(self, front: Front) -> None:
        super().__init__(_configuration(front))
        self._front = front
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: uvicorn would exit with 143 on SIGTERM."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so; uvicorn's own sets no limit to a TLS handshake."""
        config, front = self.config, self._front
        loop = asyncio.get_running_loop()
        limit = front.live.settings.limits.head_seconds
        self.servers = [
            await loop.create_server(
                lambda: FrontDoor(front, config, self.server_state, {}, loop),
                sock=listener,
                ssl=config.ssl,
                ssl_handshake_timeout=limit if config.ssl else None,
                backlog=config.backlog,
            )
            for listener in sockets or ()
        ]
        self.started = True
        self.listening.set()

    def refuse_newcomers(self) -> None:
        """Close the listening sockets; established connections stay."""
        for server in self.servers:
            server.close()


def _configuration(front: Front) -> uvicorn.Config:
    settings = front.live.settings
    return uvicorn.Config(
        web_app(front),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(settings.limits.idle_seconds),
        timeout_graceful_shutdown=int(settings.drain_seconds),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
