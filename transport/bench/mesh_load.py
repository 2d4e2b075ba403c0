"""The load of the mesh benchmark: closed loops whose members sit at any gateway.

Clients stay while the load is switched on and off, so that what is compared can take
turns a second long.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

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
_ACK: Final = b'"type":"ack"'
_ROLES: Final = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
_PATIENCE: Final = 60.0
_AT_ONCE: Final = 50
"""Handshakes under way at a time."""
_POLL: Final = 0.02
_POLLS: Final = 50
"""Looks without anything new until what is missing counts as lost."""


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


async def _connect(  # noqa: PLR0913, PLR0917 - two kinds of handshakes
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


class Slice(NamedTuple):
    """What came of some seconds of load."""

    seconds: float
    deliveries: int
    messages: float
    cpu: tuple[float, ...]
    """Seconds of processor time of each process that was watched."""
    own: float
    """Seconds of processor time of the load itself."""
    median: float
    """Seconds from a publication to its last delivery, if one is under way at a time."""


class _Loop:
    """One publisher's closed loop: a message is done when every member has it."""

    def __init__(self, members: int, window: int, message: bytes) -> None:
        self.members = members
        self._window = window
        self._message = message
        self._began = 0.0
        self.publisher: Client
        self.heard = 0
        self.published = 0
        self.running = False
        self.times: list[float] = []

    def hear(self, count: int) -> None:
        self.heard += count
        if self._window == 1 and self.missing <= 0:
            self.times.append(time.perf_counter() - self._began)
        self.fill()

    def fill(self) -> None:
        room = self._window - (self.published - self.heard // self.members)
        if self.running and room > 0:
            self.published += room
            self._began = time.perf_counter()
            self.publisher.send(self._message * room)

    @property
    def missing(self) -> int:
        return self.published * self.members - self.heard


class Load:
    """Closed loops, with their clients connected.

    Args:
        watch: Gives the processor seconds of each process to be watched.
    """

    def __init__(self, watch: Callable[[], tuple[float, ...]]) -> None:
        self._watch = watch
        self._loops: list[_Loop] = []
        self._clients: list[Client] = []

    async def group(
        self, name: str, publisher: int | None, members: Sequence[int], window: int
    ) -> None:
        """Add a group.

        Args:
            name: Its name.
            publisher: The port of a publisher that is no member; None lets the first
                member publish.
            members: The port of each member.
            window: Messages under way.
        """
        loop = _Loop(len(members), window, publication(name))
        joined: list[Client] = []
        for start in range(0, len(members), _AT_ONCE):
            few = members[start : start + _AT_ONCE]
            joined += await asyncio.gather(*(client(port, loop.hear) for port in few))
        for member in joined:
            member.send(joining(name, 1))
        await asyncio.gather(*(member.acked(1) for member in joined))
        self._clients += joined
        loop.publisher = joined[0]
        if publisher is not None:
            loop.publisher = await client(publisher)
            self._clients.append(loop.publisher)
        self._loops.append(loop)

    async def user(self, name: str, publisher: int, port: int, window: int) -> None:
        """Add a user with one connection, to whom an attached server sends."""
        message = {"type": "publish", "userId": name, "dataType": "text"}
        loop = _Loop(1, window, frame({**message, "data": "x" * SIZE}))
        loop.publisher = await server(publisher)
        self._clients += [loop.publisher, await client(port, loop.hear, name)]
        self._loops.append(loop)

    async def run(self, seconds: float) -> Slice:
        """Put the load on for some seconds, after a fifth of them to warm up."""
        for loop in self._loops:
            loop.running = True
            loop.fill()
        await asyncio.sleep(seconds / 5)
        for loop in self._loops:
            loop.times.clear()
        before, watched, own = self._heard(), self._watch(), time.process_time()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        own, cpu, after = time.process_time() - own, self._watch(), self._heard()
        used = tuple(now - then for now, then in zip(cpu, watched, strict=True))
        counts = [now - then for now, then in zip(after, before, strict=True)]
        done = sum(n / loop.members for n, loop in zip(counts, self._loops, strict=True))
        times = sorted(one for loop in self._loops for one in loop.times)
        median = times[len(times) // 2] if times else 0.0
        await self._rest()
        return Slice(took, sum(counts), done, used, own, median)

    async def close(self) -> int:
        """Disconnect everybody; gives how many deliveries are missing."""
        for one in self._clients:
            one.close()
        await asyncio.sleep(0)  # the loop closes what was aborted
        return sum(loop.missing for loop in self._loops)

    def _heard(self) -> list[int]:
        return [loop.heard for loop in self._loops]

    async def _rest(self) -> None:
        """Take the load off, and wait until all has arrived or nothing more does."""
        for loop in self._loops:
            loop.running = False
        last, patience = 0, _POLLS
        while patience and (missing := sum(loop.missing for loop in self._loops)):
            patience = _POLLS if missing != last else patience - 1
            last = missing
            await asyncio.sleep(_POLL)
