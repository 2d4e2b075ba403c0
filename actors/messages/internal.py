"""What gateway, hub, groups and connections tell each other."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from hubbub.actors.messages import (
    commands,
    events,
    peers,
    requests,
    returning,
    servers,
    states,
)
from hubbub.actors.messages.events import Certificate, Values
from hubbub.actors.messages.pushes import Push
from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.ports import Door, Outlet


class Applicant(msgspec.Struct, frozen=True, gc=False):
    """A client whose handshake is in order, as its token and its request present it."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    query: Values
    headers: Values
    claims: Values
    subprotocols: tuple[str, ...]
    certificates: tuple[Certificate, ...] = ()


class Admit(msgspec.Struct, frozen=True, gc=False):
    """A client stands at the door of a hub."""

    hub: str
    applicant: Applicant
    door: Door


class Enter(msgspec.Struct, frozen=True, gc=False):
    """A connection is accepted and takes its place in the roster and its groups.

    ``moved`` says that its session was another gateway's: nobody is told it connects.
    """

    connection_id: str
    user_id: str | None
    outlet: Outlet
    connection: Ref[ToConnectionActor]
    groups: tuple[str, ...]
    moved: bool = False


class Gone(msgspec.Struct, frozen=True, gc=False):
    """A connection has ended; it waits for ``Farewell``."""

    connection_id: str
    connection: Ref[Farewell]


class Farewell(msgspec.Struct, frozen=True, gc=False):
    """The hub has forgotten a connection: nothing more will come from it."""


class Join(msgspec.Struct, frozen=True, gc=False):
    """A group has a new member, or (``listens``) an attached server that listens.

    A group that chooses its members may still refuse one.
    """

    connection_id: str
    outlet: Outlet
    receipt: commands.Receipt | None = None
    user_id: str | None = None
    listens: bool = False
    quiet: bool = False
    """Whether nobody is to be told: its session was a member elsewhere."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """A group loses a member."""

    connection_id: str
    receipt: commands.Receipt | None = None


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A group that chooses its members has taken one, or not."""

    connection_id: str
    group: str
    taken: bool
    quiet: bool = False


class AdmitServer(msgspec.Struct, frozen=True, gc=False):
    """A server stands at the door of a hub; its token names its roles."""

    hub: str
    roles: tuple[str, ...]
    door: Door


class Tune(msgspec.Struct, frozen=True, gc=False):
    """A server wants to hear a group or (None) the hub; or no more."""

    server_id: str
    outlet: Outlet
    group: str | None
    on: bool
    receipt: commands.Receipt | None = None


class Observe(msgspec.Struct, frozen=True, gc=False):
    """A server wants to know who comes and goes."""

    server_id: str
    outlet: Ref[servers.Presence]
    watch: servers.Watch
    receipt: commands.Receipt | None = None


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """A push for the members of a group, but for some connections."""

    push: Push | servers.Overheard
    exclude: tuple[str, ...] = ()
    receipt: commands.Receipt | None = None


class End(msgspec.Struct, frozen=True, gc=False):
    """A connection must end.

    ``notice`` is what the client is told before the close frame with ``code`` and
    ``cause``; ``reason`` is what the event handler hears.
    """

    code: int
    cause: str
    notice: str
    reason: str


class JoinedGroup(msgspec.Struct, frozen=True, gc=False):
    """A connection has joined a group, and a handler wants to know."""

    group: str


class LeftGroup(msgspec.Struct, frozen=True, gc=False):
    """A connection has left a group, and a handler wants to know."""

    group: str


class Attention(msgspec.Struct, frozen=True, gc=False):
    """What handlers and servers of a hub want to be asked or told beforehand.

    ``publish`` and ``subscribe`` say that a client's wish may be intercepted;
    ``joined`` and ``left`` are patterns of groups whose presence is told. With
    ``clustered``, peers want to know of a connection before it is let in.
    """

    publish: bool = False
    subscribe: bool = False
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    clustered: bool = False
    receipt: commands.Receipt | None = None


class Drain(msgspec.Struct, frozen=True, gc=False):
    """Close every connection; post True once none is left."""

    answer: Ref[bool]


class Expect(msgspec.Struct, frozen=True, gc=False):
    """A connection is about to enter: let peers know, then say ``Expected``."""

    connection: Ref[Expected]
    user_id: str | None
    groups: tuple[str, ...]


class Expected(msgspec.Struct, frozen=True, gc=False):
    """Peers know of a connection that is about to enter."""


class Greet(msgspec.Struct, frozen=True, gc=False):
    """A link is up: tell the peer what this hub wants, then say so to the link."""

    link: Ref[Any]


class Relayed(msgspec.Struct, frozen=True, gc=False):
    """A peer's command, to be carried out on what is here, and passed on to nobody."""

    command: commands.Command
    origin: Ref[Any]
    """The peer's link."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a server that is attached to a peer wants of this hub."""

    command: peers.Attach | peers.Retire | peers.Watch
    receipt: commands.Receipt


class Detached(msgspec.Struct, frozen=True, gc=False):
    """A server that was attached to a peer is gone, or the peer is."""

    server_id: str


class Given(msgspec.Struct, frozen=True, gc=False):
    """A peer's event for a server that is attached here."""

    server_id: str
    delivery: events.Delivery
    back: Ref[events.Withdrawn]


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What a server that is attached here watches for has happened at a peer."""

    server_id: str
    presence: servers.Presence


FromLink: TypeAlias = (
    Greet
    | Relayed
    | Asked
    | Detached
    | Given
    | Seen
    | events.Answered
    | events.Withdrawn
)
"""What a link tells a hub."""

Permissive: TypeAlias = commands.Grant | commands.Revoke | commands.HasPermission

ToGroupActor: TypeAlias = Deliver | Join | Part
ToConnectionActor: TypeAlias = (
    requests.Request
    | End
    | JoinedGroup
    | LeftGroup
    | Farewell
    | Permissive
    | Attention
    | Expected
    | returning.ToSession
)
ToHubActor: TypeAlias = (
    commands.Command
    | Admit
    | Enter
    | returning.OfMoves
    | Gone
    | Drain
    | AdmitServer
    | Tune
    | Observe
    | Attention
    | Admitted
    | Expect
    | states.ToHub
    | FromLink
)
