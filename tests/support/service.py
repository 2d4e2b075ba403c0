"""A service that plays scripts, for what a real gateway does not do."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hubbub.sdk import Backoff, WebPubSubClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from websockets.asyncio.server import Server
    from websockets.http11 import Request, Response

    Script = Callable[["Line"], Awaitable[None]]

SECONDS = 10.0
JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
QUICK = Backoff(first=0.001, most=0.01)


class Line:
    """One connection, as a script of the fake service has it."""

    def __init__(self, socket: ServerConnection, number: int) -> None:
        self.socket = socket
        self.number = number

    async def hello(self) -> None:
        await self.say(
            type="system", event="connected", connectionId=f"c{self.number}", userId="u"
        )

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def heard(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def ack(self, request: dict[str, Any], error: str | None = None) -> None:
        fields: dict[str, object] = {"ackId": request["ackId"], "success": not error}
        if error:
            fields["error"] = {"name": error, "message": "so it is"}
        await self.say(type="ack", **fields)

    async def serve(self) -> None:
        """Say yes to everything, and echo what is published, until the end."""
        while True:
            request = await self.heard()
            if request["type"] == "sendToGroup":
                kept = {key: request[key] for key in ("group", "dataType", "data")}
                await self.say(**{"type": "message", "from": "group", **kept})
            if "ackId" in request:
                await self.ack(request)

    def cut(self) -> None:
        self.socket.transport.abort()


class Service:
    """A fake service: each connection is played by the next script, the last again.

    A number in the place of a script is the HTTP status of a refusal.
    """

    def __init__(self, *scripts: Script | int, subprotocol: str | None = JSON) -> None:
        self._scripts = scripts
        self._names = None if subprotocol is None else [Subprotocol(subprotocol)]
        self._spoken = subprotocol or JSON
        self._server: Server | None = None
        self.connections = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        _, port = next(iter(self._server.sockets)).getsockname()
        return f"ws://127.0.0.1:{port}/client/hubs/chat"

    def client(self, **options: Any) -> WebPubSubClient:
        defaults = {"protocol": self._spoken, "backoff": QUICK, "timeout": SECONDS}
        return WebPubSubClient(self.url, **{**defaults, **options})

    def _next(self) -> Script | int:
        return self._scripts[min(self.connections, len(self._scripts)) - 1]

    async def _open(self, socket: ServerConnection, _: Request) -> Response | None:
        self.connections += 1
        script = self._next()
        return socket.respond(script, "no\n") if isinstance(script, int) else None

    async def _play(self, socket: ServerConnection) -> None:
        script = self._next()
        assert not isinstance(script, int)
        with suppress(ConnectionClosed):  # the client has left
            await script(Line(socket, self.connections))

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._play,
            "127.0.0.1",
            0,
            process_request=self._open,
            subprotocols=self._names,
            close_timeout=0.1,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


async def well(line: Line) -> None:
    """Behave."""
    await line.hello()
    await line.serve()


async def is_well(client: WebPubSubClient) -> None:
    """Check that requests are answered and messages arrive."""
    await client.join("lobby")
    await client.send_to_group("lobby", "still here")
    while (await client.next(SECONDS)).data != "still here":
        pass
