"""The streams that a client publishes, for those who tell them something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.sdk.errors import ClosedError, ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from hubbub.sdk.client.outgoing import OutgoingStream
    from hubbub.sdk.client.protocols import StreamNews
    from hubbub.sdk.client.session import Session


class OutgoingStreams:
    """The streams that are under way."""

    def __init__(self) -> None:
        self._streams: dict[str, OutgoingStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, stream: OutgoingStream) -> None:
        """Take what is said of a stream to it."""
        self._streams[stream.stream_id] = stream

    def drop(self, stream: OutgoingStream) -> None:
        """Do so no longer."""
        self._streams.pop(stream.stream_id, None)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a stream work, also when nobody holds it any more."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def hear(self, news: StreamNews) -> None:
        """Take what the gateway says of a stream to it."""
        stream = self._streams.get(news.stream_id)
        if stream is not None:
            stream.hear(news)

    def resume(self, session: Session) -> None:
        """Let all go on after a recovery."""
        for stream in tuple(self._streams.values()):
            stream.resume(session)

    def lose(self, reason: str) -> None:
        """End all: the session is gone."""
        for stream in tuple(self._streams.values()):
            stream.lose(ConnectionLost(reason))

    def end(self, cause: Exception | None) -> None:
        """End all: the client ends."""
        for stream in tuple(self._streams.values()):
            closed = ClosedError("the client is closed")
            closed.__cause__ = cause
            stream.lose(closed)
