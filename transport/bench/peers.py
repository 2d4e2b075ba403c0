"""The peers: servers that understand join and publish, and nothing else.

``python -m hubbub.transport.bench.peers uvloop|websockets`` prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from hubbub.transport.reader import Control, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACK = '{"type":"ack","ackId":1,"success":true}'
_PROTOCOL = Subprotocol("json.webpubsub.azure.v1")


class _Request(msgspec.Struct):
    type: str
    group: str = ""
    data: str = ""


_decode = msgspec.json.Decoder(_Request).decode


def _delivery(request: _Request) -> str:
    return (
        f'{{"type":"message","from":"group","group":"{request.group}",'
        f'"dataType":"text","data":"{request.data}"}}'
    )


class BareServer(asyncio.Protocol):
    """As little as asyncio and uvloop allow: decode, frame once, write to each."""

    def __init__(self, groups: dict[str, list[asyncio.Transport]]) -> None:
        self._groups = groups
        self._handshake = ServerProtocol(subprotocols=[_PROTOCOL])
        self._reader: Reader | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Await the handshake."""
        self._transport = transport  # type: ignore[assignment] # a socket's transport

    def data_received(self, data: bytes) -> None:
        """Fan out what a read brings, one write per member."""
        if self._reader is None:
            self._open(data)
            return
        self._reader.feed(data)
        blocks: dict[str, list[bytes]] = {}
        for message in self._reader.read(1 << 20):
            if isinstance(message, Control):
                self._transport.close()
                return
            request = _decode(message[0])
            if request.type == "joinGroup":
                self._groups.setdefault(request.group, []).append(self._transport)
                self._transport.write(_framed(_ACK))
            elif request.type == "event":
                self._transport.write(_framed(_delivery(request)))
            else:
                block = blocks.setdefault(request.group, [])
                block.append(_framed(_delivery(request)))
        for group, block in blocks.items():
            _write_all(self._groups.get(group, ()), b"".join(block))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the member."""
        del exc
        for members in self._groups.values():
            if self._transport in members:
                members.remove(self._transport)

    def _open(self, data: bytes) -> None:
        self._handshake.receive_data(data)
        for event in self._handshake.events_received():
            if isinstance(event, Request):
                self._transport.write(self._handshake.accept(event).serialize())
                self._reader = Reader(ServerProtocol(state=OPEN), 1 << 20)


def _write_all(members: Iterable[asyncio.Transport], data: bytes) -> None:
    for member in members:
        member.write(data)


def _framed(text: str) -> bytes:
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


async def _bare() -> asyncio.Server:
    groups: dict[str, list[asyncio.Transport]] = {}
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: BareServer(groups), "127.0.0.1", 0)


async def _library() -> asyncio.Server:
    groups: dict[str, set[ServerConnection]] = {}

    async def handle(client: ServerConnection) -> None:
        async for message in client:
            request = _decode(message)
            members = groups.setdefault(request.group, set())
            if request.type == "joinGroup":
                members.add(client)
                await client.send(_ACK)
            else:
                broadcast(members, _delivery(request))
        for members in groups.values():
            members.discard(client)

    server = await serve(
        handle,
        "127.0.0.1",
        0,
        subprotocols=[_PROTOCOL],
        compression=None,
    )
    return server.server


async def _main(kind: str) -> None:
    server = await {"uvloop": _bare, "websockets": _library}[kind]()
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - its one word
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
