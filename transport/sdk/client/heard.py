"""What the service says, as the struct that JSON and CBOR frames are read into. Pure.

Facts from the client protocols reference, sections 3.3 to 3.10 and 5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.sdk.client.protocols import Answer, Numbered, Outcome
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.client.protocols import Arrival

    Read = Callable[[], Payload | None]

NOTHING: Final = msgspec.Raw()
"""A field that is not there."""


class _Error(msgspec.Struct, rename="camel"):
    name: str
    message: str | None = None
    user_error_code: str | None = None

    def of_stream(self) -> payloads.StreamError:
        return payloads.StreamError(self.name, self.message, self.user_error_code)


class _Mark(msgspec.Struct, rename="camel"):
    stream_id: str
    stream_sequence_id: int
    end_of_stream: bool | None = None
    error: _Error | None = None

    def mark(self) -> payloads.StreamMark:
        error = None if self.error is None else self.error.of_stream()
        return payloads.StreamMark(
            self.stream_id, self.stream_sequence_id, self.end_of_stream or False, error
        )


class _Item(msgspec.Struct, rename="camel"):
    connection_id: str
    updated_at: int
    user_id: str | None = None
    state: dict[str, str] | None = None


class Frame(msgspec.Struct, rename="camel"):
    """Anything the service says; the type says which fields count."""

    type: str
    event: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    group: str | None = None
    from_user_id: str | None = None
    data_type: str | None = None
    data: msgspec.Raw = NOTHING
    metadata: dict[str, str] | None = None
    sequence_id: int | None = None
    stream: _Mark | None = None
    ack_id: int | None = None
    success: bool | None = None
    error: _Error | None = None
    message: str | None = None
    connection_id: str | None = None
    user_id: str | None = None
    reconnection_token: str | None = None
    invocation_id: str | None = None
    stream_id: str | None = None
    expected_sequence_id: int | None = None
    name: str | None = None
    items: list[_Item] | None = None


def read(frame: Frame, payload: Read, *, numbered: bool) -> Arrival | None:
    """Tell what a frame says; None for a kind that this client does not know.

    Args:
        frame: The frame.
        payload: Reads its data; gives None where there is none.
        numbered: Whether messages have sequence ids that count.

    Raises:
        ProtocolError: It lacks what its type needs.
    """
    match frame:
        case Frame(type="message"):
            message = _message(frame, payload)
            number = frame.sequence_id if numbered else None
            return message if not number else Numbered(message, number)
        case Frame(type="ack", ack_id=int(number), success=True):
            return Answer(number)
        case Frame(type="ack", ack_id=int(number), error=error) if error is not None:
            return Answer(number, error.name, error.message or "")
        case Frame(type="system", event="connected", connection_id=str(name)):
            return pushes.Connected(name, frame.user_id, frame.reconnection_token)
        case Frame(type="system", event="disconnected", message=message):
            return pushes.Disconnected(message or "")
        case Frame(type="pong"):
            return pushes.Pong()
        case Frame(type="system") if frame.event != "connected":
            return None
        case Frame(type=kind) if kind in {"ack", "system"}:
            raise _lacking(kind)
        case _:
            return _newer(frame, payload)


def _message(frame: Frame, read_payload: Read) -> Message:
    payload = read_payload()
    if payload is None:
        raise ProtocolError("a message has no data")
    match frame:
        case Frame(from_="group", group=str(group), stream=stream):
            mark = None if stream is None else stream.mark()
            return Message(payload, group, frame.from_user_id, frame.metadata, mark)
        case Frame(from_="server"):
            return Message(payload, metadata=frame.metadata)
        case _:
            raise ProtocolError("a message does not say where it is from")


def _newer(frame: Frame, payload: Read) -> Arrival | None:
    """Read what is said of invocations, streams and states."""
    match frame:
        case Frame(type="invokeResponse", invocation_id=str(name), success=True):
            return Outcome(name, None if frame.data_type is None else payload())
        case Frame(
            type="invokeResponse", invocation_id=str(name), error=_Error() as error
        ):
            return Outcome(name, None, error.name, error.message or "")
        case Frame(
            type="streamAck", stream_id=str(name), expected_sequence_id=int(expected)
        ):
            return pushes.StreamAck(name, expected)
        case Frame(
            type="streamNack", stream_id=str(name), expected_sequence_id=int(expected)
        ):
            return pushes.StreamNack(name, expected, frame.name or "")
        case Frame(type="streamClosed", stream_id=str(name), error=closed):
            why = None if closed is None else closed.of_stream()
            return pushes.StreamClosed(name, why)
        case Frame(type="groupStateSnapshot", group=str(group), items=list(items)):
            return pushes.GroupStateSnapshot(group, tuple(map(_item, items)))
        case Frame(type="groupStateUpdate", group=str(group), items=list(items)):
            return pushes.GroupStateUpdate(group, tuple(map(_item, items)))
        case Frame(type=kind) if kind in _NEWER:
            raise _lacking(kind)
        case _:
            return None


_NEWER: Final = frozenset(
    {"invokeResponse", "streamAck", "streamNack", "streamClosed"}
    | {"groupStateSnapshot", "groupStateUpdate"}
)


def _item(item: _Item) -> pushes.StateItem:
    return pushes.StateItem(
        item.connection_id, item.user_id, item.state, item.updated_at
    )


def _lacking(kind: str) -> ProtocolError:
    return ProtocolError(f"a frame of type {kind} lacks a field")
