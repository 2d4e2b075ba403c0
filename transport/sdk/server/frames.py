"""The frames a gateway sends to its servers, as structs: decoding is validation.

Pure. The same structs serve both subprotocols.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

Map: TypeAlias = dict[str, Any]
"""A frame to send, without its data."""

Values: TypeAlias = dict[str, tuple[str, ...]]

_NOTHING: Final = msgspec.Raw()


class Arriving(msgspec.Struct, tag_field="type", rename="camel", gc=False):
    """What all frames of a gateway share: a tag."""


class Welcome(Arriving, tag="welcome"):
    """We are attached."""

    server_id: str
    hub: str
    roles: tuple[str, ...] = ()


class Certificate(msgspec.Struct, gc=False):
    """A client's certificate."""

    thumbprint: str
    content: str


class Event(Arriving, tag="event"):
    """Something to answer by its number; the kind says which fields count."""

    event_id: int
    kind: str
    connection_id: str
    user_id: str | None = None
    subprotocol: str | None = None
    state: str | None = None
    attempt: int = 1
    event: str | None = None
    group: str | None = None
    reason: str = ""
    query: Values = {}
    headers: Values = {}
    claims: Values = {}
    subprotocols: tuple[str, ...] = ()
    client_certificates: tuple[Certificate, ...] = ()
    data_type: str | None = None
    data: msgspec.Raw = _NOTHING
    metadata: dict[str, str] | None = None


class Message(Arriving, tag="message"):
    """Something was published where we listen."""

    scope: str | None = None
    group: str | None = None
    user_id: str | None = None
    connection_id: str | None = None
    from_user_id: str | None = None
    data_type: str | None = None
    data: msgspec.Raw = _NOTHING
    metadata: dict[str, str] | None = None


class Member(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """A connection in a group; no user where it is anonymous."""

    connection_id: str
    user_id: str | None = None


class Page(msgspec.Struct, gc=False):
    """A page of a group's members, and whether there are more."""

    members: tuple[Member, ...]
    more: bool


class Result(Arriving, tag="result"):
    """A request is carried out."""

    id: int
    value: bool | Page | None = None


class Error(Arriving, tag="error"):
    """A request, or a frame without an id, is refused."""

    name: str
    message: str = ""
    id: int | None = None


class Cancel(Arriving, tag="cancel"):
    """Nobody waits for the answer to an event any more."""

    event_id: int


class Presence(Arriving, tag="presence"):
    """Someone came or went."""

    kind: str
    connection_id: str
    user_id: str | None = None
    group: str | None = None


class Draining(Arriving, tag="draining"):
    """The gateway is about to end."""


class Pong(Arriving, tag="pong"):
    """A sign of life."""


Frame: TypeAlias = (
    Event | Result | Message | Error | Cancel | Presence | Welcome | Draining | Pong
)
