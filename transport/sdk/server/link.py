"""Keeps a server attached: the first connection, and one after each that is lost.

Declares again what was declared before anybody may ask anything of a new connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from hubbub.sdk.errors import (
    ClosedError,
    ConnectError,
    DeadlineError,
    HubbubError,
    RefusedError,
)
from hubbub.sdk.server.errors import TooManyCallsError
from hubbub.sdk.server.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.backoff import Backoff
    from hubbub.sdk.server import frames
    from hubbub.sdk.server.declarations import Declarations
    from hubbub.sdk.server.dialing import ServerDialer
    from hubbub.sdk.server.session import Value

logger = logging.getLogger(__name__)

MOST_CALLS: Final = 10_000
"""Calls of one server that may wait for a connection or an answer."""

_FAREWELL: Final = 1.0
"""Seconds for the close handshake of a connection that is lost anyway."""
_REFUSALS: Final = range(400, 500)
_PASSING: Final = frozenset({408, 425, 429})
"""Refusals that another attempt may not meet."""


class Link:
    """The connections of one server.

    Args:
        dialer: Opens sockets.
        backoff: The pauses before each new one.
        declarations: What to declare on each.
        take: Takes what arrives and is no answer.
        timeout: Seconds a call may take, waiting for a connection included.
        connect_timeout: Seconds until the first attempt to connect is given up, and
            each later one.
    """

    def __init__(
        self,
        dialer: ServerDialer,
        backoff: Backoff,
        declarations: Declarations,
        take: Callable[[Session, frames.Frame, Payload | None], None],
        timeout: float,
        connect_timeout: float,
    ) -> None:
        self.server_id: str | None = None
        self._dialer = dialer
        self._backoff = backoff
        self._declarations = declarations
        self._take = take
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._session: Session | None = None
        self._calls = 0
        self._over = False
        self._attached = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None

    @property
    def attached(self) -> bool:
        """Whether there is a connection, with all declarations in force."""
        session = self._session
        return session is not None and not session.ended.done()

    async def begin(self) -> None:
        """Attach for the first time.

        Raises:
            HubbubError: It did not work in time, or never will.
        """
        loop = asyncio.get_running_loop()
        self._task = first = loop.create_task(self._first())
        await asyncio.wait([first])
        if first.cancelled():
            raise ClosedError("the server is closed")
        self._task = loop.create_task(self._run(first.result()))

    async def call(
        self,
        frame: frames.Map,
        payload: Payload | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> Value:
        """Send a request, as soon as there is a connection, and give its answer.

        Raises:
            AckError: The answer is no.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: There was no connection, or no answer, in time.
            TooManyCallsError: Too many calls wait already.
            ClosedError: The server is closed.
        """
        if self._calls >= MOST_CALLS:
            raise TooManyCallsError(MOST_CALLS)
        seconds = self._timeout if timeout is None else timeout
        what = "a connection"
        self._calls += 1
        try:
            async with asyncio.timeout(seconds):
                session = await self._current()
                what = "the answer"
                return await session.ask(frame, payload)
        except TimeoutError:
            raise DeadlineError(what, seconds) from None
        finally:
            self._calls -= 1

    async def wait_attached(self) -> None:
        """Wait until there is a connection.

        Raises:
            ClosedError: There will be none.
        """
        await self._current()

    async def close(self, seconds: float) -> None:
        """End: politely, but in time; when cancelled, at once."""
        session, task = self._session, self._task
        self._end()
        try:
            if session is not None:
                await session.close(seconds)
        finally:
            if task is not None:
                task.cancel()
        if task is not None:
            await asyncio.wait([task], timeout=seconds)

    async def _current(self) -> Session:
        while True:
            session = self._session
            if session is not None:
                if not session.ended.done():
                    return session
                self._lost()
            if self._over:
                raise ClosedError("the server is closed")
            await self._attached.wait()

    async def _first(self) -> Session:
        last: HubbubError = DeadlineError("a connection", self._connect_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                for pause in self._backoff.pauses():
                    try:
                        return await self._attach()
                    except RefusedError as error:
                        if error.status in _REFUSALS and error.status not in _PASSING:
                            raise
                        last = error
                    except HubbubError as error:
                        last = error
                    await asyncio.sleep(pause)
        except TimeoutError:
            pass
        raise last

    async def _run(self, session: Session) -> None:
        try:
            await self._keep(session)
        except Exception:
            logger.exception("the server fails")
            self._end()

    async def _keep(self, session: Session) -> None:
        clock = asyncio.get_running_loop().time
        pauses = self._backoff.pauses()
        while True:
            began = clock()
            reason = await asyncio.shield(session.ended)
            self._lost()
            if self._over:
                return
            logger.warning("the connection was lost: %s", reason)
            await session.close(_FAREWELL)
            if clock() - began > self._backoff.calm:
                pauses = self._backoff.pauses()
            session = await self._again(pauses)

    async def _again(self, pauses: Iterator[float]) -> Session:
        for pause in pauses:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._connect_timeout):
                    return await self._attach()
            except TimeoutError:
                logger.warning("not attached again: no answer in time")
            except HubbubError as error:
                logger.warning("not attached again: %s", error)
            except Exception:
                logger.exception("not attached again")
        raise AssertionError("the pauses of a server have no end")

    async def _attach(self) -> Session:
        session = Session(await self._dialer.open(), self._dialer, self._take)
        try:
            welcome = await _welcome(session)
            await self._declarations.attach(session)
        except BaseException:
            self._declarations.detach()
            session.abort()
            raise
        self.server_id = welcome.server_id
        logger.info("attached as %s to %s", welcome.server_id, welcome.hub)
        self._session = session
        self._attached.set()
        return session

    def _lost(self) -> None:
        self._session = None
        self._declarations.detach()
        if not self._over:
            self._attached.clear()

    def _end(self) -> None:
        self._over = True
        self._session = None
        self._attached.set()


async def _welcome(session: Session) -> frames.Welcome:
    welcome = await session.welcome
    if welcome is None:
        raise ConnectError(f"not let in: {session.ended.result()}")
    return welcome
