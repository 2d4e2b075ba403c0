"""WebSocket frames from server to client, and the codecs made of them (RFC 6455 5.2).

A frame without mask is the same for every recipient, so it is made once per message
and codec. With compression too: without context takeover a compressed frame depends on
nothing but its message (RFC 7692 7.1.1.1).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from websockets.frames import Close

    from hubbub.actors.runtime.ports import AnyPush

TEXT = 0x81
BINARY = 0x82
_COMPRESSED = 0x40
_SMALL = 126
_MEDIUM = 1 << 16
_WORTHWHILE = 64
"""Messages below this many bytes are sent as they are: deflate would grow them."""

_MOST_REASON = 123

_medium = struct.Struct("!BBH").pack
_large = struct.Struct("!BBQ").pack


Said: TypeAlias = tuple[int, bytes]
"""A message as a subprotocol says it: TEXT or BINARY, and its bytes."""


class Composer(Protocol):
    """The pure half of a subprotocol that turns pushes into messages."""

    def compose(self, push: Any) -> Said | None:
        """Say a push of its vocabulary; None when it has no words for it."""


def frame(first: int, data: bytes) -> bytes:
    """Put an unmasked header before a payload; ``first`` is the header's first byte."""
    length = len(data)
    if length < _SMALL:
        return bytes((first, length)) + data
    if length < _MEDIUM:
        return _medium(first, 126, length) + data
    return _large(first, 127, length) + data


class PlainCodec:
    """Frames of a subprotocol without compression."""

    __slots__ = ("_compose",)

    def __init__(self, composer: Composer) -> None:
        self._compose = composer.compose

    def encode(self, push: AnyPush) -> bytes:
        """Turn a push into a frame; empty when there is nothing to say."""
        said = self._compose(push)
        return b"" if said is None else frame(*said)

    def join(self, frames: list[bytes]) -> bytes:
        """Make one block of frames."""
        return frames[0] if len(frames) == 1 else b"".join(frames)


class DeflateCodec:
    """Frames of a subprotocol for clients that negotiated permessage-deflate.

    Args:
        composer: The subprotocol.
        window_bits: The server's LZ77 window, 9 to 15, as negotiated.
    """

    __slots__ = ("_compose", "_window_bits")

    def __init__(self, composer: Composer, window_bits: int) -> None:
        self._compose = composer.compose
        self._window_bits = window_bits

    def encode(self, push: AnyPush) -> bytes:
        """Turn a push into a frame; empty when there is nothing to say."""
        said = self._compose(push)
        if said is None:
            return b""
        kind, data = said
        if len(data) < _WORTHWHILE:
            return frame(kind, data)
        deflate = zlib.compressobj(wbits=-self._window_bits)
        packed = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return frame(kind | _COMPRESSED, packed[:-4])  # RFC 7692 7.2.1

    def join(self, frames: list[bytes]) -> bytes:
        """Make one block of frames."""
        return b"".join(frames)


def close_of(close: Close | None, without: int) -> tuple[int, str]:
    """Give code and reason of a close frame; ``without`` one, that code."""
    return (without, "") if close is None else (int(close.code), close.reason)


def close_reason(text: str) -> str:
    """Cut a close reason to the 123 bytes of a control frame (RFC 6455 5.5)."""
    return text.encode()[:_MOST_REASON].decode(errors="ignore")
