"""What the edge of a gateway asks its mesh, and what the mesh shows of its peers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.ports import Wire


class Pace(msgspec.Struct, frozen=True):
    """Times in seconds and bounds of the links of a mesh.

    Args:
        heartbeat: Between signs of life, and between greetings of a gateway that does
            not answer.
        silence: Without a sign of life until a peer counts as gone.
        stall: With a full queue and no progress until a peer counts as gone.
        knowing: Until a join is acknowledged although a peer has not said that it
            knows of it.
        answer: Until a question to a peer counts as unanswered.
        settling: Until a gateway starts although a seed has not answered.
        queue_bytes: Bytes for a peer above which clients are read no more; four times
            as many end the link.
        remembered: How long a gateway that was a peer is greeted again.
    """

    heartbeat: float = 1.0
    silence: float = 10.0
    stall: float = 2.0
    knowing: float = 2.0
    answer: float = 5.0
    settling: float = 3.0
    queue_bytes: int = 16 << 20
    remembered: float = 600.0


class Seeds(msgspec.Struct, frozen=True):
    """Where gateways may be, in place of what was said before (discovery)."""

    endpoints: tuple[str, ...]


class Settle(msgspec.Struct, frozen=True):
    """Post True once every seed is a peer that has said what it wants.

    Post False when ``Pace.settling`` is over and one is not.
    """

    answer: Ref[bool]


class LinkState(enum.StrEnum):
    """How far a link is."""

    GREETING = "greeting"
    """There is no answer yet, or no more."""
    UP = "up"
    REFUSED = "refused"
    """One side does not want the other, or they have no common secret."""


class PeerView(msgspec.Struct, frozen=True):
    """A peer as this gateway sees it; times in seconds, counts since it was first met.

    Args:
        endpoint: Where it is.
        gateway: Its id; empty until it has answered.
        state: How far the link is.
        epoch: How often the link has come up.
        age: Since it came up; 0 when it is not.
        silent: Since the last sign of life; 0 when there was none.
        queued: Messages that it has not acknowledged.
        relayed: Publications passed to it.
        received: Publications it has passed on.
        resent: Batches sent again.
        lost: Messages that were never acknowledged when a link ended.
        trouble: Why it is not up, if that is known.
    """

    endpoint: str
    gateway: str = ""
    state: LinkState = LinkState.GREETING
    epoch: int = 0
    age: float = 0.0
    silent: float = 0.0
    queued: int = 0
    relayed: int = 0
    received: int = 0
    resent: int = 0
    lost: int = 0
    trouble: str = ""


class MeshView(msgspec.Struct, frozen=True):
    """The mesh as this gateway sees it; without a mesh, no endpoint and no peers."""

    gateway: str
    cluster: str = ""
    endpoint: str = ""
    worker: str = ""
    peers: tuple[PeerView, ...] = ()


class MeshSetup(msgspec.Struct, frozen=True):
    """What a mesh is started with.

    Args:
        wire: How to reach peers.
        cluster: Gateways of another name are refused.
        seeds: Where gateways may be; one that lives is enough.
        pace: Times and bounds.
        site: What the workers of one machine have in common, if this is one.
        worker: This worker's name, if it is one.
        figures: Gives what this gateway counts and sees, for its fellow workers.
    """

    wire: Wire
    cluster: str = "hubbub"
    seeds: tuple[str, ...] = ()
    pace: Pace = Pace()
    site: str = ""
    worker: str = ""
    figures: Callable[[MeshView], bytes] = lambda _: b""


class Inspect(msgspec.Struct, frozen=True):
    """Show the peers."""

    answer: Ref[MeshView]


class Tally(msgspec.Struct, frozen=True):
    """What the workers of this machine count, by worker name, this one's included."""

    figures: dict[str, bytes]


class Count(msgspec.Struct, frozen=True):
    """Ask the workers of this machine what they count; who does not say is left out."""

    answer: Ref[Tally]


ToMesh: TypeAlias = Seeds | Settle | Inspect | Count
"""What the edge says; the gateway passes it on."""
