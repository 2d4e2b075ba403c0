"""A server at ``/server`` that says whatever a test wants, in JSON or CBOR.

It stands on the ``websockets`` library, json and cbor2 alone: what it reads and writes
is what any other language would.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import cbor2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from support.official import Bystander
from support.raw import RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from support.gateway import GatewayProcess

JSON = "json.server.hubbub.v1"
CBOR = "cbor.server.hubbub.v1"
ROLES = ("publisher", "subscriber", "manager")
SECONDS = 10.0
ANYTHING = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
"""Roles of a client that may join, leave and publish to any group."""


_numbers = itertools.count(1)


def fresh_hub(name: str) -> str:
    """Make the name of a hub that no other test uses: hubs remember their servers."""
    return f"{name}_{next(_numbers)}"


def server_url(
    gateway: GatewayProcess, hub: str, roles: Sequence[str] = ROLES, **claims: Any
) -> str:
    """Make the URL that a server attaches to."""
    token = gateway.token(f"/server/hubs/{hub}", role=list(roles), **claims)
    place = gateway.endpoint.partition("://")[2]
    return f"ws://{place}/server/hubs/{hub}?access_token={token}"


def client(
    gateway: GatewayProcess,
    hub: str,
    user: str | None = None,
    *,
    simple: bool = False,
    groups: Sequence[str] = (),
    roles: Sequence[str] = ANYTHING,
    query: str = "",
) -> Bystander:
    """Make a client of bare frames that may do anything to groups."""
    url = gateway.client_url(hub, user, roles, groups) + query
    return Bystander(url, None) if simple else Bystander(url)


def ask(asker: Bystander, **more: Any) -> asyncio.Task[dict[str, Any]]:
    """Send a user event, and give the wait for its ack."""
    return asyncio.create_task(
        asker.request(**{"type": "event", "event": "e", "data": 1, **more})
    )


class BareServer:
    """An attached server; use it as an asynchronous context."""

    def __init__(
        self,
        gateway: GatewayProcess,
        hub: str,
        protocol: str = JSON,
        *,
        roles: Sequence[str] = ROLES,
    ) -> None:
        self._connecting = connect(
            server_url(gateway, hub, roles),
            subprotocols=[Subprotocol(protocol)],
            compression=None,
            max_size=None,
            proxy=None,
        )
        self._cbor = protocol == CBOR
        self._early: list[dict[str, Any]] = []
        self._last = 0
        self.socket: ClientConnection
        self.welcome: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(SECONDS):
            self.socket = await self._connecting
        self.welcome = await self.push()
        assert self.welcome["type"] == "welcome"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with asyncio.timeout(SECONDS):
            await self.socket.close()

    @property
    def id(self) -> str:
        server_id: str = self.welcome["serverId"]
        return server_id

    def die(self) -> None:
        """Lose the socket without a farewell."""
        self.socket.transport.abort()

    # Frames.

    def bytes_of(self, frame: object) -> str | bytes:
        """Write a frame down."""
        return cbor2.dumps(frame) if self._cbor else json.dumps(frame)

    async def raw(self, message: str | bytes) -> None:
        async with asyncio.timeout(SECONDS):
            await self.socket.send(message)

    async def send(self, **frame: object) -> None:
        await self.raw(self.bytes_of(frame))

    async def push(self) -> dict[str, Any]:
        """Receive the next push that nobody has taken."""
        if self._early:
            return self._early.pop(0)
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            message = await self.socket.recv()
        assert isinstance(message, bytes) == self._cbor, message
        push: dict[str, Any] = (
            cbor2.loads(message) if isinstance(message, bytes) else json.loads(message)
        )
        return push

    async def request(self, **frame: object) -> dict[str, Any]:
        """Send a request and give its result or error; other pushes are kept."""
        self._last += 1
        await self.send(**frame, id=self._last)
        while (push := await self._receive()).get("id") != self._last:
            self._early.append(push)
        return push

    async def do(self, **frame: object) -> Any:
        """Send a request that must succeed, and give its value."""
        push = await self.request(**frame)
        assert push["type"] == "result", push
        return push.get("value")

    async def refusal(self, **frame: object) -> str:
        """Send a request that must not succeed, and give the name of the error."""
        push = await self.request(**frame)
        assert push["type"] == "error", push
        name: str = push["name"]
        return name

    # Events.

    async def handle(self, *kinds: str, window: int = 1000, **rule: Any) -> None:
        """Declare rules of these kinds, all with the same pattern and filter."""
        rules = [{"kind": kind, **rule} for kind in kinds]
        await self.do(type="handle", rules=rules, window=window)

    async def event(self, kind: str | None = None) -> dict[str, Any]:
        """Receive an event, which must be the next thing to come."""
        push = await self.push()
        assert push["type"] == "event", push
        assert kind in {None, push["kind"]}, push
        return push

    async def answer(self, event: dict[str, Any], kind: str, **fields: object) -> None:
        await self.send(type=kind, eventId=event["eventId"], **fields)

    async def acknowledge(self, *kinds: str) -> list[dict[str, Any]]:
        """Receive notices of these kinds in this order, and acknowledge each."""
        found = []
        for kind in kinds:
            event = await self.event(kind)
            await self.answer(event, "done")
            found.append(event)
        return found

    async def errors(self) -> list[str]:
        """Give the names of the errors that came before the answer to a ping."""
        await self.send(type="ping")
        names = []
        while (push := await self.push())["type"] != "pong":
            assert push["type"] == "error", push
            names.append(push["name"])
        return names

    async def quiet(self) -> None:
        """Check that nothing came before the answer to a ping."""
        await self.send(type="ping")
        assert (await self.push()) == {"type": "pong"}

    # Messages.

    async def data(self) -> Any:
        """Receive a message and give its data: text, bytes, or decoded JSON."""
        push = await self.push()
        assert push["type"] == "message", push
        kind, data = push["dataType"], push["data"]
        if kind == "json":
            return json.loads(data) if self._cbor else data
        if kind == "text" or self._cbor:
            return data
        return base64.b64decode(data, validate=True)

    async def closed(self) -> tuple[int, str]:
        """Wait for the close, and give code and reason; pushes before it are kept."""
        try:
            while True:
                self._early.append(await self._receive())
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise AssertionError("cut without a close frame") from closed
            return closed.rcvd.code, closed.rcvd.reason


class RawServer(RawClient):
    """A server of bytes; it does not read unless it is told to."""

    def attach(self, hub: str, protocol: str, *lines: str) -> Self:
        path = f"/server/hubs/{hub}"
        token = self.gateway.token(path, role=list(ROLES))
        answer = self.upgrade(f"{path}?access_token={token}", *lines, protocol=protocol)
        assert answer.status == 101
        self.frame()  # welcome
        return self


class Scene(NamedTuple):
    """A server, and clients alice and bob of a hub of their own; alice is in a."""

    server: BareServer
    alice: Bystander
    bob: Bystander
    hub: str


@asynccontextmanager
async def scene(
    gateway: GatewayProcess, protocol: str, hub: str
) -> AsyncIterator[Scene]:
    hub = fresh_hub(hub)
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub, "alice", groups=["a", "both"]) as alice,
        client(gateway, hub, "bob", groups=["both"]) as bob,
    ):
        yield Scene(server, alice, bob, hub)


def data(protocol: str, value: Any) -> Any:
    """Write JSON data down as a subprotocol does."""
    return json.dumps(value) if protocol == CBOR else value
