"""Keeps a client connected: the first connection, and one after each that is lost.

A lost one is looked for where it was, if the subprotocol lets it be found; else a new
one takes its place, and nobody may ask anything of it before it is in all the groups.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from hubbub.sdk.client.current import Current
from hubbub.sdk.client.rejoining import Rejoining
from hubbub.sdk.client.states import NotRecovered, Offline, Online, States
from hubbub.sdk.errors import ConnectError, HubbubError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.messages import pushes
    from hubbub.sdk.backoff import Backoff
    from hubbub.sdk.client.delivery import Delivery
    from hubbub.sdk.client.dialing import Dialer
    from hubbub.sdk.client.session import AckIds, Session

logger = logging.getLogger(__name__)

_FAREWELL = 1.0
"""Seconds for the close handshake of a connection that is lost anyway."""

_EVERY = 1.0
"""Most seconds between two attempts to recover (client protocols, 5.3)."""


class Upkeep:
    """The connections of one client.

    Args:
        dialer: Makes them.
        backoff: The pauses before each new one.
        recovery: Seconds in which a lost session is looked for.
        delivery: Where everything goes that arrives.
        ids: Numbers for requests.
    """

    def __init__(
        self,
        dialer: Dialer,
        backoff: Backoff,
        recovery: float,
        delivery: Delivery,
        ids: AckIds,
    ) -> None:
        self.current = Current()
        self.states = States()
        self.delivery = delivery
        self._rejoining = Rejoining(ids, delivery.states, self.states)
        self.groups = self._rejoining.groups
        self._dialer = dialer
        self._backoff = backoff
        self._recovery = recovery
        self._brief = 0
        """Connections in a row that did not last."""
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Make the first connection.

        Raises:
            HubbubError: There is none.
        """
        session, welcome = await self._dialer.dial(self.delivery)
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
        """End at once, without waiting for anything."""
        if self.current.session is not None:
            self.current.session.hang_up()
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
            await session.close(_FAREWELL, for_good=False)
            self._brief += 1
            if clock() - began > self._backoff.calm:
                self._brief, pauses = 0, self._backoff.pauses()
            session = await self._recover(session) or await self._again(pauses)

    # Back into the session.

    async def _recover(self, lost: Session) -> Session | None:
        """Find the session that a lost connection was part of; None if it is gone."""
        if not self.delivery.continuity.recoverable:
            self.delivery.lose(lost.ended.result())
            return None
        if lost.final:
            self._lose(lost.ended.result())
            return None
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._recovery
        for pause in self._attempts():
            left = deadline - clock() - pause
            if left <= 0:
                break
            await asyncio.sleep(pause)
            try:
                found = await self._dialer.recover(self.delivery, left)
            except HubbubError as error:
                logger.warning("not recovered yet: %s", error)
                continue
            if isinstance(found, str):
                self._lose(found)
                return None
            session, welcome = found
            self.delivery.outgoing.resume(session)
            self._arrived(session, welcome, recovered=True)
            return session
        self._lose(f"it was not reached within {self._recovery:g} seconds")
        return None

    def _attempts(self) -> Iterator[float]:
        """Give the pause before each attempt; the first may be short."""
        every = min(_EVERY, self._backoff.most)
        chance = random.random()  # noqa: S311 - no secret
        yield min(every, self._backoff.pause(self._brief, chance))
        while True:
            yield every

    def _lose(self, reason: str) -> None:
        logger.warning("the session is gone: %s", reason)
        self.delivery.lose(reason)
        self.states.tell(NotRecovered(reason))

    # A new session.

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
        session, welcome = await self._dialer.dial(self.delivery)
        try:
            await self._rejoining.rejoin(session, self._dialer.seconds)
        except BaseException:
            session.hang_up()
            raise
        self._arrived(session, welcome)
        return session

    def _arrived(
        self, session: Session, welcome: pushes.Connected, *, recovered: bool = False
    ) -> None:
        who = welcome.connection_id
        logger.info("%s as %s", "recovered" if recovered else "connected", who)
        self.states.tell(Online(who, welcome.user_id, recovered))
        self.current.set(session)

    def _end(self, cause: Exception | None) -> None:
        if not self.current.over:
            self.current.end(cause)
            self.states.end(cause)
            self.delivery.end(cause)
