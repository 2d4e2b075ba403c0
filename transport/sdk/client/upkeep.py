"""Keeps a client connected: the first connection, and one after each that is lost.

Knows which groups were joined, and joins them again before anybody may ask anything
of a new connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hubbub.actors.messages import requests
from hubbub.sdk.client.states import NotRejoined, Offline, Online, States
from hubbub.sdk.errors import (
    AckError,
    ClosedError,
    ConnectError,
    DeadlineError,
    HubbubError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.messages import pushes
    from hubbub.sdk.backoff import Backoff
    from hubbub.sdk.client.dialing import Dialer
    from hubbub.sdk.client.inbox import Inboxes
    from hubbub.sdk.client.session import AckIds, Session

logger = logging.getLogger(__name__)

_AT_A_TIME = 100
"""Groups that are joined again together."""

_FAREWELL = 1.0
"""Seconds for the close handshake of a connection that is lost anyway."""


class Current:
    """The session that requests use, and the wait for it."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.over = False
        self._cause: Exception | None = None
        self._changed = asyncio.Event()

    def set(self, session: Session | None) -> None:
        """Let requests use a session, or wait for the next."""
        self.session = session
        if session is not None or self.over:
            self._changed.set()
        else:
            self._changed.clear()

    def end(self, cause: Exception | None) -> None:
        """Let requests wait no longer: there will be no session."""
        self.over, self._cause, self.session = True, cause, None
        self._changed.set()

    async def get(self) -> Session:
        """Wait for a session.

        Raises:
            ClosedError: There will be none.
        """
        while True:
            await self._changed.wait()
            if self.over:
                raise ClosedError("the client is closed") from self._cause
            if self.session is not None and not self.session.ended.done():
                return self.session
            self._changed.clear()  # it is gone, and nobody has said so yet


class Upkeep:
    """The connections of one client.

    Args:
        dialer: Makes them.
        backoff: The pauses before each new one.
        inboxes: Where messages go.
        ids: Numbers for requests.
    """

    def __init__(
        self, dialer: Dialer, backoff: Backoff, inboxes: Inboxes, ids: AckIds
    ) -> None:
        self.groups: dict[str, None] = {}
        self.current = Current()
        self.states = States()
        self._dialer = dialer
        self._backoff = backoff
        self._inboxes = inboxes
        self._ids = ids
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Make the first connection.

        Raises:
            HubbubError: There is none.
        """
        session, welcome = await self._dialer.dial(self._inboxes.put)
        self._arrived(session, welcome)
        self._task = asyncio.get_running_loop().create_task(self._run(session))

    async def close(self, seconds: float) -> None:
        """End: politely, but in time; when cancelled, at once."""
        session, task = self.current.session, self._task
        self._end(None)
        try:
            if session is not None:
                await session.close(seconds)
        finally:
            if task is not None:
                task.cancel()
        if task is not None:
            await asyncio.wait([task], timeout=seconds)

    def abort(self) -> None:
        """End at once, without a word to the gateway."""
        if self.current.session is not None:
            self.current.session.abort()
        self._end(None)
        if self._task is not None:
            self._task.cancel()

    async def _run(self, session: Session) -> None:
        cause: Exception | None = None
        try:
            await self._keep(session)
        except HubbubError as error:
            logger.warning("the client ends: %s", error)
            cause = error
        except Exception as error:
            logger.exception("the client fails")
            cause = error
        finally:
            self._end(cause)

    async def _keep(self, session: Session) -> None:
        clock = asyncio.get_running_loop().time
        pauses = self._backoff.pauses()
        while True:
            began = clock()
            reason = await asyncio.shield(session.ended)
            if self.current.over:
                return
            self.current.set(None)
            logger.warning("the connection was lost: %s", reason)
            self.states.tell(Offline(reason))
            await session.close(_FAREWELL)
            if clock() - began > self._backoff.calm:
                pauses = self._backoff.pauses()
            session = await self._again(pauses)

    async def _again(self, pauses: Iterator[float]) -> Session:
        for pause in pauses:
            await asyncio.sleep(pause)
            try:
                return await self._reconnect()
            except RefusedError as error:
                if error.final:
                    raise
                logger.warning("no new connection: %s", error)
            except HubbubError as error:
                logger.warning("no new connection: %s", error)
            except Exception as error:  # noqa: BLE001 - a provider may fail for a while
                # Its text is not ours: who knows what is in it.
                logger.warning("no new client URL: %s", type(error).__name__)
        raise ConnectError(f"no new connection in {self._backoff.attempts} attempts")

    async def _reconnect(self) -> Session:
        session, welcome = await self._dialer.dial(self._inboxes.put)
        try:
            await self._rejoin(session)
        except BaseException:
            session.abort()
            raise
        self._arrived(session, welcome)
        return session

    async def _rejoin(self, session: Session) -> None:
        groups = tuple(self.groups)
        seconds = self._dialer.seconds
        for start in range(0, len(groups), _AT_A_TIME):
            some = groups[start : start + _AT_A_TIME]
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(self._enter(session, name) for name in some))
            except TimeoutError:
                raise DeadlineError("the way back into groups", seconds) from None

    async def _enter(self, session: Session, group: str) -> None:
        number = self._ids.new()
        try:
            await session.ask(requests.JoinGroup(group, number), number)
        except AckError as error:
            self.groups.pop(group, None)
            logger.warning("not joined again: %s", error.name)
            self.states.tell(NotRejoined(group, error.name, error.message))

    def _arrived(self, session: Session, welcome: pushes.Connected) -> None:
        logger.info("connected as %s", welcome.connection_id)
        self.states.tell(Online(welcome.connection_id, welcome.user_id))
        self.current.set(session)

    def _end(self, cause: Exception | None) -> None:
        if not self.current.over:
            self.current.end(cause)
            self.states.end(cause)
            self._inboxes.end(cause)
