"""The session that requests use at the moment, and the wait for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.sdk.errors import ClosedError

if TYPE_CHECKING:
    from hubbub.sdk.client.session import Session


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
