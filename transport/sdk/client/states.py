"""What a client tells its owner about its connection."""

from __future__ import annotations

from typing import TypeAlias
from weakref import WeakSet

import msgspec

from hubbub.sdk.client.inbox import Inbox

_MOST = 1000
"""States that wait for a reader who does not read."""


class Online(msgspec.Struct, frozen=True):
    """The client is connected, and in all its groups again.

    ``recovered`` says that it is the same session as before, with the same connection
    id: nothing was missed.
    """

    connection_id: str
    user_id: str | None
    recovered: bool = False


class Offline(msgspec.Struct, frozen=True):
    """The connection was lost; the client tries to come back."""

    reason: str


class NotRecovered(msgspec.Struct, frozen=True):
    """The session of the lost connection is gone: there will be a new one.

    What was published meanwhile is lost, as far as it had not arrived.
    """

    reason: str


class NotRejoined(msgspec.Struct, frozen=True):
    """A new connection was not let into a group that the lost one was in.

    The client does not try again; ``name`` and ``message`` are the gateway's.
    """

    group: str
    name: str
    message: str


State: TypeAlias = Online | Offline | NotRecovered | NotRejoined


class States:
    """The states of one client, and those who follow them."""

    def __init__(self) -> None:
        self.last: Online | None = None
        """The latest connection, also while it is lost."""
        self._now: State | None = None
        self._readers: WeakSet[Inbox[State]] = WeakSet()
        self._end: tuple[Exception | None] | None = None

    def tell(self, state: State) -> None:
        """Tell everybody who follows."""
        match state:
            case Online():
                self._now = self.last = state
            case Offline():
                self._now = state
            case NotRecovered() | NotRejoined():
                pass
        for reader in tuple(self._readers):
            reader.put(state)

    def new(self) -> Inbox[State]:
        """Make a reader, who hears first what is the case now."""
        reader: Inbox[State] = Inbox(_MOST)
        if self._now is not None:
            reader.put(self._now)
        if self._end is None:
            self._readers.add(reader)
        else:
            reader.end(*self._end)
        return reader

    def end(self, cause: Exception | None) -> None:
        """Let everybody who follows end."""
        self._end, self._now = (cause,), None
        for reader in tuple(self._readers):
            reader.end(cause)
