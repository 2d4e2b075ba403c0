"""What gateway, hub, groups and connections tell each other."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.messages import commands, requests, servers
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
    """A connection is accepted and takes its place in the roster and its groups."""

    connection_id: str
    user_id: str | None
    outlet: Outlet
    connection: Ref[ToConnectionActor]
    groups: tuple[str, ...]


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


class Part(msgspec.Struct, frozen=True, gc=False):
    """A group loses a member."""

    connection_id: str
    receipt: commands.Receipt | None = None


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A group that chooses its members has taken one, or not."""

    connection_id: str
    group: str
    taken: bool


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
    outlet: Outlet
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
    ``joined`` and ``left`` are patterns of groups whose presence is told.
    """

    publish: bool = False
    subscribe: bool = False
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    receipt: commands.Receipt | None = None


class Drain(msgspec.Struct, frozen=True, gc=False):
    """Close every connection; post True once none is left."""

    answer: Ref[bool]


Permissive: TypeAlias = commands.Grant | commands.Revoke | commands.HasPermission

ToGroupActor: TypeAlias = Deliver | Join | Part
ToConnectionActor: TypeAlias = (
    requests.Request | End | JoinedGroup | LeftGroup | Farewell | Permissive | Attention
)
ToHubActor: TypeAlias = (
    commands.Command
    | Admit
    | Enter
    | Gone
    | Drain
    | AdmitServer
    | Tune
    | Observe
    | Attention
    | Admitted
)
