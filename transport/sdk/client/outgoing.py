"""Streams that a client publishes to groups, and that outlive its sockets.

Parts are kept until the gateway acknowledges them, and sent again after a recovery
(client protocols reference, section 3.9).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.sdk.client.bell import Bell
from hubbub.sdk.client.fragments import Fragments
from hubbub.sdk.errors import (
    ClosedError,
    ConnectionLost,
    DeadlineError,
    HubbubError,
    ProtocolError,
    StreamError,
)
from hubbub.sdk.messages import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hubbub.sdk.client.current import Current
    from hubbub.sdk.client.outgoing_streams import OutgoingStreams
    from hubbub.sdk.client.protocols import StreamNews
    from hubbub.sdk.client.session import Session


class OutgoingStream:
    """A stream to a group; use it as ``async with client.stream(group) as stream:``.

    Entering begins it. Leaving the block ends it, and waits until the gateway has
    published everything; leaving it by an exception ends it with an error for those who
    read it, and waits for nothing.

    Args:
        start: What begins it.
        registry: Where the gateway's words for it arrive.
        current: The session that it begins on.
        timeout: Seconds to wait for anything, unless told otherwise.
        most: Parts without an acknowledgement before ``send`` waits.
    """

    def __init__(
        self,
        start: requests.StartStream,
        registry: OutgoingStreams,
        current: Current,
        timeout: float,
        most: int,
    ) -> None:
        self._start = start
        self._registry = registry
        self._current = current
        self._timeout = timeout
        self._parts = Fragments(start.stream_id, most)
        self._bell = Bell()
        self._session: Session | None = None
        self._end: requests.EndStream | None = None
        self._entered = self._accepted = self._over = False
        self._end_said = self._in_doubt = False
        self._error: HubbubError | None = None

    @property
    def stream_id(self) -> str:
        """How the gateway, and those who read it, know it."""
        return self._start.stream_id

    @property
    def group(self) -> str:
        """The group it is published to."""
        return self._start.group

    # What the publisher does.

    async def send(self, data: object, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - shorter for callers
        """Send the next part; wait while too many are not acknowledged.

        When it returns, the part is on its way, or waits for the session to be
        recovered. Whether everything was published is told at the end.

        Args:
            data: As with ``send_to_group``.
            timeout: Seconds to wait; None for the client's.

        Raises:
            StreamError: The gateway has ended the stream.
            ConnectionLost: The session is gone, and the stream with it.
            DeadlineError: Nothing was acknowledged in time.
            ClosedError: The stream was ended, or the client is closed.
            TypeError: JSON cannot say the data.
            ValueError: It is JSON null.
        """
        payload = payload_of(data)
        await self._wait("room in a stream", lambda: not self._parts.full, timeout)
        self._check_open()
        self._parts.add(payload)
        self._bell.ring()

    async def keep(self) -> None:
        """Tell the gateway that a silent stream is still meant to go on.

        Raises:
            StreamError: The gateway has ended the stream.
            ConnectionLost: The session is gone, and the stream with it.
            ClosedError: The stream was ended, or the client is closed.
        """
        self._check_open()
        if self._session is not None:
            self._session.post(requests.KeepStream(self.stream_id))

    async def end(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        """End it, and wait until everything is published; harmless when that is so.

        Args:
            timeout: Seconds to wait; None for the client's.

        Raises:
            StreamError: The gateway has ended the stream before.
            ConnectionLost: The session is gone: nobody knows how much was published.
            DeadlineError: The end was not confirmed in time.
            ClosedError: The client is closed.
        """
        self._finish(None)
        await self._wait("the end of a stream", lambda: self._over, timeout)

    async def fail(
        self,
        message: str,
        code: str | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> None:
        """End it as ``end`` does, but with an error for those who read it.

        Args:
            message: What they are told.
            code: What you call it.
            timeout: Seconds to wait; None for the client's.
        """
        self._finish(payloads.StreamError("UserError", message, code))
        await self._wait("the end of a stream", lambda: self._over, timeout)

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            StreamError: The gateway does not let us.
            ConnectionLost: The connection ended before it said so.
            DeadlineError: It did not say so in time.
            ProtocolError: The subprotocol has no streams.
            ClosedError: The client is closed.
        """
        if self._entered:
            raise RuntimeError("a stream begins once: make another")
        self._entered = True
        self._registry.add(self)
        try:
            async with asyncio.timeout(self._timeout):
                await self._begin(await self._current.get())
        except TimeoutError:
            self._leave(None)
            raise DeadlineError("the beginning", self._timeout) from None
        except BaseException:
            self._leave(None)
            raise
        self._registry.run(self._pump())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.end()
        else:
            text = "The publisher broke off."
            self._finish(payloads.StreamError("UserError", text))

    def __repr__(self) -> str:
        return f"<OutgoingStream {self.stream_id} to {self.group}>"

    # What the client hears and knows.

    def hear(self, news: StreamNews) -> None:
        """Take what the gateway says of it."""
        match news:
            case pushes.StreamAck(expected=expected):
                self._accepted = True
                self._acknowledged(expected)
            case pushes.StreamNack(expected=expected):
                self._acknowledged(expected)
                if self._parts.rewind(expected):
                    self._end_said = False  # it belongs behind what was missed
            case pushes.StreamClosed(error=error):
                self._leave(self._reason(error))
        self._bell.ring()

    def resume(self, session: Session) -> None:
        """Go on after a recovery, with all that was not acknowledged."""
        if self._session is not None:
            self._in_doubt = self._in_doubt or self._end_said
            self._end_said = False
            self._parts.again()
            self._session = session
            self._bell.ring()

    def lose(self, error: HubbubError) -> None:
        """End: the session that it belongs to is gone."""
        self._leave(error)

    # Inside.

    async def _begin(self, session: Session) -> None:
        await session.send(self._start)
        session.ended.add_done_callback(lambda _: self._bell.ring())
        await self._bell.until(
            lambda: self._accepted or self._over or session.ended.done()
        )
        if self._error is not None:
            raise self._error
        if not self._accepted:
            raise ConnectionLost(session.ended.result())
        self._session = session

    async def _pump(self) -> None:
        """Send what there is, in order, whenever there is a session."""
        while not self._over:
            await self._bell.until(lambda: self._over or self._is_due())
            session = self._session
            while self._session is session is not None and self._is_due():
                try:
                    await session.send(self._next())
                except ConnectionLost:
                    await self._bell.until(
                        lambda: self._over or self._session is not session  # noqa: B023
                    )

    def _is_due(self) -> bool:
        """Tell whether anything is to be said."""
        if self._over:
            return False
        return self._parts.unsent or (self._end is not None and not self._end_said)

    def _next(self) -> requests.SendFragment | requests.EndStream:
        if self._parts.unsent or self._end is None:
            return self._parts.take()
        self._end_said = True
        return self._end

    def _acknowledged(self, expected: int) -> None:
        if not self._parts.acknowledge(expected):
            text = "the gateway acknowledged parts of a stream that were never sent"
            self._leave(ProtocolError(text))

    def _reason(self, error: payloads.StreamError | None) -> HubbubError | None:
        if error is None:
            return None
        if error.name == "StreamNotFound" and self._in_doubt:
            # It ended before the socket was lost; how, the gateway told nobody.
            return ConnectionLost("the end of the stream was not confirmed")
        return StreamError(error.name, error.message or "", error.user_error_code)

    def _finish(self, error: payloads.StreamError | None) -> None:
        if self._end is None:
            self._end = requests.EndStream(self.stream_id, error)
            self._bell.ring()

    def _leave(self, error: HubbubError | None) -> None:
        if not self._over:
            self._over, self._error = True, error
            self._registry.drop(self)
            self._bell.ring()

    async def _wait(
        self,
        what: str,
        is_so: Callable[[], bool],
        timeout: float | None,  # noqa: ASYNC109 - as above
    ) -> None:
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                await self._bell.until(lambda: self._over or is_so())
        except TimeoutError:
            raise DeadlineError(what, seconds) from None
        if self._error is not None:
            raise self._error

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self._over or self._end is not None:
            raise ClosedError("the stream has ended")
