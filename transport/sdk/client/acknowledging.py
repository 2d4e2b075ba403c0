"""Tells the service which messages need not be kept: soon, and many in one go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hubbub.actors.messages import requests

if TYPE_CHECKING:
    from collections.abc import Callable

SOON: Final = 1.0
"""Seconds after a message until it is acknowledged, as official clients do it."""

MANY: Final = 300
"""Messages that are acknowledged sooner: the service keeps 1,000 and no more."""


class Acknowledger:
    """Acknowledges what has come through one socket.

    Args:
        last: Gives the highest sequence id that has been heard.
        post: Sends a request; the task ends when the socket has taken it.
    """

    def __init__(
        self,
        last: Callable[[], int],
        post: Callable[[requests.AckSequence], asyncio.Task[None]],
    ) -> None:
        self._last = last
        self._post = post
        self._owed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._over = False

    def owe(self) -> None:
        """Note a message, new or not: the service keeps it."""
        self._owed += 1
        if self._owed >= MANY and not self._busy:
            self._pay()
        elif self._timer is None and not self._over:
            self._later()

    def stop(self) -> None:
        """Send nothing more."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def _busy(self) -> bool:
        """Whether the socket has not taken the last one yet."""
        return self._sending is not None and not self._sending.done()

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SOON, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._busy:
            self._later()
        elif self._owed:
            self._pay()

    def _pay(self) -> None:
        self._owed = 0
        if not self._over:
            self._sending = self._post(requests.AckSequence(self._last()))
            self._sending.add_done_callback(self._sent)

    def _sent(self, _: asyncio.Task[None]) -> None:
        if self._owed >= MANY:
            self._pay()
