"""The applications of the event benchmark that stand outside the gateway.

As lean as Python allows, so that the gateway is what is measured: an attached server
on a bare socket, and a web server that answers webhooks.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import cbor2
import msgspec
from aiohttp import web

from hubbub.transport.bench.load import frame_of, greeting
from hubbub.transport.subprotocols.server_v1 import CBOR_NAME, JSON_NAME
from hubbub.transport.wire.audience import SERVER_PATH, client_audience_url
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_SMALL, _MEDIUM = 125, 126


class _Event(msgspec.Struct, rename="camel"):
    type: str
    event_id: int = 0
    data: str = ""


_read_json = msgspec.json.Decoder(_Event).decode
HANDLE = {"type": "handle", "id": 1, "window": 10_000, "rules": [{"kind": "event"}]}


def _read_cbor(data: bytes) -> _Event:
    frame: dict[str, Any] = cbor2.loads(data)
    return _Event(frame["type"], frame.get("eventId", 0), str(frame.get("data", "")))


class AttachedServer(asyncio.Protocol):
    """A server at ``/server`` that answers each event with its own text.

    Args:
        port: The gateway's.
        key: Its access key.
        subprotocol: One of the two server subprotocols.
    """

    def __init__(self, port: int, key: str, subprotocol: str) -> None:
        endpoint = f"http://127.0.0.1:{port}"
        token = mint(
            key,
            audience=client_audience_url(endpoint, "bench", SERVER_PATH),
            now=time.time(),
            lifetime=3600,
            roles=("subscriber",),
        )
        url = f"/server/hubs/bench?access_token={token}"
        self._hello = greeting(url, f"127.0.0.1:{port}", subprotocol)
        text = subprotocol == JSON_NAME
        self._read: Callable[[bytes], _Event] = _read_json if text else _read_cbor
        self._say: Callable[[Any], bytes] = msgspec.json.encode if text else cbor2.dumps
        self._first = 0x81 if text else 0x82
        self._buffer = b""
        self._transport: asyncio.Transport
        self._open = False
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to attach."""
        self._transport = transport  # type: ignore[assignment] # a socket's transport
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        """Answer the events that a read brings, in one write."""
        buffer = self._buffer + data
        if not self._open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.ready.set_exception(ConnectionError(head.decode()))
            self._open = True
            self._transport.write(frame_of(self._first, self._say(HANDLE)))
        answers, at = [], 0
        while (end := _end(buffer, at)) is not None:
            start, stop = end
            if buffer[at] == self._first:
                answers += self._answer(buffer[start:stop])
            at = stop
        self._buffer = buffer[at:]
        if answers:
            self._transport.write(b"".join(answers))

    def connection_lost(self, exc: Exception | None) -> None:
        """Say why nothing comes of it."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed"))

    def _answer(self, data: bytes) -> list[bytes]:
        event = self._read(data)
        if event.type == "result":
            self.ready.set_result(None)
        if event.type != "event":
            return []
        answer = {
            "type": "respond",
            "eventId": event.event_id,
            "dataType": "text",
            "data": event.data,
        }
        return [frame_of(self._first, self._say(answer))]


def _end(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Find the payload of the frame at a place; None when it is not complete."""
    if len(buffer) - at < 2:  # noqa: PLR2004 - a head
        return None
    length, start = buffer[at + 1], at + 2
    if length > _SMALL:
        start += 2 if length == _MEDIUM else 8
        length = int.from_bytes(buffer[at + 2 : start])
    stop = start + length
    return None if stop > len(buffer) else (start, stop)


async def attach(port: int, key: str, subprotocol: str) -> AsyncIterator[None]:
    """Keep a server attached."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_connection(
        lambda: AttachedServer(port, key, subprotocol), "127.0.0.1", port
    )
    await asyncio.wait_for(server.ready, 10)
    try:
        yield
    finally:
        transport.abort()
        await asyncio.sleep(0)  # the loop closes what was aborted


async def answer_webhooks(listener: Any) -> AsyncIterator[None]:
    """Keep a web server that answers each event with its own text.

    Args:
        listener: The socket that the gateway's settings name.
    """

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "*"})
        return web.Response(text=await request.text())

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        yield
    finally:
        await runner.cleanup()


__all__ = ["CBOR_NAME", "JSON_NAME", "answer_webhooks", "attach"]
