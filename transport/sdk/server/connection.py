"""A WebSocket that hands over each message in the call that brings it.

The library's queue and ``recv()`` would cost a third of an event. Its parser,
handshake, pings and close are used as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.frames import DATA_OPCODES, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.protocol import Event

_MOST_PARTS: Final = 4096
"""Fragments of one message, which may be empty: their size bounds nothing."""


class ServerSocket(ClientConnection):
    """A client's side of a connection; messages go to ``hear`` once it is set."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._hear: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []
        self._parts: list[bytes | bytearray | memoryview] = []

    def hear(self, take: Callable[[bytes], None]) -> None:
        """Hand messages over from now on, beginning with those that came before."""
        early, self._early = self._early, []
        self._hear = take
        for message in early:
            take(message)

    def process_event(self, event: Event) -> None:
        """Take the frames of messages from the library; part of its interface."""
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        if event.fin and not self._parts:
            data = bytes(event.data)
        elif len(self._parts) >= _MOST_PARTS:
            self.transport.abort()
            return
        else:
            self._parts.append(event.data)
            if not event.fin:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        if self._hear is None:
            self._early.append(data)
        else:
            self._hear(data)
