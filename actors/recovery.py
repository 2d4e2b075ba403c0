"""A client that goes away and comes back to its session (client protocols, 5.3, 5.4).

A part of the connection: it runs in the connection's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import events, pushes, returning

if TYPE_CHECKING:
    from hubbub.actors.line import Line
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Door

REFRESH: Final = 3.5 * 24 * 3600
"""Seconds until a client gets a fresh reconnection token: half of the life of one."""


class Lapse(msgspec.Struct, frozen=True, gc=False):
    """The time to come back is over, a message of the connection to itself."""

    turn: int


class Refresh(msgspec.Struct, frozen=True, gc=False):
    """Time for a fresh reconnection token, a message of the connection to itself."""


class Recovery:
    """Keeps the place of a client that is away, for a while.

    Args:
        owner: The connection, whose timers these are.
        client: Who the client is.
        way: The way to it.
        hub: Learns that a client is back.
        window: Seconds that a session waits for its client.
    """

    __slots__ = ("_client", "_hub", "_owner", "_turn", "_way", "_window")

    def __init__(
        self,
        owner: LoopActor,
        client: events.Client,
        way: Line,
        hub: Ref[returning.Resumed],
        window: float,
    ) -> None:
        self._owner = owner
        self._client = client
        self._way = way
        self._hub = hub
        self._window = window
        self._turn = 0
        if way.mail is not None:
            owner.after(REFRESH, Refresh())

    def greet(self) -> None:
        """Tell the client who it is, and (reliable) with what it can come back."""
        name = self._client.connection_id
        token = self._way.token(name)
        self._way.push(pushes.Connected(name, self._client.user_id, token))

    def refresh(self) -> None:
        """Give the client a fresh token before the old one ends."""
        if self._way.up:
            self.greet()
        self._owner.after(REFRESH, Refresh())

    def wait(self) -> None:
        """Keep everything for a client whose socket is gone."""
        if not self._way.down:
            self._way.lose()
        self._turn += 1
        self._owner.after(self._window, Lapse(self._turn))

    def is_over(self, lapse: Lapse) -> bool:
        """Tell whether the client has not come back in time."""
        return self._turn == lapse.turn and self._way.down

    def recover(self, door: Door) -> None:
        """Give a client that comes back its session, in place of any other socket."""
        client, way = self._client, self._way
        if way.mail is None:
            door.lose("This session cannot be recovered.")
            return
        name = client.connection_id
        door.attach(self._owner.address, f"{client.hub}/{name}")
        socket = door.accept(client.subprotocol)
        if isinstance(socket, events.Reject):
            door.reject(socket.status, socket.reason)
            return
        self._turn += 1
        token = socket.token(name)
        way.take(socket, pushes.Connected(name, client.user_id, token))
        self._hub.post(returning.Resumed(name))
