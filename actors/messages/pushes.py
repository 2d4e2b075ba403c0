"""What a connection tells its client."""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from hubbub.actors.messages.payload import (
    Metadata,
    Payload,
    State,
    StreamError,
    StreamMark,
)


class AckName(enum.StrEnum):
    """Names of failed acks (client protocols, acknowledgements)."""

    FORBIDDEN = "Forbidden"
    INTERNAL_SERVER_ERROR = "InternalServerError"
    DUPLICATE = "Duplicate"
    BAD_REQUEST = "BadRequest"


class AckError(msgspec.Struct, frozen=True, gc=False):
    """Why a request failed."""

    name: AckName
    message: str


class Connected(msgspec.Struct, frozen=True, gc=False):
    """The session is open."""

    connection_id: str
    user_id: str | None
    reconnection_token: str | None = None


class Disconnected(msgspec.Struct, frozen=True, gc=False):
    """The service is about to close the session."""

    message: str


class GroupMessage(msgspec.Struct, frozen=True, gc=False):
    """A message published to a group; no ``from_user`` when a server or nobody sent.

    ``ttl`` is how many seconds it may wait for a client that is away, 0 for no limit.
    """

    group: str
    from_user: str | None
    payload: Payload
    metadata: Metadata | None = None
    ttl: int = 0
    stream: StreamMark | None = None


class ServerMessage(msgspec.Struct, frozen=True, gc=False):
    """A message from a server, to this client or to everybody; ``ttl`` as above."""

    payload: Payload
    metadata: Metadata | None = None
    ttl: int = 0


class Ack(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request with an ack id; no error means success."""

    ack_id: int
    error: AckError | None = None

    def refused(self, reason: str) -> Ack:
        """Give the ack that says no to the same request."""
        return Ack(self.ack_id, AckError(AckName.FORBIDDEN, reason))

    def failed(self, reason: str) -> Ack:
        """Give the ack that says that the same request could not be done."""
        return Ack(self.ack_id, AckError(AckName.INTERNAL_SERVER_ERROR, reason))


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The sign of life that was asked for."""


class InvokeResponse(msgspec.Struct, frozen=True, gc=False):
    """What an invocation came to; neither payload nor error is success with nothing."""

    invocation_id: str
    payload: Payload | None = None
    error: AckError | None = None


class StreamAck(msgspec.Struct, frozen=True, gc=False):
    """All parts of a stream before the expected one are published."""

    stream_id: str
    expected: int


class StreamNack(msgspec.Struct, frozen=True, gc=False):
    """A part of a stream was not published: its number is too high."""

    stream_id: str
    expected: int
    name: str = "InvalidSequenceId"


class StreamClosed(msgspec.Struct, frozen=True, gc=False):
    """A stream is over, for its publisher; no error when it was ended in order."""

    stream_id: str
    error: StreamError | None = None


class StateItem(msgspec.Struct, frozen=True, gc=False):
    """What one connection says of itself in a group; no ``state`` when it is cleared.

    ``updated_at`` is Unix time in milliseconds, and grows with every change.
    """

    connection_id: str
    user_id: str | None
    state: State | None
    updated_at: int


class GroupStateSnapshot(msgspec.Struct, frozen=True, gc=False):
    """All that is said in a group, in place of what was known before."""

    group: str
    items: tuple[StateItem, ...]


class GroupStateUpdate(msgspec.Struct, frozen=True, gc=False):
    """What has changed of it."""

    group: str
    items: tuple[StateItem, ...]


Push: TypeAlias = (
    GroupMessage
    | ServerMessage
    | Ack
    | Pong
    | Connected
    | Disconnected
    | InvokeResponse
    | StreamAck
    | StreamNack
    | StreamClosed
    | GroupStateSnapshot
    | GroupStateUpdate
)
