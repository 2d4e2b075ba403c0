"""A gateway for servers that does what a test says: answers, lies, keeps silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import cbor2
import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hubbub.sdk import Backoff, WebPubSubServer

if TYPE_CHECKING:
    from http import HTTPStatus
    from types import TracebackType

    from websockets.http11 import Request, Response

SECONDS = 5.0
KEY = "fake-gateway-key-0123456789abcdef0123456789"
NAMES = ("cbor.server.hubbub.v1", "json.server.hubbub.v1")
SOON = Backoff(first=0.001, most=0.01)

Map = dict[str, Any]


class Peer:
    """One connection of a server, as the gateway sees it."""

    def __init__(self, socket: ServerConnection, *, obliging: bool) -> None:
        self.socket = socket
        self.headers = socket.request.headers if socket.request else {}
        self.path = socket.request.path if socket.request else ""
        self.said: asyncio.Queue[Map] = asyncio.Queue()
        self.obliging = obliging
        self._json = socket.subprotocol == "json.server.hubbub.v1"

    async def run(self) -> None:
        try:
            while True:
                frame = self._read(await self.socket.recv(decode=False))
                if self.obliging and frame["type"] in {
                    "subscribe",
                    "unsubscribe",
                    "handle",
                    "watch",
                    "drain",
                }:
                    await self.result(frame)
                self.said.put_nowait(frame)
        except ConnectionClosed:
            pass

    async def heard(self, kind: str | None = None) -> Map:
        """Wait for the next frame, or the next of a kind, passing over others."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = await self.said.get()
                if kind in {None, frame["type"]}:
                    return frame

    async def say(self, **frame: Any) -> None:
        """Send a frame; ``data`` is what stands for JSON data."""
        if self._json:
            await self.socket.send(msgspec.json.encode(frame), text=True)
        else:
            if frame.get("dataType") == "json":
                frame["data"] = msgspec.json.encode(frame["data"]).decode()
            await self.socket.send(cbor2.dumps(frame))

    async def burst(self, *numbers: int) -> None:
        """Send user events in one write."""
        written: list[bytes] = []
        write = self.socket.transport.write
        with mock.patch.object(self.socket, "transport") as transport:
            transport.write = written.append
            transport.is_closing.return_value = False
            for number in numbers:
                await self.event(number)
        write(b"".join(written))

    async def result(self, frame: Map, value: Any = None) -> None:
        """Answer a request."""
        more = {} if value is None else {"value": value}
        await self.say(type="result", id=frame["id"], **more)

    async def event(self, number: int, kind: str = "event", **fields: Any) -> None:
        """Send an event; a user event if not told otherwise."""
        if kind == "event":
            fields = {"event": "ask", "dataType": "text", "data": "?", **fields}
        elif kind == "publish":
            fields = {"dataType": "text", "data": "?", **fields}
        fields.setdefault("connectionId", f"c{number}")
        await self.say(type="event", eventId=number, kind=kind, **fields)

    def cut(self) -> None:
        self.socket.transport.abort()

    def data(self, frame: Map) -> Any:
        """Give the data of a frame."""
        if self._json or frame["dataType"] != "json":
            return frame["data"]
        return msgspec.json.decode(frame["data"])

    def _read(self, data: bytes) -> Map:
        frame: Map = (msgspec.json.decode if self._json else cbor2.loads)(data)
        return frame


class FakeGateway:
    """Listens on a free port of loopback.

    Args:
        welcoming: Whether it says welcome.
        obliging: Whether it answers what servers declare.
        status: With which HTTP status it refuses everybody.
        speaks: The subprotocols that it knows.
    """

    def __init__(
        self,
        *,
        welcoming: bool = True,
        obliging: bool = True,
        status: HTTPStatus | None = None,
        speaks: tuple[str, ...] = NAMES,
    ) -> None:
        self.welcoming = welcoming
        self.obliging = obliging
        self.status = status
        self.speaks = speaks
        self.port = 0
        self.attempts = 0
        self._attempted = asyncio.Event()
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()

    @property
    def connection_string(self) -> str:
        return f"Endpoint=http://127.0.0.1:{self.port};AccessKey={KEY};Version=1.0;"

    def server(
        self, roles: str = "publisher+subscriber+manager", **options: Any
    ) -> WebPubSubServer:
        """Make a server that attaches here, and comes back soon."""
        options = {"backoff": SOON, "drain_timeout": 1.0, **options}
        return WebPubSubServer(self.connection_string, "chat", roles, **options)

    async def peer(self) -> Peer:
        """Wait for the next connection."""
        async with asyncio.timeout(SECONDS):
            return await self._peers.get()

    async def attempted(self, count: int) -> None:
        """Wait until somebody has tried to connect so many times."""
        async with asyncio.timeout(SECONDS):
            while self.attempts < count:
                self._attempted.clear()
                await self._attempted.wait()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._admit,
            subprotocols=[Subprotocol(name) for name in self.speaks] or None,
            compression=None,
            close_timeout=1,
            max_size=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        del request
        self.attempts += 1
        self._attempted.set()
        return None if self.status is None else socket.respond(self.status, "no\n")

    async def _serve(self, socket: ServerConnection) -> None:
        peer = Peer(socket, obliging=self.obliging)
        if self.welcoming:
            roles = ["publisher", "subscriber", "manager"]
            await peer.say(type="welcome", serverId="s1", hub="chat", roles=roles)
        self._peers.put_nowait(peer)
        await peer.run()


async def noticed(server: WebPubSubServer) -> None:
    """Wait until a server knows that its connection is gone."""
    async with asyncio.timeout(SECONDS):
        while server.attached:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
