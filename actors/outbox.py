"""What goes to one peer: messages become numbered batches, kept until acknowledged.

A part of the link: it runs in the link's turns, and at the end of a round, when what
the round has for the peer travels as one batch. Knows no greeting and no hub.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from hubbub.actors.messages import peers
from hubbub.actors.policy.sequence import Unacknowledged
from hubbub.actors.policy.sizes import size_of

if TYPE_CHECKING:
    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.runtime.dispatcher import Dispatcher
    from hubbub.actors.runtime.ports import Channel

WINDOW: Final = 64
"""Batches under way; a channel holds more. What comes meanwhile waits, and makes the
next batch bigger."""

WINDOW_BYTES: Final = 8 << 20
"""Bytes under way, unless a single batch has more."""

BATCH_BYTES: Final = 256 << 10
"""Bytes of a batch, unless a single message has more."""

OWED: Final = 8
"""Batches taken before the sender is told, when nobody waits for it."""


_TOO_MUCH: Final = 4
"""Times the bytes above which clients are read no more: then the peer is given up."""


class _Held(NamedTuple):
    """A receipt to be paid once the peer has taken so many messages."""

    position: int
    since: float
    receipt: Receipt


class Outbox:
    """Sends in order, in batches, as far as the peer keeps up.

    Args:
        channel: The way to the peer.
        gateway: This gateway's id.
        tag: The peer's nonce of this epoch.
        dispatcher: Its rounds and its clock.
        most: Bytes above which clients are read no more.
    """

    def __init__(
        self,
        channel: Channel,
        gateway: str,
        tag: int,
        dispatcher: Dispatcher,
        most: int,
    ) -> None:
        self._channel = channel
        self._gateway = gateway
        self._tag = tag
        self._dispatcher = dispatcher
        self._most = most
        self._waiting: deque[peers.Message] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._held: deque[_Held] = deque()
        self._sent = Unacknowledged()
        self._put = 0
        self._scheduled = False
        self._due = False
        self.received = 0
        """The last batch of the peer's that was taken, which every batch tells."""
        self.owed = 0
        """Batches taken since the peer was told."""
        self.progress = dispatcher.now()
        """When the peer last acknowledged something, or had nothing to."""

    def put(self, message: peers.Message, receipt: Receipt | None = None) -> None:
        """Send a message at the end of the round; pay once the peer has taken it."""
        if not self._waiting and not self._sent:
            self.progress = self._dispatcher.now()
        self._waiting.append(message)
        self._put += 1
        size = size_of(message)
        self._sizes.append(size)
        self._bytes += size
        if receipt is not None:
            self._held.append(_Held(self._put, self._dispatcher.now(), receipt))
        if self.behind:
            self._dispatcher.hold(self)
        self.wake()

    def wake(self) -> None:
        """Come round at the end of the round."""
        if not self._scheduled:
            self._scheduled = True
            self._dispatcher.write_later(self)

    @property
    def size(self) -> int:
        """Bytes, roughly, that the peer has not acknowledged."""
        return self._bytes + self._sent.size

    @property
    def behind(self) -> bool:
        """Whether the peer has so much to take that clients should not be read."""
        return self.size > self._most

    @property
    def unacknowledged(self) -> int:
        """Messages that the peer may not have."""
        return len(self._waiting) + self._sent.messages

    def flush(self) -> None:
        """Send what the window allows; called at the end of the round."""
        self._scheduled = False
        while self._waiting and self._has_room():
            self._send_batch()
        if self._due and self.owed:
            self.beat()
        self._due = False

    def take(self, number: int, *, prompt: bool) -> None:
        """Note that a batch of the peer's was taken; tell it at once where it waits."""
        self.received = number
        self.owed += 1
        if prompt or self.owed >= OWED:
            self._due = True
            self.wake()

    def acknowledge(self, received: int) -> None:
        """Hear how far the peer is."""
        if not self._sent.acknowledge(received):
            return
        self.progress = self._dispatcher.now()
        taken = self._put - self.unacknowledged
        while self._held and self._held[0].position <= taken:
            self._held.popleft().receipt.pay()
        if 2 * self.size < self._most:
            self._dispatcher.release(self)
        if self._waiting:
            self.wake()

    def resend(self) -> int:
        """Send again what the peer does not have; gives the number of batches."""
        for batch in self._sent:
            self._channel.send(batch)
        return len(self._sent)

    def beat(self, *, missing: bool = False) -> None:
        """Give a sign of life, and say how far both sides are."""
        self.owed = 0
        self._channel.send(
            peers.Heartbeat(
                self._gateway, self._tag, self._sent.last, self.received, missing
            )
        )

    def pay_late(self, since: float) -> int:
        """Pay receipts that wait since before a time; gives how many."""
        late = 0
        while self._held and self._held[0].since < since:
            self._held.popleft().receipt.pay()
            late += 1
        return late

    def is_stuck(self, since: float) -> bool:
        """Tell whether the peer has too much, and took nothing since a time."""
        return self.size > _TOO_MUCH * self._most or (
            self.behind and self.progress < since
        )

    def close(self) -> int:
        """End the epoch; pays every receipt.

        Returns:
            How many messages the peer has not acknowledged.
        """
        lost = self.unacknowledged
        self._dispatcher.release(self)
        held, self._held = self._held, deque()
        self._waiting.clear()
        self._sizes.clear()
        self._sent = Unacknowledged()
        for one in held:
            one.receipt.pay()
        return lost

    def _has_room(self) -> bool:
        sent = self._sent
        return len(sent) < WINDOW and sent.size < WINDOW_BYTES

    def _send_batch(self) -> None:
        messages, size = [], 0
        waiting, sizes = self._waiting, self._sizes
        while waiting and size < BATCH_BYTES:
            messages.append(waiting.popleft())
            size += sizes.popleft()
        self._bytes -= size
        sent = self._put - len(waiting)
        batch = peers.Batch(
            self._gateway,
            self._tag,
            self._sent.last + 1,
            self.received,
            tuple(messages),
            prompt=bool(self._held) and self._held[0].position <= sent,
        )
        self._sent.keep(batch, size)
        self.owed = 0
        self._channel.send(batch)
