"""What a client asks of its connection."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.messages.payload import (
    Metadata,
    Payload,
    State,
    StreamError,
    StreamMark,
)


class JoinGroup(msgspec.Struct, frozen=True, gc=False):
    """Join a group."""

    group: str
    ack_id: int | None = None


class LeaveGroup(msgspec.Struct, frozen=True, gc=False):
    """Leave a group."""

    group: str
    ack_id: int | None = None


class SendToGroup(msgspec.Struct, frozen=True, gc=False):
    """Publish to a group; ``ttl`` in seconds, 0 for no limit.

    ``stream`` is set by ``streams`` alone, for what is a part of one.
    """

    group: str
    payload: Payload
    no_echo: bool = False
    ack_id: int | None = None
    metadata: Metadata | None = None
    ttl: int = 0
    stream: StreamMark | None = None


class SendToAll(msgspec.Struct, frozen=True, gc=False):
    """Publish to all clients of the hub (the draft subprotocols)."""

    payload: Payload


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


class Invoke(msgspec.Struct, frozen=True, gc=False):
    """Call the event handler, and wait for what it returns."""

    invocation_id: str
    event: str
    payload: Payload
    metadata: Metadata | None = None


class RefuseInvocation(msgspec.Struct, frozen=True, gc=False):
    """An invocation of what cannot be invoked; to be answered with the reason."""

    invocation_id: str
    reason: str


class CancelInvocation(msgspec.Struct, frozen=True, gc=False):
    """Wait no more for the answer to an invocation."""

    invocation_id: str


class AnswerInvocation(msgspec.Struct, frozen=True, gc=False):
    """Answer an invocation; ignored, the gateway invokes nothing at a client."""

    invocation_id: str


class StartStream(msgspec.Struct, frozen=True, gc=False):
    """Begin a stream to a group; ``idle`` in seconds of silence until it ends."""

    group: str
    stream_id: str
    no_echo: bool = False
    idle: float = 300.0


class SendFragment(msgspec.Struct, frozen=True, gc=False):
    """Send the next part of a stream; its numbers begin at 1."""

    stream_id: str
    sequence_id: int
    payload: Payload


class KeepStream(msgspec.Struct, frozen=True, gc=False):
    """Say that a silent stream is still meant to go on."""

    stream_id: str


class EndStream(msgspec.Struct, frozen=True, gc=False):
    """End a stream, perhaps with an error."""

    stream_id: str
    error: StreamError | None = None


class SetGroupState(msgspec.Struct, frozen=True, gc=False):
    """Replace what the client says of itself in a group; None clears it."""

    group: str
    state: State | None
    ack_id: int | None = None


class SubscribeGroupState(msgspec.Struct, frozen=True, gc=False):
    """Hear what the connections of a group say of themselves."""

    group: str
    ack_id: int | None = None


class UnsubscribeGroupState(msgspec.Struct, frozen=True, gc=False):
    """Hear it no more."""

    group: str
    ack_id: int | None = None


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
    """The socket is gone: by the client's close code, or 1006 without one.

    ``final`` says that nobody may come back for the session: the client said goodbye
    (1000), or was sent away.
    """

    code: int
    reason: str
    final: bool = False


StreamRequest: TypeAlias = StartStream | SendFragment | KeepStream | EndStream
StateRequest: TypeAlias = SetGroupState | SubscribeGroupState | UnsubscribeGroupState

Request: TypeAlias = (
    SendToGroup
    | SendEvent
    | JoinGroup
    | LeaveGroup
    | SendFrame
    | PublishFrame
    | SendToAll
    | Invoke
    | RefuseInvocation
    | CancelInvocation
    | AnswerInvocation
    | StreamRequest
    | StateRequest
    | Ping
    | AckSequence
    | Broken
    | SocketClosed
)
