"""Bytes from a client to messages: a fast path before websockets' Sans-I/O core.

A complete, unfragmented, masked data frame without extensions is unmasked straight
from the buffer; everything else is handed to the library frame by frame, so frame
boundaries are known here and the library never holds half a frame. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the C extension
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

_TEXT = 0x81
_BINARY = 0x82
_MASKED = 0x80
_LENGTH_16 = 126
_LENGTH_64 = 127


class Message(NamedTuple):
    """A complete message; on the fast path a bare tuple, which is made faster."""

    data: bytes
    text: bool


class Control(msgspec.Struct, frozen=True):
    """A pong, or the end: what the library made of a control or a broken frame.

    ``opcode`` is the control frame's; None when the library failed the connection.
    ``answer`` is what the library wants to send back at once: a pong.
    """

    opcode: Opcode | None
    answer: bytes = b""


class Reader:
    """Collects bytes and gives messages, a bounded number at a time.

    Args:
        protocol: The library's side of this socket, open.
        limit: Largest message in bytes.
    """

    __slots__ = (
        "_buffer",
        "_chunks",
        "_fragments",
        "_limit",
        "_missing",
        "_protocol",
        "_text",
    )

    def __init__(self, protocol: ServerProtocol, limit: int) -> None:
        self._protocol = protocol
        self._limit = limit
        self._buffer = b""
        self._chunks: list[bytes] = []
        self._missing = 0
        self._fragments: bytearray | None = None
        self._text = False

    def feed(self, data: bytes) -> None:
        """Append bytes from the socket."""
        if self._missing > len(data):
            # Joined once the frame is there: adding to a buffer is quadratic.
            self._missing -= len(data)
            self._chunks.append(data)
            return
        self._missing = 0
        if self._chunks:
            data = b"".join((*self._chunks, data))
            self._chunks.clear()
        self._buffer = self._buffer + data if self._buffer else data

    def drop(self) -> None:
        """Forget what has not been read."""
        self._buffer = b""
        self._chunks.clear()
        self._missing = 0

    def read(self, most: int) -> list[tuple[bytes, bool] | Control]:
        """Take complete messages from the buffer.

        Args:
            most: How many at most; the rest stays for the next call.

        Returns:
            Messages and controls in order. Fewer than ``most`` means that the buffer
            holds no further complete frame. A ``Control(None)`` is the last: the
            library has failed the connection, see its ``close_sent``.
        """
        found: list[tuple[bytes, bool] | Control] = []
        if self._missing:
            return found
        buffer = self._buffer
        position, end = 0, len(buffer)
        fragmented = self._fragments is not None
        while len(found) < most and end - position >= 2:  # noqa: PLR2004 - a header
            first, second = buffer[position], buffer[position + 1]
            length, head = second & 0x7F, 6
            if length == _LENGTH_16:
                if end - position < 4:  # noqa: PLR2004 - length not complete
                    break
                length, head = (buffer[position + 2] << 8) | buffer[position + 3], 8
            elif length == _LENGTH_64:
                if end - position < 10:  # noqa: PLR2004 - length not complete
                    break
                length = int.from_bytes(buffer[position + 2 : position + 10], "big")
                head = 14
            if not second & _MASKED or length > self._limit:
                # The library's verdict does not need the rest of the frame.
                position += self._hand_over(buffer[position:], found)
                break
            stop = position + head + length
            if stop > end:
                self._missing = stop - end
                break
            if (first == _TEXT or first == _BINARY) and not fragmented:  # noqa: PLR1714, SIM109 - faster
                start = position + head
                data = apply_mask(buffer[start:stop], buffer[start - 4 : start])
                found.append((data, first == _TEXT))
            else:
                self._hand_over(buffer[position:stop], found)
                fragmented = self._fragments is not None
                if found and found[-1] is _FAILED:
                    position = end
                    break
            position = stop
        if position:
            self._buffer = buffer[position:]
        return found

    def _hand_over(self, data: bytes, found: list[tuple[bytes, bool] | Control]) -> int:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            opcode = event.opcode  # type: ignore[union-attr] # requests come before
            match opcode:
                case Opcode.TEXT | Opcode.BINARY if event.fin:  # type: ignore[union-attr]
                    found.append(Message(bytes(event.data), opcode is Opcode.TEXT))  # type: ignore[union-attr]
                case Opcode.TEXT | Opcode.BINARY:
                    self._text = opcode is Opcode.TEXT
                    self._fragments = bytearray(event.data)  # type: ignore[union-attr]
                case Opcode.CONT if self._fragments is not None:
                    self._fragments += event.data  # type: ignore[union-attr]
                    if event.fin:  # type: ignore[union-attr]
                        whole = bytes(self._fragments)
                        self._fragments = None
                        found.append(Message(whole, self._text))
                case Opcode.PING:
                    found.append(Control(opcode, b"".join(protocol.data_to_send())))
                case _:
                    found.append(Control(opcode))
        if protocol.parser_exc is not None:
            found.append(_FAILED)
        return len(data)


_FAILED = Control(None)


def window_bits(protocol: ServerProtocol) -> int | None:
    """Give the server's deflate window that was negotiated; None without."""
    for extension in protocol.extensions:
        if isinstance(extension, PerMessageDeflate):
            return extension.local_max_window_bits
    return None
