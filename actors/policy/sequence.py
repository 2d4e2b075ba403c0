"""Numbered batches of one direction of a link: what was sent, what was taken. Pure.

Numbers begin at 1 with each epoch. The sender keeps what was not acknowledged; the
receiver takes the next number only, so nothing is taken twice or out of order.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.messages.peers import Batch


class Unacknowledged:
    """Batches that the peer may not have yet, oldest first."""

    __slots__ = ("_batches", "_sizes", "last", "messages", "size")

    def __init__(self) -> None:
        self.last = 0
        """The number of the last batch that was sent."""
        self.size = 0
        """Bytes, roughly, of what is kept."""
        self.messages = 0
        """Messages in what is kept."""
        self._batches: deque[Batch] = deque()
        self._sizes: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    @property
    def acknowledged(self) -> int:
        """The number up to which the peer has everything."""
        return self.last - len(self._batches)

    def keep(self, batch: Batch, size: int) -> None:
        """Keep a batch that bears the number after the last."""
        self.last = batch.number
        self._batches.append(batch)
        self._sizes.append(size)
        self.size += size
        self.messages += len(batch.messages)

    def acknowledge(self, received: int) -> bool:
        """Forget what the peer has.

        Returns:
            Whether that was news.
        """
        if not self.acknowledged < received <= self.last:
            return False  # known already, or of batches that were never sent
        while self._batches and self._batches[0].number <= received:
            self.messages -= len(self._batches.popleft().messages)
            self.size -= self._sizes.popleft()
        return True


class Arrival(enum.Enum):
    """What a number means to the receiver."""

    NEXT = enum.auto()
    SEEN = enum.auto()
    EARLY = enum.auto()
    """Something before it is missing."""


class Received:
    """How far a receiver is."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0
        """The last batch taken."""

    def take(self, number: int) -> Arrival:
        """Take the next number, or tell why not."""
        if number == self.number + 1:
            self.number = number
            return Arrival.NEXT
        return Arrival.SEEN if number <= self.number else Arrival.EARLY
