"""What a client asks of its connection."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.messages.payload import Metadata, Payload


class JoinGroup(msgspec.Struct, frozen=True, gc=False):
    """Join a group."""

    group: str
    ack_id: int | None = None


class LeaveGroup(msgspec.Struct, frozen=True, gc=False):
    """Leave a group."""

    group: str
    ack_id: int | None = None


class SendToGroup(msgspec.Struct, frozen=True, gc=False):
    """Publish to a group; ``ttl`` in seconds, 0 for no limit."""

    group: str
    payload: Payload
    no_echo: bool = False
    ack_id: int | None = None
    metadata: Metadata | None = None
    ttl: int = 0


class SendEvent(msgspec.Struct, frozen=True, gc=False):
    """Call the event handler by an event of the client's own naming."""

    event: str
    payload: Payload
    ack_id: int | None = None
    metadata: Metadata | None = None


class SendFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame of a simple client: the event ``message``, whose failure is fatal."""

    payload: Payload


class PublishFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame of a simple client in the raw mode that publishes to one group."""

    group: str
    payload: Payload
    no_echo: bool


class Ping(msgspec.Struct, frozen=True, gc=False):
    """Ask for a sign of life."""


class AckSequence(msgspec.Struct, frozen=True, gc=False):
    """Confirm every message up to a sequence id; ignored where nothing is numbered."""

    sequence_id: int


class Broken(msgspec.Struct, frozen=True, gc=False):
    """Not a request: bytes that no request can be read from."""

    code: int
    reason: str


class SocketClosed(msgspec.Struct, frozen=True, gc=False):
    """The socket is gone: by the client's close code, or 1006 without one."""

    code: int
    reason: str


Request: TypeAlias = (
    SendToGroup
    | SendEvent
    | JoinGroup
    | LeaveGroup
    | SendFrame
    | PublishFrame
    | Ping
    | AckSequence
    | Broken
    | SocketClosed
)
