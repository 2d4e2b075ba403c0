"""What an event handler is told, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from hubbub.actors.messages.payload import Metadata, Payload
from hubbub.actors.runtime.address import Ref

Values: TypeAlias = Mapping[str, tuple[str, ...]]
"""A name to its values, as in a query string."""


class Client(msgspec.Struct, frozen=True, gc=False):
    """Who an event is about.

    ``state`` is what a handler last stored for the connection, None when it never did.
    ``subprotocol`` is as negotiated, None for a simple client and before acceptance.
    """

    hub: str
    connection_id: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str | None = None


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """A client certificate: SHA-1 thumbprint in hex, and PEM text."""

    thumbprint: str
    content: str


class Connect(msgspec.Struct, frozen=True, gc=False):
    """A client wants to connect; answered by ``Accept`` or ``Reject``.

    ``event_id`` counts the events of a connection, ``connect`` being 0.
    """

    client: Client
    event_id: int
    query: Values
    headers: Values
    claims: Values
    subprotocols: tuple[str, ...]
    certificates: tuple[Certificate, ...] = ()


class Connected(msgspec.Struct, frozen=True, gc=False):
    """A client is connected."""

    client: Client
    event_id: int


class UserEvent(msgspec.Struct, frozen=True, gc=False):
    """A client sent an event; answered by ``Respond``, None or a failure."""

    client: Client
    event_id: int
    event: str
    payload: Payload
    metadata: Metadata | None = None


class Disconnected(msgspec.Struct, frozen=True, gc=False):
    """A client that was connected is gone for good."""

    client: Client
    event_id: int
    reason: str


class Joined(msgspec.Struct, frozen=True, gc=False):
    """A client joined a group (where group presence events are configured)."""

    client: Client
    event_id: int
    group: str


class Left(msgspec.Struct, frozen=True, gc=False):
    """A client left a group (where group presence events are configured)."""

    client: Client
    event_id: int
    group: str


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A client wants to publish to a group; asked where a server intercepts it.

    Answered by ``Allow``, ``Deny`` or a failure.
    """

    client: Client
    event_id: int
    group: str
    payload: Payload
    metadata: Metadata | None = None


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """A client wants to join a group; asked where a server intercepts it.

    Answered by ``Allow``, ``Deny`` or a failure.
    """

    client: Client
    event_id: int
    group: str


Interception: TypeAlias = Publish | Subscribe
Blocking: TypeAlias = Connect | UserEvent | Interception
Notice: TypeAlias = Connected | Disconnected | Joined | Left
Event: TypeAlias = Blocking | Notice


class Accept(msgspec.Struct, frozen=True, gc=False):
    """Let the client in; None leaves what its token says.

    An empty ``user_id`` makes it anonymous; empty ``roles`` removes all; empty
    ``groups`` leaves those of the token (event handlers, connect answers).
    """

    user_id: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None
    state: str | None = None


class Reject(msgspec.Struct, frozen=True, gc=False):
    """Keep the client out, with an HTTP status of 4xx or 5xx."""

    status: int = 401
    reason: str = ""


class Respond(msgspec.Struct, frozen=True, gc=False):
    """Answer a user event, optionally with a message; ``state`` replaces the stored."""

    payload: Payload | None = None
    state: str | None = None
    metadata: Metadata | None = None


class Allow(msgspec.Struct, frozen=True, gc=False):
    """Let a client publish or join, perhaps something else than it wanted.

    ``group`` replaces the group, ``payload`` and ``metadata`` what is published; None
    leaves it as it is. The client's permissions are not checked for another group.
    """

    payload: Payload | None = None
    metadata: Metadata | None = None
    group: str | None = None


class Deny(msgspec.Struct, frozen=True, gc=False):
    """Do not let a client publish or join; ``reason`` is for its ack."""

    reason: str = ""


class Fail(msgspec.Struct, frozen=True, gc=False):
    """An event that did not succeed; ``reason`` is for the log and the ack."""

    reason: str


Outcome: TypeAlias = Accept | Reject | Respond | Allow | Deny | Fail


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A handler is done with an event; no outcome for a notice."""

    connection_id: str
    event_id: int
    outcome: Outcome | None


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to one handler, with the place to post ``Answered`` to.

    ``attempt`` is above 1 when a server that had it is gone: it may have acted on it.
    """

    event: Event
    reply_to: Ref[Answered]
    attempt: int = 1


class Withdrawn(msgspec.Struct, frozen=True, gc=False):
    """An event that was given to a server is over: its time was up."""

    connection_id: str
    event_id: int
