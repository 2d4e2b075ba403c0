"""The parts of a stream that its gateway may not have yet. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from hubbub.actors.messages import requests
from hubbub.sdk.client.inbox import size_of

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload

_MOST_BYTES: Final = 4 << 20


class Fragments:
    """Parts in order: sent and not acknowledged, then those to be sent.

    Args:
        stream_id: The stream.
        most: Parts that may be here before there is no room.
    """

    def __init__(self, stream_id: str, most: int) -> None:
        self._stream_id = stream_id
        self._most = most
        self._kept: deque[requests.SendFragment] = deque()
        self._size = 0
        self._first = self._cursor = 1
        self._rewound = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another part."""
        return len(self._kept) >= self._most or self._size >= _MOST_BYTES

    @property
    def unsent(self) -> bool:
        """Whether there is a part to be sent."""
        return self._cursor < self._first + len(self._kept)

    def add(self, payload: Payload) -> None:
        """Add the next part."""
        number = self._first + len(self._kept)
        self._kept.append(requests.SendFragment(self._stream_id, number, payload))
        self._size += size_of(payload)

    def take(self) -> requests.SendFragment:
        """Give the next part to be sent."""
        self._cursor += 1
        return self._kept[self._cursor - 1 - self._first]

    def acknowledge(self, expected: int) -> bool:
        """Forget the parts below a number; False if there can be no such number."""
        if not self._first <= expected <= self._first + len(self._kept):
            return False
        while self._first < expected:
            self._size -= size_of(self._kept.popleft().payload)
            self._first += 1
        self._cursor = max(self._cursor, self._first)
        return True

    def rewind(self, expected: int) -> bool:
        """Send again from a number, which the gateway misses; False if it does not.

        Once for each: it complains of every part that comes behind the missing one.
        """
        missed = self._first <= expected < self._cursor and expected != self._rewound
        if missed:
            self._rewound = self._cursor = expected
        return missed

    def again(self) -> None:
        """Send everything again: nobody knows what has arrived."""
        self._cursor, self._rewound = self._first, 0
