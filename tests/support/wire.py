"""Frames made by hand, right and wrong, and a reader of server frames of our own.

Nothing here uses the code under test or the library it stands on.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
RSV1 = 4
MASK = b"\x3a\x5c\x91\xe7"
NO_OP_MASK = b"\0\0\0\0"


def masked(data: bytes, mask: bytes) -> bytes:
    """XOR with a repeated key of four bytes."""
    if mask == NO_OP_MASK:
        return data
    key = (mask * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
    return number.to_bytes(len(data), "big")


def client_frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length: int | None = None,
) -> bytes:
    """Make a frame; ``length`` lies about the payload, ``mask=None`` leaves it bare."""
    size = len(data) if length is None else length
    bit = 0 if mask is None else 0x80
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if mask is None:
        return head + data
    return head + mask + masked(data, mask)


def text(data: str | bytes) -> bytes:
    """Make a complete text frame."""
    return client_frame(TEXT, data.encode() if isinstance(data, str) else data)


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """Make a close frame."""
    return client_frame(
        CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason
    )


class ServerFrame(NamedTuple):
    opcode: int
    data: bytes
    fin: bool
    rsv: int

    @property
    def content(self) -> bytes:
        """The payload, inflated if it was deflated."""
        if self.rsv != RSV1:
            return self.data
        return zlib.decompressobj(-15).decompress(self.data + b"\0\0\xff\xff")

    @property
    def close(self) -> tuple[int, str]:
        """The code and the reason of a close frame."""
        assert self.opcode == CLOSE, self
        if not self.data:
            return 1005, ""
        return int.from_bytes(self.data[:2], "big"), self.data[2:].decode()


class ServerFrames:
    """Collects bytes from a server and gives complete frames."""

    def __init__(self) -> None:
        self.buffer = b""

    def feed(self, data: bytes) -> None:
        self.buffer += data

    def next(self) -> ServerFrame | None:
        """Take the first frame; None while it is not complete."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        assert not buffer[1] & 0x80, "a server must not mask"
        size, head = buffer[1] & 0x7F, 2
        if size == 126:
            head = 4
        elif size == 127:
            head = 10
        if len(buffer) < head:
            return None
        if head > 2:
            size = int.from_bytes(buffer[2:head], "big")
        if len(buffer) < head + size:
            return None
        self.buffer = buffer[head + size :]
        first = buffer[0]
        return ServerFrame(
            first & 0x0F, buffer[head : head + size], bool(first & 0x80), first >> 4 & 7
        )
