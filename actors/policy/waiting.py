"""What waits behind an event: one event at a time, a bounded stash of requests."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from hubbub.actors.messages import requests

if TYPE_CHECKING:
    from hubbub.actors.messages.requests import Request

Wish: TypeAlias = requests.SendToGroup | requests.PublishFrame | requests.JoinGroup
"""A request that others may decide on before it is carried out."""


class Pending(msgspec.Struct, frozen=True):
    """The event whose answer a connection waits for.

    ``fatal`` tells that its failure ends the connection; ``wish`` is what is carried
    out when it is allowed; ``invocation`` is the one it answers, unless that was
    cancelled.
    """

    event_id: int
    ack_id: int | None = None
    fatal: bool = False
    wish: Wish | None = None
    invocation: str | None = None
    cancelled: bool = False


class Waiting:
    """The event under way, and the requests behind it in order.

    Args:
        limit: Requests in the stash at which reading should pause. A little more may
            come: what was read before the pause took effect.
    """

    __slots__ = ("_limit", "_stash", "last", "pending")

    def __init__(self, limit: int) -> None:
        self.pending: Pending | None = None
        self.last: requests.SocketClosed | requests.Broken | None = None
        """The end of the client's requests, once it is behind those that wait."""
        self._limit = limit
        self._stash: deque[Request] | None = None

    @property
    def wishes(self) -> bool:
        """Whether something is yet to be carried out: now, or once it is allowed."""
        pending = self.pending
        return bool(self._stash) or (pending is not None and pending.wish is not None)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return self.pending is None and not self._stash

    @property
    def stashed(self) -> bool:
        """Whether requests wait."""
        return bool(self._stash)

    def answered(self, event_id: int) -> Pending | None:
        """End the wait; None when this is not the event that is waited for."""
        pending = self.pending
        if pending is None or pending.event_id != event_id:
            return None
        self.pending = None
        return pending

    def stash(self, request: Request) -> bool:
        """Put a request behind the others.

        Returns:
            Whether the stash has just become full: time to stop reading.
        """
        if self._stash is None:
            self._stash = deque()
        self._stash.append(request)
        return len(self._stash) == self._limit

    def cancel(self, invocation_id: str) -> None:
        """Let an invocation be asked in vain, or not at all if it still waits."""
        pending = self.pending
        if pending is not None and pending.invocation == invocation_id:
            self.pending = msgspec.structs.replace(pending, cancelled=True)
            return
        for request in self._stash or ():
            if (
                isinstance(request, requests.Invoke)
                and request.invocation_id == invocation_id
            ):
                self._stash.remove(request)  # type: ignore[union-attr] # it is in it
                return

    def next(self) -> Request | None:
        """Take the oldest request, unless an event is waited for."""
        if self.pending is not None or not self._stash:
            return None
        return self._stash.popleft()
