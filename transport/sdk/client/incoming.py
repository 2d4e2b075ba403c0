"""Streams that others publish to the groups of a client.

Each is read as an iterator of its own. Its parts are ordinary messages too, with a mark
on them: who reads messages has them as well (client protocols reference, section 3.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from weakref import WeakSet, WeakValueDictionary

from hubbub.sdk.client.inbox import Inbox, size_of
from hubbub.sdk.errors import (
    ClosedError,
    ConnectionLost,
    DeadlineError,
    HubbubError,
    StreamError,
)

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import StreamMark
    from hubbub.sdk.messages import Message

IDLE = 300.0
"""Seconds of silence that are taken for the end of a stream; what gateways do."""

_MOST_STREAMS = 100
"""Streams that wait for a reader; each keeps its parts."""


class IncomingStream:
    """A stream that somebody publishes to a group: iterate over its parts.

    The iterator ends when the publisher has ended the stream. It raises StreamError
    when the stream ended early or was silent for too long, ConnectionLost when parts
    may have been missed, MessagesLost when it was not read in time, and ClosedError
    when the client is closed.

    Args:
        message: The first part that was heard.
        mark: Which part that is.
        most: Parts that may wait to be read.
        idle: Seconds to wait for a part.
    """

    def __init__(
        self, message: Message, mark: StreamMark, most: int, idle: float
    ) -> None:
        self.group = message.group or ""
        """The group."""
        self.from_user = message.from_user
        """Who publishes it; None for an anonymous client."""
        self.stream_id = mark.stream_id
        """How its publisher calls it."""
        self.first = mark.sequence_id
        """The number of the first part that was heard: 1 for a whole stream."""
        self._idle = idle
        self._parts: Inbox[Message] = Inbox(most)
        self._error: HubbubError | None = None

    async def next(self, timeout: float | None = None) -> Message:  # noqa: ASYNC109 - shorter for callers than a block
        """Wait for the next part.

        Args:
            timeout: Seconds to wait at most; None for no limit of one's own.

        Raises:
            StreamError: The stream ended early, or was silent for too long.
            ConnectionLost: Parts may have been missed.
            MessagesLost: Parts were dropped: nobody read them in time.
            DeadlineError: None came in time.
            ClosedError: There are no more.
        """
        shorter = timeout is not None and timeout < self._idle
        try:
            return await self._parts.next(timeout if shorter else self._idle)
        except DeadlineError:
            if shorter:
                raise
            text = f"Nothing came for {self._idle:g} seconds."
            raise StreamError("IdleTimeout", text) from None
        except ClosedError:
            if self._error is not None:
                raise self._error from None
            raise ClosedError("the stream has ended") from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.next()
        except ClosedError:
            if self._error is None:
                raise StopAsyncIteration from None
            raise

    def __repr__(self) -> str:
        return f"<IncomingStream {self.stream_id} to {self.group}>"

    def put(self, message: Message, mark: StreamMark) -> None:
        """Take a part; the last one says how it ended and has no data."""
        if not mark.end:
            self._parts.put(message, size_of(message.payload))
        elif (error := mark.error) is None:
            self.end(None)
        else:
            text, code = error.message or "", error.user_error_code
            self.end(StreamError(error.name, text, code))

    def end(self, error: HubbubError | None) -> None:
        """Let the reader end after what has come."""
        self._error = error
        self._parts.end()


class IncomingStreamReader:
    """An iterator over the streams that begin to arrive; ``next`` waits for one.

    It ends when the client is closed, and raises ClosedError when the client has ended
    for another reason.

    Args:
        group: The group; None for all.
        whole: Whether to leave out streams whose beginning was not heard.
        idle: Seconds of silence that are taken for the end of a stream.
        most: Parts of each stream that may wait to be read.
    """

    def __init__(self, group: str | None, whole: bool, idle: float, most: int) -> None:
        self._group = group
        self._whole = whole
        self._idle = idle
        self._most = most
        self._inbox: Inbox[IncomingStream] = Inbox(min(most, _MOST_STREAMS))
        self._open: WeakValueDictionary[
            tuple[str | None, str | None, str], IncomingStream
        ] = WeakValueDictionary()

    async def next(self, timeout: float | None = None) -> IncomingStream:  # noqa: ASYNC109 - as above
        """Wait for a stream to begin.

        Args:
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            MessagesLost: Streams were dropped: nobody took them in time.
            DeadlineError: None came in time.
            ClosedError: The client is closed.
        """
        return await self._inbox.next(timeout)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> IncomingStream:
        return await anext(self._inbox)

    def hear(self, message: Message, mark: StreamMark) -> None:
        """Take a part of a stream to it, or begin a stream with it."""
        if self._group not in {None, message.group}:
            return
        key = (message.group, message.from_user, mark.stream_id)
        stream = self._open.get(key)
        if stream is None or mark.sequence_id == 1:
            if self._whole and mark.sequence_id != 1:
                return
            if stream is not None:
                text = "Another stream of the same id has begun."
                stream.end(StreamError("Cancelled", text))
            stream = IncomingStream(message, mark, self._most, self._idle)
            self._inbox.put(stream)
            self._open[key] = stream
        stream.put(message, mark)
        if mark.end:
            del self._open[key]

    def lose(self, error: HubbubError) -> None:
        """End the streams that are under way."""
        for stream in tuple(self._open.values()):
            stream.end(error)
        self._open.clear()

    def end(self, cause: Exception | None) -> None:
        """End, and all streams that are under way."""
        closed = ClosedError("the client is closed")
        closed.__cause__ = cause
        self.lose(closed)
        self._inbox.end(cause)


class IncomingStreams:
    """Those who read streams.

    Args:
        most: Parts of each stream that may wait for each reader.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._readers: WeakSet[IncomingStreamReader] = WeakSet()
        self._end: tuple[Exception | None] | None = None

    def new(self, group: str | None, whole: bool, idle: float) -> IncomingStreamReader:
        """Make a reader of the streams that begin from now on."""
        reader = IncomingStreamReader(group, whole, idle, self._most)
        if self._end is None:
            self._readers.add(reader)
        else:
            reader.end(*self._end)
        return reader

    def hear(self, message: Message) -> None:
        """Take a part of a stream to every reader."""
        if message.stream is not None:
            for reader in tuple(self._readers):
                reader.hear(message, message.stream)

    def lose(self, reason: str) -> None:
        """End the streams under way: parts of them will be missed."""
        for reader in tuple(self._readers):
            reader.lose(ConnectionLost(reason))

    def end(self, cause: Exception | None) -> None:
        """Let all readers end."""
        self._end = (cause,)
        for reader in tuple(self._readers):
            reader.end(cause)
