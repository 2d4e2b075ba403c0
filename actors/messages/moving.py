"""Sessions that move from one gateway to another: what the gateways tell each other.

``number`` is that of the attempt, chosen by the gateway a session moves to.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.messages import events, sessions


class Fetch(msgspec.Struct, frozen=True, gc=False):
    """Get a session ready to move here: its client came to us. Answers ``Offered``."""

    connection_id: str
    number: int


class Offer(msgspec.Struct, frozen=True, gc=False):
    """Fetch a session of ours, because we end; answer whether you will."""

    connection_id: str


class Offered(msgspec.Struct, frozen=True, gc=False):
    """A session is ready to move: who its client is, and the groups to be wanted."""

    client: events.Client
    groups: tuple[str, ...]


class Moving(msgspec.Struct, frozen=True, gc=False):
    """A session moves to the sender: draw a line in what you publish (``Passed``).

    ``asked`` are the gateways that are asked for one.
    """

    hub: str
    connection_id: str
    number: int
    asked: tuple[str, ...]


class Passed(msgspec.Struct, frozen=True, gc=False):
    """What the sender publishes from here on is for the new gateway of a session."""

    hub: str
    connection_id: str
    number: int


class Handed(msgspec.Struct, frozen=True, gc=False):
    """All of a session; or none, if it has just ended."""

    hub: str
    connection_id: str
    number: int
    session: sessions.Session | None


Migration: TypeAlias = Moving | Passed | Handed
