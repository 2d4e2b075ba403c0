"""What gateways say on a recorded connection, and sockets that say it, or worse.

Nothing of a gateway's own wire is used here, but for the reader of its packets.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Self

import zmq

from hubbub.transport.wire.peering import decode, encode

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.messages.peers import Malformed, Packet

GREETING = 64
LONG, COMMAND = 2, 4
SECONDS_MS = 10_000


def frames(said: bytes) -> list[bytes]:
    """Take the messages out of a recorded connection (ZMTP 3, not encrypted)."""
    found = []
    rest = said[GREETING:]
    while len(rest) >= 2:
        flags, head = rest[0], 2
        size = rest[1]
        if flags & LONG:
            head = 9
            size = int.from_bytes(rest[1:9], "big")
        if len(rest) < head + size:
            break
        if not flags & COMMAND:
            found.append(bytes(rest[head : head + size]))
        rest = rest[head + size :]
    return found


def packets(said: bytes) -> list[Packet | Malformed]:
    """Read what a gateway has said on a recorded connection."""
    return [decode(frame) for frame in frames(said)]


def throw(port: int, data: bytes) -> None:
    """Connect, say some bytes, read what comes back, and leave."""
    # It may be closed on us at any time.
    with (
        socket.create_connection(("127.0.0.1", port), timeout=2) as raw,
        contextlib.suppress(OSError),
    ):
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1 << 16):
            pass


class Pusher:
    """A ZeroMQ socket that sends whatever it is told to a gateway."""

    def __init__(self, port: int, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.socket = context.socket(zmq.PUSH)
        self.socket.linger = 0
        self.socket.immediate = True  # nothing is sent before the handshake
        self.socket.sndtimeo = SECONDS_MS
        self._port = port

    def __enter__(self) -> Self:
        self.socket.connect(f"tcp://127.0.0.1:{self._port}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def say(self, *said: Packet | bytes) -> None:
        for one in said:
            self.socket.send(one if isinstance(one, bytes) else encode(one))


class Listening:
    """A ZeroMQ socket that hears what a gateway says to it, perhaps with own keys."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], *, keys: bool = False
    ) -> None:
        self.socket = context.socket(zmq.PULL)
        if keys:
            self.socket.curve_server = True
            self.socket.curve_publickey, self.socket.curve_secretkey = (
                zmq.curve_keypair()
            )
        self.socket.linger = 0
        self.socket.rcvtimeo = SECONDS_MS
        self.endpoint = ""

    def __enter__(self) -> Self:
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def hear(self) -> Packet | Malformed:
        """Wait for the next packet."""
        return decode(self.socket.recv())

    def silent(self, milliseconds: int) -> bool:
        """Tell whether nothing came in a while."""
        return not self.socket.poll(milliseconds)
