"""What has arrived and was not read yet: bounded, and honest about what was dropped."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar
from weakref import WeakSet

from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text
from hubbub.sdk.errors import ClosedError, DeadlineError, MessagesLost

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.messages import Message

T = TypeVar("T")

MOST_BYTES = 16 << 20
"""Bytes of payload that may wait for one reader, as at the gateway."""


class Inbox(Generic[T]):
    """A queue for one kind of thing; when it is full, the oldest makes room.

    An asynchronous iterator: it ends when the client is closed, and raises
    ClosedError when the client has ended for another reason. Leaving a loop over it
    and entering another goes on where the first has stopped.

    Args:
        most: How many things may wait.
        most_bytes: How many bytes of them may wait.
    """

    def __init__(self, most: int, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._lost = 0
        self._readers: deque[asyncio.Future[None]] = deque()
        self._ended = False
        self._cause: Exception | None = None

    def put(self, thing: T, size: int = 0) -> None:
        """Add a thing of so many bytes."""
        self._waiting.append((thing, size))
        self._bytes += size
        while len(self._waiting) > self._most or (
            self._bytes > self._most_bytes and len(self._waiting) > 1
        ):
            self._take()
            self._lost += 1
        self._wake()

    def end(self, cause: Exception | None = None) -> None:
        """Let readers end once nothing waits: there will be no more.

        Args:
            cause: Why, unless the owner wished it.
        """
        self._ended, self._cause = True, cause
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)

    def copy_to(self, other: Inbox[T]) -> None:
        """Let another inbox have what waits here."""
        for thing, size in self._waiting:
            other.put(thing, size)

    async def next(self, timeout: float | None = None) -> T:  # noqa: ASYNC109 - shorter for callers than a block
        """Wait for one thing and take it.

        Args:
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            MessagesLost: Some were dropped; the next call gives the oldest there is.
            DeadlineError: Nothing came in time.
            ClosedError: There will be no more.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._arrival()
        except TimeoutError:
            raise DeadlineError("a message", timeout or 0) from None
        if self._lost:
            count, self._lost = self._lost, 0
            raise MessagesLost(count)
        return self._take()

    async def _arrival(self) -> None:
        while not self._waiting:
            if self._ended:
                raise ClosedError("the client is closed") from self._cause
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            except asyncio.CancelledError:
                if reader.done() and not reader.cancelled() and self._waiting:
                    self._wake()  # another reader shall have what this one leaves
                raise
            finally:
                self._readers.remove(reader)

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)
                return

    def _take(self) -> T:
        thing, size = self._waiting.popleft()
        self._bytes -= size
        return thing

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.next()
        except ClosedError:
            if self._cause is None:
                raise StopAsyncIteration from None
            raise


class Inboxes:
    """The client's own inbox, and those of its iterators as long as they live.

    Args:
        most: Messages that may wait in each.
    """

    def __init__(self, most: int) -> None:
        self.own: Inbox[Message] = Inbox(most)
        self._most = most
        self._others: WeakSet[Inbox[Message]] = WeakSet()
        self._untouched = True
        self._end: tuple[Exception | None] | None = None

    def put(self, message: Message) -> None:
        """Give a message to every reader."""
        size = size_of(message.payload)
        self.own.put(message, size)
        for inbox in tuple(self._others):
            inbox.put(message, size)

    def new(self) -> Inbox[Message]:
        """Make an inbox; the first gets what has arrived before, too."""
        inbox: Inbox[Message] = Inbox(self._most)
        if self._untouched:
            self._untouched = False
            self.own.copy_to(inbox)
        if self._end is None:
            self._others.add(inbox)
        else:
            inbox.end(*self._end)
        return inbox

    def end(self, cause: Exception | None) -> None:
        """Let all readers end."""
        self._end = (cause,)
        for inbox in (self.own, *self._others):
            inbox.end(cause)


def size_of(payload: Payload) -> int:
    """Tell how many bytes, or characters of text, a payload has."""
    match payload:
        case Text(text=text):
            return len(text)
        case Json(raw=data) | Binary(data=data) | Protobuf(data=data):
            return len(data)
