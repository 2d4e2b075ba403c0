"""The requests of clients as structs: decoding them is validation. Pure.

The same structs serve JSON and CBOR (client protocols, section 3.2). ``data``,
``metadata`` and ``state`` are read apart, because the encodings carry them differently.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

NOTHING: Final = msgspec.Raw()
"""A field that is not there."""


class Frame(msgspec.Struct, tag_field="type", rename="camel", gc=False):
    """What all requests share: the tag."""


class StreamStart(msgspec.Struct, rename="camel", gc=False):
    """What makes a message to a group the start of a stream."""

    stream_id: str
    idle_timeout_ms: int | None = None


class StreamFault(msgspec.Struct, rename="camel", gc=False):
    """Why a publisher ends its stream early."""

    message: str | None = None
    user_error_code: str | None = None


class Send(Frame, tag="sendToGroup"):
    """Publish to a group, or begin a stream to it."""

    group: str
    data: msgspec.Raw = NOTHING
    data_type: str | None = None
    no_echo: bool | None = None
    ack_id: int | None = None
    metadata: msgspec.Raw = NOTHING
    ttl_seconds: int | None = None
    stream: StreamStart | None = None


class Event(Frame, tag="event"):
    """Call the event handler."""

    event: str
    data: msgspec.Raw = NOTHING
    data_type: str | None = None
    ack_id: int | None = None
    metadata: msgspec.Raw = NOTHING


class Join(Frame, tag="joinGroup"):
    """Join a group."""

    group: str
    ack_id: int | None = None


class Leave(Frame, tag="leaveGroup"):
    """Leave a group."""

    group: str
    ack_id: int | None = None


class Ping(Frame, tag="ping"):
    """Ask for a sign of life."""


class SequenceAck(Frame, tag="sequenceAck"):
    """Confirm messages."""

    sequence_id: int | str


class Invoke(Frame, tag="invoke"):
    """Call the event handler and wait for what it returns; ``event`` if it is one."""

    invocation_id: str
    target: str
    event: str | None = None
    data: msgspec.Raw = NOTHING
    data_type: str | None = None
    metadata: msgspec.Raw = NOTHING


class CancelInvocation(Frame, tag="cancelInvocation"):
    """Wait no more."""

    invocation_id: str


class InvokeResponse(Frame, tag="invokeResponse"):
    """Answer an invocation; what it says is of no interest."""

    invocation_id: str
    success: bool


class StreamData(Frame, tag="streamData"):
    """Send a part of a stream, or keep it open with nothing."""

    stream_id: str
    stream_sequence_id: int | None = None
    data_type: str | None = None
    data: msgspec.Raw = NOTHING


class StreamEnd(Frame, tag="streamEnd"):
    """End a stream."""

    stream_id: str
    error: StreamFault | None = None


class SetGroupState(Frame, tag="setGroupState"):
    """Say something of oneself in a group."""

    group: str
    state: msgspec.Raw = NOTHING
    ack_id: int | None = None


class SubscribeGroupState(Frame, tag="subscribeGroupState"):
    """Hear what others say of themselves."""

    group: str
    ack_id: int | None = None


class UnsubscribeGroupState(Frame, tag="unsubscribeGroupState"):
    """Hear it no more."""

    group: str
    ack_id: int | None = None


AnyFrame: TypeAlias = (
    Send
    | Event
    | Join
    | Leave
    | Ping
    | SequenceAck
    | Invoke
    | CancelInvocation
    | InvokeResponse
    | StreamData
    | StreamEnd
    | SetGroupState
    | SubscribeGroupState
    | UnsubscribeGroupState
)

KINDS: Final[dict[str, type[Frame]]] = {
    str(kind.__struct_config__.tag).lower(): kind for kind in Frame.__subclasses__()
}
"""Structs by their type in lower case: clients may write it in any."""
