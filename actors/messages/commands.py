"""What anyone trusted asks of a hub: a server, a REST call, a handler, a connection."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeAlias

import msgspec

from hubbub.actors.messages.payload import Metadata, Payload, StreamMark
from hubbub.actors.runtime.address import Ref


class Everyone(msgspec.Struct, frozen=True, gc=False):
    """All connections of the hub."""


class ToGroup(msgspec.Struct, frozen=True, gc=False):
    """The members of a group."""

    name: str


class ToUser(msgspec.Struct, frozen=True, gc=False):
    """The connections of a user."""

    user_id: str


class ToConnection(msgspec.Struct, frozen=True, gc=False):
    """One connection."""

    connection_id: str


Target: TypeAlias = Everyone | ToGroup | ToUser | ToConnection


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Whom to tell, and what, once the work is done.

    Paid by the one that finishes the request, so an echo always precedes its ack.
    ``missing`` is posted instead when the target has no connection; None means that
    this makes no difference and ``message`` is posted either way. ``refused`` is posted
    when a group of an author's class says no; None leaves it to the message to say so
    (``refused(reason)``), if it can.
    """

    to: Ref[Any]
    message: Any
    missing: Any = None
    refused: Any = None

    def pay(self, *, found: bool = True) -> None:
        """Tell how it ended."""
        missed = not found and self.missing is not None
        self.to.post(self.missing if missed else self.message)

    def refuse(self, reason: str) -> None:
        """Tell that a group said no."""
        answer = self.refused
        if answer is None:
            opposite = getattr(self.message, "refused", None)
            answer = self.message if opposite is None else opposite(reason)
        self.to.post(answer)

    def fail(self, reason: str) -> None:
        """Tell that it could not be done everywhere."""
        opposite = getattr(self.message, "failed", None)
        self.to.post(Unavailable(reason) if opposite is None else opposite(reason))


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """No answer, or not from everyone: a gateway that was asked did not say in time."""

    reason: str


class Subject(Protocol):
    """What a filter looks at (see ``policy.filter``)."""

    @property
    def connection_id(self) -> str:
        """The connection."""

    @property
    def user_id(self) -> str | None:
        """Its user; None when anonymous."""

    @property
    def groups(self) -> Collection[str]:
        """Its groups."""

    @property
    def protocol(self) -> str | None:
        """Its subprotocol; None for a simple client."""


Where: TypeAlias = Callable[[Subject], bool]
"""A compiled filter."""


class Publish(msgspec.Struct, frozen=True, gc=False):
    """Deliver a payload to a target.

    ``from_user`` is set for what a client publishes; ``exclude`` names connections;
    ``ttl`` in seconds, 0 for no limit. The receipt is paid after the hand-out.
    """

    target: Target
    payload: Payload
    from_user: str | None = None
    metadata: Metadata | None = None
    ttl: int = 0
    exclude: tuple[str, ...] = ()
    where: Where | None = None
    receipt: Receipt | None = None
    stream: StreamMark | None = None


class AddToGroup(msgspec.Struct, frozen=True, gc=False):
    """Make the target's connections members of a group."""

    target: ToConnection | ToUser
    group: str
    receipt: Receipt | None = None


class RemoveFromGroup(msgspec.Struct, frozen=True, gc=False):
    """End the target's membership of a group, or of all groups (None)."""

    target: ToConnection | ToUser
    group: str | None
    receipt: Receipt | None = None


class AddAllToGroups(msgspec.Struct, frozen=True, gc=False):
    """Add every matching connection of the hub to groups; the set is computed first."""

    groups: tuple[str, ...]
    where: Where | None
    receipt: Receipt | None = None


class RemoveAllFromGroups(msgspec.Struct, frozen=True, gc=False):
    """Remove every matching connection of the hub from groups."""

    groups: tuple[str, ...]
    where: Where | None
    receipt: Receipt | None = None


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close the target's connections but for the excluded ones."""

    target: Target
    exclude: tuple[str, ...] = ()
    reason: str | None = None
    receipt: Receipt | None = None


class Permission(enum.StrEnum):
    """What a connection may do to a group; the values are those of the REST API."""

    SEND_TO_GROUP = "sendToGroup"
    JOIN_LEAVE_GROUP = "joinLeaveGroup"


class Grant(msgspec.Struct, frozen=True, gc=False):
    """Allow a connection something in a group; answers a ``Verdict``."""

    connection_id: str
    permission: Permission
    group: str
    answer: Ref[Verdict | Unavailable]


class Revoke(msgspec.Struct, frozen=True, gc=False):
    """Forbid a connection something in a group; answers a ``Verdict``."""

    connection_id: str
    permission: Permission
    group: str
    answer: Ref[Verdict | Unavailable]


class HasPermission(msgspec.Struct, frozen=True, gc=False):
    """Ask whether a connection may do something in a group."""

    connection_id: str
    permission: Permission
    group: str
    answer: Ref[Verdict | Unavailable]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """How a permission command ended.

    ``found`` tells whether the connection exists, ``done`` whether it was carried out
    (a full table refuses) or, of a question, whether it is allowed.
    """

    found: bool
    done: bool


class Exists(msgspec.Struct, frozen=True, gc=False):
    """Ask whether a target has a connection."""

    target: ToConnection | ToUser | ToGroup
    answer: Ref[bool | Unavailable]


class Members(msgspec.Struct, frozen=True, gc=False):
    """Ask for members of a group in order of connection id, after a given one."""

    group: str
    after: str
    limit: int
    answer: Ref[MemberPage | Unavailable]


class MemberPage(msgspec.Struct, frozen=True, gc=False):
    """Connection ids with their user ids, and whether there are more."""

    members: tuple[tuple[str, str | None], ...]
    more: bool


Command: TypeAlias = (
    Publish
    | AddToGroup
    | RemoveFromGroup
    | AddAllToGroups
    | RemoveAllFromGroups
    | Close
    | Grant
    | Revoke
    | HasPermission
    | Exists
    | Members
)


class ForHub(msgspec.Struct, frozen=True, gc=False):
    """A command on its way through the gateway to the hub of a (lower-case) name."""

    hub: str
    command: Command
