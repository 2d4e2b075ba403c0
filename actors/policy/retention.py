"""What a client has been sent and has not acknowledged: numbered, bounded, kept.

Numbers begin at 1 and have no gaps; an acknowledgement is cumulative (client protocols,
reliable subprotocols). Pure: the time comes in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from hubbub.actors.messages.sessions import Mail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.runtime.ports import Letters, NumberingCodec

EXPIRED: Final = -1
"""The ttl of a message that has waited too long."""


class Bounds(NamedTuple):
    """How much may be kept for one client.

    Args:
        messages: Messages, of those that came while the client was away; and of those
            a client that is there leaves unacknowledged for ``patience`` seconds.
        size: Bytes, of all.
        patience: Seconds without progress until a client counts as one that does not
            acknowledge.
        window: Seconds that a session waits for its client to come back.
    """

    messages: int = 1000
    size: int = 16 << 20
    patience: float = 10.0
    window: float = 60.0


class Retention:
    """The messages of one session that are not acknowledged yet.

    What is kept of a message is shared with everybody who got it: a session has a
    reference to it, and no object of its own that the collector would have to visit.
    """

    __slots__ = ("_first", "_kept", "_since", "acknowledged", "last", "size")

    def __init__(self) -> None:
        self._kept: deque[Letters] = deque()
        self._first = 1
        """The number of the first message that is kept."""
        self._since: dict[int, float] | None = None
        """By first number, since when messages wait that may not do so for ever."""
        self.acknowledged = 0
        """The number up to which the client has said that it has them."""
        self.last = 0
        """The number of the last message."""
        self.size = 0
        """Bytes that are kept, of messages that came together all or none."""

    @property
    def count(self) -> int:
        """How many messages are not acknowledged."""
        return self.last - self.acknowledged

    def add(self, letters: Letters, now: float = 0.0) -> int:
        """Keep messages; gives the number of the first.

        Args:
            letters: The messages, at least one.
            now: The time, where one of them may not wait for ever.
        """
        first = self.last + 1
        self.last += letters.count
        self.size += letters.size
        self._kept.append(letters)
        if letters.ttls:
            if self._since is None:
                self._since = {}
            self._since[first] = now
        return first

    def acknowledge(self, sequence_id: int) -> bool:
        """Forget messages up to a number; repeats and numbers to come are harmless.

        Returns:
            Whether it was news.
        """
        sequence_id = min(sequence_id, self.last)
        if sequence_id <= self.acknowledged:
            return False
        self.acknowledged = sequence_id
        kept, first = self._kept, self._first
        while kept:
            letters = kept[0]
            after = first + letters.count
            if after - 1 > sequence_id:
                break
            self.size -= letters.size
            kept.popleft()
            if self._since is not None:
                self._since.pop(first, None)
            first = after
        self._first = first
        return True

    def again(self, codec: NumberingCodec, now: float) -> Iterator[tuple[bytes, int]]:
        """Give what is not acknowledged, as blocks for a socket with their counts.

        A message that has waited too long is left out; its number is not used again.
        """
        for first, letters, since in self._all():
            if not letters.ttls:
                whole = first + letters.count - 1 - max(first - 1, self.acknowledged)
                yield letters.numbered(first, self.acknowledged), whole
                continue
            for number, (data, ttl) in enumerate(letters.bodies, first):
                if number > self.acknowledged and not _is_late(ttl, since, now):
                    yield codec.restore([(data, ttl)]).numbered(number), 1

    def export(self, now: float, room: int) -> Mail:
        """Give all that is kept, for a session that has room for so many more."""
        bodies = [
            (data, _left(ttl, since, now))
            for first, letters, since in self._all()
            for number, (data, ttl) in enumerate(letters.bodies, first)
            if number > self.acknowledged
        ]
        return Mail(self.acknowledged, self.last, room, tuple(bodies))

    def restore(self, mail: Mail, codec: NumberingCodec, now: float) -> None:
        """Take over what was kept elsewhere, before anything is added.

        Raises:
            ValueError: Its numbers have gaps.
        """
        if len(mail.bodies) != mail.last - mail.acknowledged:
            raise ValueError("there is not a message for every number")
        self.acknowledged = self.last = mail.acknowledged
        self._first = mail.acknowledged + 1
        for body in mail.bodies:
            self.add(codec.restore([body]), now)

    def clear(self) -> None:
        """Forget everything: the session is over."""
        self._kept.clear()
        self._since = None
        self.size = 0
        self.acknowledged = self.last
        self._first = self.last + 1

    def _all(self) -> Iterator[tuple[int, Letters, float]]:
        """Give first number, messages, and since when they wait (0: for ever)."""
        first, times = self._first, self._since or {}
        for letters in self._kept:
            yield first, letters, times.get(first, 0.0)
            first += letters.count


def _left(ttl: int, since: float, now: float) -> int:
    if not ttl:
        return 0
    left = int(since + ttl - now)
    return EXPIRED if ttl < 0 or left <= 0 else left


def _is_late(ttl: int, since: float, now: float) -> bool:
    return ttl < 0 or (ttl > 0 and now >= since + ttl)
