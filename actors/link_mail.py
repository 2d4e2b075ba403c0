"""What a link is told besides packets, and what it tells its mesh."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import commands, counting, mesh, peers
from hubbub.actors.runtime.address import Ref


class Announce(msgspec.Struct, frozen=True, gc=False):
    """Tell the peer, and pay once it knows (or is gone, or was given time enough)."""

    message: peers.Message
    receipt: commands.Receipt


class Introduced(msgspec.Struct, frozen=True, gc=False):
    """A hub has told the link all that it wants."""


class Leave(msgspec.Struct, frozen=True, gc=False):
    """Say goodbye and end, a message of the mesh."""


class End(msgspec.Struct, frozen=True, gc=False):
    """The peer will not come back: end, a message of the mesh."""

    reason: str


class View(msgspec.Struct, frozen=True, gc=False):
    """Show the peer, a question of the mesh."""

    answer: Ref[mesh.PeerView]


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Time to give a sign of life, a message to oneself."""


class Acknowledge(msgspec.Struct, frozen=True, gc=False):
    """Time to say what was taken, a message to oneself."""


class Depart(msgspec.Struct, frozen=True, gc=False):
    """Time to end although the peer has not taken the goodbye, a message to oneself."""


ToLink: TypeAlias = (
    peers.FromWire
    | peers.Message
    | Announce
    | Ask
    | Introduced
    | Leave
    | End
    | View
    | Tick
    | Acknowledge
    | Depart
)


class Up(msgspec.Struct, frozen=True, gc=False):
    """A link is up."""

    gateway: str


class Synced(msgspec.Struct, frozen=True, gc=False):
    """A peer has said all that it wants."""

    gateway: str


class Lapsed(msgspec.Struct, frozen=True, gc=False):
    """A peer has left, or was not heard of for so long that nobody waits for it."""

    gateway: str


class FromPeer(msgspec.Struct, frozen=True, gc=False):
    """What a peer says that is the mesh's affair."""

    gateway: str
    message: peers.Acquaintances | counting.Inquire | counting.Counted


FromLink: TypeAlias = Up | Synced | Lapsed | FromPeer
