"""What a server has told its gateway to send, told again on each new connection.

Knows keys and frames, not what they mean.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from hubbub.sdk.errors import AckError, DeadlineError
from hubbub.sdk.server import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from hubbub.sdk.server.session import Reply, Session

    Make: TypeAlias = Callable[[], frames.Map]

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str | None]
"""What a declaration is about; a later one replaces one with the same key."""


class Declared:
    """Something that is declared, in force soon: await it to know that it is.

    Awaiting raises AckError when the gateway refuses it, and DeadlineError when there
    is no answer, or no connection, within the server's timeout.
    """

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self.in_force = False
        self.refused: AckError | None = None
        self.heir: Declared | None = None
        """What was declared about the same later, before this had an answer."""

    def __await__(self) -> Generator[object, None, None]:
        return self._declarations.wait(self).__await__()

    def settled(self) -> Declared | None:
        """Give itself, or its first heir, that has an answer; None if none has."""
        one: Declared | None = self
        while one is not None and not (one.in_force or one.refused):
            one = one.heir
        return one


class Declarations:
    """The declarations of one server.

    Args:
        timeout: Seconds to wait for one to be in force.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._wanted: dict[Key, Make] = {}
        self._pending: dict[Key, Declared] = {}
        self._session: Session | None = None
        self._changed = asyncio.Event()

    def declare(
        self, key: Key, make: Make, undo: Callable[[], None] = lambda: None
    ) -> Declared:
        """Declare something, now if there is a connection, and on each later one.

        Args:
            key: What it is about.
            make: Makes its frame.
            undo: Is called if the gateway refuses it.
        """
        self._wanted[key] = make
        return self._say(key, make, undo)

    def retract(self, key: Key, make: Make) -> Declared:
        """Declare something no more; the frame that says so is sent now or never."""
        self._wanted.pop(key, None)
        return self._say(key, make, lambda: None)

    def again(self, key: Key) -> Declared:
        """Give what was declared, or taken back, last; nothing new is said."""
        pending = self._pending.get(key)
        if pending is None:
            pending = Declared(self)
            pending.in_force = True
        return pending

    def forget(self, key: Key) -> None:
        """Declare something no more on later connections, and say nothing now."""
        self._wanted.pop(key, None)

    async def attach(self, session: Session) -> None:
        """Declare everything on a new connection.

        Raises:
            AckError: The gateway refuses something.
            ConnectionLost: The connection ended meanwhile.
        """
        self._session = session
        pending = tuple(self._pending.items())
        replies = [session.request(make()) for make in self._wanted.values()]
        for reply in replies:
            session.value(await reply)
        for key, declared in pending:
            self._settle(key, declared)

    def detach(self) -> None:
        """Hear that the connection is gone, and all that was in force."""
        self._session = None

    async def wait(self, declared: Declared) -> None:
        """Wait until something is in force.

        Raises:
            AckError: The gateway refuses it.
            DeadlineError: It did not happen in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                while (settled := declared.settled()) is None:
                    await self._changed.wait()
        except TimeoutError:
            what = "the gateway's consent"
            raise DeadlineError(what, self._timeout) from None
        if settled.refused is not None:
            raise settled.refused

    def _say(self, key: Key, make: Make, undo: Callable[[], None]) -> Declared:
        declared = Declared(self)
        before = self._pending.get(key)
        if before is not None:
            before.heir = declared
        self._pending[key] = declared
        session = self._session
        if session is not None:
            session.request(make()).add_done_callback(
                lambda reply: self._answered(key, declared, reply, undo)
            )
        return declared

    def _answered(
        self, key: Key, declared: Declared, reply: Reply, undo: Callable[[], None]
    ) -> None:
        match None if reply.cancelled() else reply.result():
            case frames.Result():
                self._settle(key, declared)
            case frames.Error(name=name, message=message):
                logger.error("the gateway refuses a declaration: %s", name)
                undo()
                self._settle(key, declared, AckError(name, message))
            case None:
                pass  # the next connection will tell

    def _settle(
        self, key: Key, declared: Declared, refused: AckError | None = None
    ) -> None:
        declared.in_force, declared.refused = refused is None, refused
        if self._pending.get(key) is declared:
            del self._pending[key]
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
