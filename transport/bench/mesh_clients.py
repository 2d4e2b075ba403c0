"""The clients of the mesh benchmark: sockets that count, and parse nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.transport.bench.load import frame_of, greeting
from hubbub.transport.bench.servers import KEY
from hubbub.transport.subprotocols.server_v1 import JSON_NAME
from hubbub.transport.wire.audience import CLIENT_PATH, SERVER_PATH, client_audience_url
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SIZE: Final = 128
"""Characters of a message."""
_MARK: Final = b'"type":"message"'
_ACK: Final = b'"success":true'
_ROLES: Final = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
_PATIENCE: Final = 60.0


def frame(message: Mapping[str, object]) -> bytes:
    """Write a message of a client."""
    return frame_of(0x81, msgspec.json.encode(message))


def publication(group: str) -> bytes:
    """Write what a client says to publish to a group."""
    head = {"type": "sendToGroup", "group": group}
    return frame({**head, "dataType": "text", "data": "x" * SIZE})


def joining(group: str, ack: int) -> bytes:
    """Write what a client says to join a group."""
    return frame({"type": "joinGroup", "group": group, "ackId": ack})


class Client(asyncio.Protocol):
    """A socket that counts messages and acks, and parses neither."""

    def __init__(self, hello: bytes, heard: Callable[[int], None] | None) -> None:
        self._hello = hello
        self._heard = heard
        self._tail = b""
        self._transport: asyncio.Transport
        self._changed = asyncio.Event()
        self.acks = 0
        self.status = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport  # type: ignore[assignment] # a socket's transport
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Count what a read brings."""
        data = self._tail + data
        if not self.status:
            if b"\r\n\r\n" not in data:
                self._tail = data
                return
            self.status = data.split(b"\r\n", 1)[0]
            self._changed.set()
        messages, acks = data.count(_MARK), data.count(_ACK)
        # A mark may be cut by a packet; one that was counted must not come again.
        at = data.rfind(b"{")
        last = data[at:] if at >= 0 else b""
        self._tail = b"" if _MARK in last or _ACK in last else last
        if acks:
            self.acks += acks
            self._changed.set()
        if messages and self._heard is not None:
            self._heard(messages)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody wait for what will not come."""
        del exc
        self.status = self.status or b"closed"
        self._changed.set()

    def send(self, data: bytes) -> None:
        """Write one or several frames."""
        self._transport.write(data)

    def close(self) -> None:
        """Be gone."""
        self._transport.abort()

    async def open(self) -> None:
        """Wait until the gateway has said yes.

        Raises:
            ConnectionError: It has said no.
        """
        await self._until(lambda: bool(self.status))
        if b" 101 " not in self.status:
            raise ConnectionError(f"a client was refused: {self.status.decode()}")

    async def acked(self, count: int) -> None:
        """Wait until so many requests were acknowledged in all."""
        await self._until(lambda: self.acks >= count)

    async def _until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not done():
                self._changed.clear()
                await self._changed.wait()


async def client(
    port: int, heard: Callable[[int], None] | None = None, user: str = "bench"
) -> Client:
    """Connect a client.

    Args:
        port: Of its gateway.
        heard: Called with the number of messages that a read brings.
        user: Its user id.
    """
    subprotocol = "json.webpubsub.azure.v1"
    return await _connect(port, CLIENT_PATH, subprotocol, user, _ROLES, heard)


async def server(port: int) -> Client:
    """Attach a server, which may publish to anybody."""
    return await _connect(port, SERVER_PATH, JSON_NAME, "", ("publisher",), None)


async def _connect(
    port: int,
    path: Sequence[str],
    subprotocol: str,
    user: str,
    roles: tuple[str, ...],
    heard: Callable[[int], None] | None,
) -> Client:
    audience = client_audience_url(f"http://127.0.0.1:{port}", "bench", path)
    now = time.time()
    token = mint(
        KEY,
        audience=audience,
        now=now,
        lifetime=3600,
        user_id=user or None,
        roles=roles,
    )
    url = f"/{'/'.join(path)}/bench?access_token={token}"
    hello = greeting(url, f"127.0.0.1:{port}", subprotocol)
    _, found = await asyncio.get_running_loop().create_connection(
        lambda: Client(hello, heard), "127.0.0.1", port
    )
    await found.open()
    return found
