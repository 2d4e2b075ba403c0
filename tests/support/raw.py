"""A client that says whatever a test wants, byte by byte; and a healthy witness."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from support.wire import CLOSE, TEXT, ServerFrame, ServerFrames

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from types import TracebackType

    from support.gateway import GatewayProcess

JSON = "json.webpubsub.azure.v1"
SECONDS = 10.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
_WORKER = re.compile(r',?worker="\d+"')


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """One TCP connection with a deadline on everything.

    Args:
        gateway: Where to connect to.
        tls: How to speak TLS; None speaks plainly.
        receive_buffer: Size of the socket's receive buffer; small ones fill soon.
    """

    def __init__(
        self,
        gateway: GatewayProcess,
        *,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect((gateway.host, gateway.port))
        self.socket = (
            plain
            if tls is None
            else tls.wrap_socket(plain, server_hostname="localhost")
        )
        self.gateway = gateway
        self.frames = ServerFrames()
        self.reset = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    # Bytes.

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def send_if_possible(self, data: bytes) -> None:
        """Send to someone who may have closed already."""
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def receive(self) -> bytes:
        """Give what comes next; empty at the end of the stream."""
        try:
            return self.socket.recv(1 << 18)
        except ConnectionResetError:
            self.reset = True
            return b""

    def abort(self) -> None:
        """Close with a reset instead of a farewell."""
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.socket.close()

    def read_to_end(self) -> bytes:
        """Read until the other side closes."""
        data = b""
        while more := self.receive():
            data += more
        return data

    # HTTP.

    def answer(self, *, head_only: bool = False) -> Answer:
        """Read one HTTP answer; bytes behind it stay for the frames."""
        data = self.frames.buffer
        while b"\r\n\r\n" not in data:
            more = self.receive()
            assert more, f"closed within a head: {data!r}"
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        status = int(first.split(" ")[1])
        bare = head_only or status in {101, 204}
        length = 0 if bare else int(headers.get("content-length", "0"))
        while len(rest) < length:
            more = self.receive()
            assert more, "closed within a body"
            rest += more
        self.frames.buffer = rest[length:]
        return Answer(status, headers, rest[:length])

    def request(self, method: str, target: str, *lines: str, body: bytes = b"") -> None:
        self.send(request(self.gateway, method, target, *lines), body)

    # WebSocket.

    def upgrade(
        self,
        target: str,
        *lines: str,
        protocol: str | None = JSON,
        early: bytes = b"",
    ) -> Answer:
        """Send a proper upgrade request, perhaps with bytes behind it."""
        self.send(upgrade(self.gateway, target, *lines, protocol=protocol), early)
        return self.answer()

    def open(self, target: str, *lines: str, protocol: str | None = JSON) -> Self:
        """Upgrade and, as a JSON client, read ``connected``."""
        answer = self.upgrade(target, *lines, protocol=protocol)
        assert answer.status == 101, answer
        if protocol == JSON:
            assert self.message()["event"] == "connected"
        return self

    def frame(self) -> ServerFrame:
        """Give the next frame."""
        while (frame := self.frames.next()) is None:
            more = self.receive()
            assert more, "closed without a close frame"
            self.frames.feed(more)
        return frame

    def message(self) -> Any:
        """Give the next message of a JSON client, decoded."""
        frame = self.frame()
        assert frame.opcode == TEXT, frame
        return json.loads(frame.content)

    def messages_to_close(self) -> tuple[list[Any], tuple[int, str]]:
        """Read up to the close frame; gives messages, code and reason."""
        messages = []
        while (frame := self.frame()).opcode != CLOSE:
            if frame.opcode == TEXT:
                messages.append(json.loads(frame.content))
        return messages, frame.close

    def closed(self) -> tuple[int, str]:
        """Read up to the close frame of either kind of client."""
        while (frame := self.frame()).opcode != CLOSE:
            pass
        return frame.close

    def frames_to_end(self) -> list[ServerFrame]:
        """Read the frames that come before the other side closes."""
        self.frames.feed(self.read_to_end())
        found = []
        while (frame := self.frames.next()) is not None:
            found.append(frame)
        return found


def request(gateway: GatewayProcess, method: str, target: str, *lines: str) -> bytes:
    head = [f"{method} {target} HTTP/1.1", f"Host: {gateway.host}:{gateway.port}"]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1")


def upgrade_lines(protocol: str | None = JSON) -> list[str]:
    lines = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    ]
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return lines


def upgrade(
    gateway: GatewayProcess, target: str, *lines: str, protocol: str | None = JSON
) -> bytes:
    return request(gateway, "GET", target, *upgrade_lines(protocol), *lines)


def target(
    gateway: GatewayProcess,
    hub: str = "chat",
    *,
    groups: Sequence[str] = (),
    **claims: Any,
) -> str:
    """Make the path and query that a client asks for."""
    if groups:
        claims["webpubsub.group"] = list(groups)
    token = gateway.token(f"/client/hubs/{hub}", **claims)
    return f"/client/hubs/{hub}?access_token={token}"


EVERYTHING = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]


class Witness:
    """A healthy client of the ``websockets`` package: it hears itself throughout."""

    def __init__(self, gateway: GatewayProcess, hub: str) -> None:
        url = gateway.client_url(hub, "witness", EVERYTHING, ["witnesses"])
        self._connecting = connect(
            url,
            subprotocols=[Subprotocol(JSON)],
            open_timeout=SECONDS,
            compression=None,
        )
        self._number = 0

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        assert json.loads(self._socket.recv(SECONDS))["event"] == "connected"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connecting.__exit__(kind, error, trace)

    def check(self) -> None:
        """Publish to a group of its own; hear the echo, then the ack."""
        self._number += 1
        self._socket.send(
            json.dumps(
                {
                    "type": "sendToGroup",
                    "group": "witnesses",
                    "data": self._number,
                    "ackId": self._number,
                }
            )
        )
        echo = json.loads(self._socket.recv(SECONDS))
        assert (echo["type"], echo["data"]) == ("message", self._number)
        ack = json.loads(self._socket.recv(SECONDS))
        assert ack == {"type": "ack", "ackId": self._number, "success": True}


def metrics(gateway: GatewayProcess) -> dict[str, float]:
    """Read the page of counters, those of several workers added up."""
    with RawClient(gateway) as client:
        client.request("GET", "/metrics")
        answer = client.answer()
    assert answer.status == 200
    lines = [line for line in answer.body.decode().splitlines() if line[:1] != "#"]
    found: dict[str, float] = {}
    for name, _, value in (line.rpartition(" ") for line in lines):
        of_all = _WORKER.sub("", name).replace("{}", "")
        found[of_all] = found.get(of_all, 0.0) + float(value)
    return found


def await_metric(gateway: GatewayProcess, name: str, least: float) -> float:
    """Wait until a counter has reached a value."""
    deadline = time.monotonic() + SECONDS
    value = 0.0
    while time.monotonic() < deadline:
        value = metrics(gateway).get(name, 0.0)
        if value >= least:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{name} is {value}, not {least}")


def fresh_key() -> tuple[str, str]:
    """Make a handshake key and the answer that belongs to it."""
    key = base64.b64encode(os.urandom(16)).decode()
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode())
    return key, base64.b64encode(digest.digest()).decode()
