"""The frames an attached server sends, as structs: decoding them is validation.

Pure. The same structs serve both server subprotocols; see docs/reference, the server
protocol. ``data`` is read apart, because JSON and CBOR carry it differently.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

MOST_ID: Final = 2**53 - 1
"""Ids are exact in every language's numbers."""

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_ID)]


class Frame(msgspec.Struct, tag_field="type", rename="camel", gc=False):
    """What all frames share: a tag, and an id where an answer is wanted."""

    id: Number | None = None


class RuleFrame(msgspec.Struct, rename="camel", gc=False):
    """Which events a server takes."""

    kind: str
    pattern: str = "*"
    filter: str | None = None


class Subscribe(Frame, tag="subscribe"):
    """Listen to a group, or to the whole hub."""

    group: str | None = None


class Unsubscribe(Frame, tag="unsubscribe"):
    """Listen no more."""

    group: str | None = None


class Handle(Frame, tag="handle"):
    """Declare the events this server takes, instead of what it declared before."""

    rules: tuple[RuleFrame, ...] = ()
    window: int = 1000
    supersede: bool = False


class Watch(Frame, tag="watch"):
    """Ask for presence, instead of what was asked for before."""

    connections: bool = False
    groups: tuple[str, ...] = ()


class Targeted(Frame):
    """A frame that says whom it means; none of the three means everyone."""

    group: str | None = None
    user_id: str | None = None
    connection_id: str | None = None


class Publish(Targeted, tag="publish"):
    """Send a message."""

    data_type: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, str] | None = None
    no_echo: bool = False
    excluded: tuple[str, ...] = ()
    filter: str | None = None
    ttl_seconds: int = 0


class Close(Targeted, tag="close"):
    """Close connections."""

    excluded: tuple[str, ...] = ()
    reason: str | None = None


class Exists(Targeted, tag="exists"):
    """Ask whether there is a connection."""


class AddToGroup(Targeted, tag="addToGroup"):
    """Add a user's connections, or one, to a group."""


class RemoveFromGroup(Targeted, tag="removeFromGroup"):
    """Remove a user's connections, or one, from a group or from all."""


class AddAllToGroups(Frame, tag="addAllToGroups"):
    """Add every matching connection to groups."""

    groups: tuple[str, ...] = ()
    filter: str | None = None


class RemoveAllFromGroups(Frame, tag="removeAllFromGroups"):
    """Remove every matching connection from groups."""

    groups: tuple[str, ...] = ()
    filter: str | None = None


class Permissive(Frame):
    """A frame about a permission of one connection."""

    connection_id: str = ""
    permission: str = ""
    group: str = ""


class Grant(Permissive, tag="grant"):
    """Allow a connection something in a group."""


class Revoke(Permissive, tag="revoke"):
    """Forbid a connection something in a group."""


class HasPermission(Permissive, tag="hasPermission"):
    """Ask whether a connection may do something in a group."""


class Members(Frame, tag="members"):
    """Ask for a page of a group's connections."""

    group: str = ""
    after: str = ""
    limit: int = 200


class Drain(Frame, tag="drain"):
    """Ask for no more events, and for a sign once none is unanswered."""


class Ping(Frame, tag="ping"):
    """Ask for a sign of life."""


class Outcome(Frame, kw_only=True):
    """An answer to an event."""

    event_id: Number


class Accept(Outcome, tag="accept"):
    """Let a client in."""

    user_id: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None
    state: str | None = None


class Reject(Outcome, tag="reject"):
    """Keep a client out."""

    status: int = 401
    reason: str = ""


class Respond(Outcome, tag="respond"):
    """Answer a user event."""

    data_type: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, str] | None = None
    state: str | None = None


class Allow(Outcome, tag="allow"):
    """Let a client publish or join."""

    data_type: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, str] | None = None
    group: str | None = None


class Deny(Outcome, tag="deny"):
    """Do not let a client publish or join."""

    reason: str = ""


class Fail(Outcome, tag="fail"):
    """Fail an event."""

    reason: str = ""


class Done(Outcome, tag="done"):
    """Acknowledge a notice."""


AnyOutcome: TypeAlias = Accept | Reject | Respond | Allow | Deny | Fail | Done
AnyFrame: TypeAlias = (
    Publish
    | AnyOutcome
    | Subscribe
    | Unsubscribe
    | Handle
    | Watch
    | Close
    | Exists
    | AddToGroup
    | RemoveFromGroup
    | AddAllToGroups
    | RemoveAllFromGroups
    | Grant
    | Revoke
    | HasPermission
    | Members
    | Drain
    | Ping
)


class Marks(msgspec.Struct, rename="camel", gc=False):
    """What can still be read of a frame that is not valid."""

    id: Number | None = None
    event_id: Number | None = None
