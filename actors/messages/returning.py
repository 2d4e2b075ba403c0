"""Sessions whose client comes back: what a gateway tells itself of them.

What gateways tell each other, ``moving`` has.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from hubbub.actors.messages import moving, sessions
from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.ports import Door


class OfMoves(msgspec.Struct, frozen=True, gc=False):
    """What concerns sessions that come back, or move (``moves``)."""


class Recover(OfMoves, frozen=True, gc=False):
    """A client stands at the door that wants its session back; its token is genuine."""

    hub: str
    connection_id: str
    door: Door


class Resumed(OfMoves, frozen=True, gc=False):
    """A client is back."""

    connection_id: str


class Surrender(msgspec.Struct, frozen=True, gc=False):
    """A session is to move: read no more; ``Ready`` once nothing is under way."""


class Stay(msgspec.Struct, frozen=True, gc=False):
    """A session does not move after all: read again."""


class Ready(OfMoves, frozen=True, gc=False):
    """A session can move."""

    connection_id: str


class Export(msgspec.Struct, frozen=True, gc=False):
    """A session moves now; these are its groups."""

    groups: tuple[str, ...]


class Exported(OfMoves, frozen=True, gc=False):
    """All of a session that moves; its connection has ended."""

    connection_id: str
    session: sessions.Session


class Settle(msgspec.Struct, frozen=True, gc=False):
    """All of a session that moves in is here."""

    session: sessions.Session


class Fetched(OfMoves, frozen=True, gc=False):
    """A peer wants a session, because its client came there (or we end)."""

    connection_id: str
    link: Ref[Any]
    number: int
    answer: Ref[Any]


class Offered(OfMoves, frozen=True, gc=False):
    """A peer that ends offers a session; answer whether it may move here."""

    connection_id: str
    link: Ref[Any]
    answer: Ref[bool]


class Migratory(OfMoves, frozen=True, gc=False):
    """What a peer says of a session that moves."""

    link: Ref[Any]
    said: moving.Migration


class LinkLost(OfMoves, frozen=True, gc=False):
    """A peer is gone, or begins anew."""

    link: Ref[Any]


class Unreachable(OfMoves, frozen=True, gc=False):
    """Nothing answers where a peer was; it may still come back."""

    link: Ref[Any]


ToSession: TypeAlias = Recover | Surrender | Stay | Export | Settle
"""What a connection is told of it."""
