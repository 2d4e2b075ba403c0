"""What a request means once its frame is read, whatever it was read from. Pure.

Facts from the client protocols reference, sections 3.2 and 3.8 to 3.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, assert_never

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import requests
from hubbub.actors.policy.names import is_event_name, is_group_name
from hubbub.transport.subprotocols import v1_fields as fields
from hubbub.transport.subprotocols import v1_frames as frames
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload, State
    from hubbub.actors.messages.requests import Request


class Parts(Protocol):
    """What each encoding carries in its own way; None is what is not there."""

    def payload(self, frame: Any, /) -> Payload | None:
        """Read ``data`` by ``dataType``."""

    def metadata(self, frame: Any, /) -> Metadata | None:
        """Read ``metadata``."""

    def state(self, frame: Any, /) -> State | None:
        """Read ``state``."""


def plain_send(frame: frames.Send, payload: Payload) -> Request:
    """Give the request of a message without metadata: the hot path.

    No call for what is not there.
    """
    group, ack_id, ttl = frame.group, frame.ack_id, frame.ttl_seconds or 0
    if not is_group_name(group):
        raise ProtocolViolation(1007, "invalid group name")
    return requests.SendToGroup(
        group,
        payload,
        frame.no_echo or False,
        None if ack_id is None else fields.ack_id(ack_id),
        None,
        ttl and fields.time_to_live(ttl),
    )


def plain_event(frame: frames.Event, payload: Payload) -> Request:
    """Give the request of an event without metadata: likewise."""
    event, ack_id = frame.event, frame.ack_id
    if not is_event_name(event):
        raise ProtocolViolation(1007, "invalid event name")
    return requests.SendEvent(
        event, payload, None if ack_id is None else fields.ack_id(ack_id)
    )


def request(frame: frames.AnyFrame, parts: Parts) -> Request:
    """Give the request of a frame.

    Raises:
        ProtocolViolation: 1007 for what breaks a rule of its fields.
    """
    match frame:
        case frames.Send():
            return _send(frame, parts)
        case frames.Event(event=event, ack_id=ack_id):
            name = fields.event_name(event)
            metadata = parts.metadata(frame)
            return requests.SendEvent(
                name,
                _payload(frame, parts, metadata),
                fields.ack_id(ack_id),
                metadata,
            )
        case frames.Join(group=group, ack_id=ack_id):
            return requests.JoinGroup(fields.group_name(group), fields.ack_id(ack_id))
        case frames.Leave(group=group, ack_id=ack_id):
            return requests.LeaveGroup(fields.group_name(group), fields.ack_id(ack_id))
        case frames.Ping():
            return requests.Ping()
        case frames.SequenceAck(sequence_id=sequence_id):
            return requests.AckSequence(fields.sequence_id(sequence_id))
        case frames.Invoke():
            return _invoke(frame, parts)
        case frames.CancelInvocation(invocation_id=invocation_id):
            return requests.CancelInvocation(_invocation(invocation_id))
        case frames.InvokeResponse(invocation_id=invocation_id):
            return requests.AnswerInvocation(_invocation(invocation_id))
        case frames.StreamData():
            return _stream_data(frame, parts)
        case frames.StreamEnd(stream_id=stream_id, error=error):
            return requests.EndStream(_stream(stream_id), _error(error))
        case frames.SetGroupState(group=group, ack_id=ack_id):
            return requests.SetGroupState(
                fields.group_name(group), parts.state(frame), fields.ack_id(ack_id)
            )
        case frames.SubscribeGroupState(group=group, ack_id=ack_id):
            return requests.SubscribeGroupState(
                fields.group_name(group), fields.ack_id(ack_id)
            )
        case frames.UnsubscribeGroupState(group=group, ack_id=ack_id):
            return requests.UnsubscribeGroupState(
                fields.group_name(group), fields.ack_id(ack_id)
            )
        case _:
            assert_never(frame)


def _send(frame: frames.Send, parts: Parts) -> Request:
    """Read a message to a group; with a stream and without data it begins that."""
    metadata, payload = parts.metadata(frame), parts.payload(frame)
    stream, no_echo = frame.stream, frame.no_echo or False
    if payload is None and stream is not None:
        return fields.start_of_stream(
            frame.group, stream.stream_id, no_echo, stream.idle_timeout_ms
        )
    if payload is None:
        payload = _empty(metadata)
    return requests.SendToGroup(
        fields.group_name(frame.group),
        payload,
        no_echo,
        fields.ack_id(frame.ack_id),
        metadata,
        fields.time_to_live(frame.ttl_seconds),
    )


def _invoke(frame: frames.Invoke, parts: Parts) -> Request:
    invocation_id = _invocation(frame.invocation_id)
    if frame.target != "event":
        reason = "Only the target event can be invoked."
        return requests.RefuseInvocation(invocation_id, reason)
    return requests.Invoke(
        invocation_id,
        fields.event_name(frame.event),
        parts.payload(frame) or payloads.Text(""),
        parts.metadata(frame),
    )


def _stream_data(frame: frames.StreamData, parts: Parts) -> Request:
    """Read a part of a stream: its number, type and data; none of them keeps it."""
    stream_id = _stream(frame.stream_id)
    number, payload = frame.stream_sequence_id, parts.payload(frame)
    if number is None and frame.data_type is None and payload is None:
        return requests.KeepStream(stream_id)
    if number is None or frame.data_type is None or payload is None:
        raise ProtocolViolation(
            1007, "streamSequenceId, dataType and data go together, or none of them"
        )
    return requests.SendFragment(stream_id, fields.fragment_number(number), payload)


def _error(fault: frames.StreamFault | None) -> payloads.StreamError | None:
    if fault is None:
        return None
    return payloads.StreamError("UserError", fault.message, fault.user_error_code)


def _payload(frame: frames.Event, parts: Parts, metadata: Metadata | None) -> Payload:
    payload = parts.payload(frame)
    return _empty(metadata) if payload is None else payload


def _empty(metadata: Metadata | None) -> Payload:
    """Give what a message without data says: nothing, but only with metadata."""
    if metadata is None:
        raise ProtocolViolation(1007, "data is missing")
    return payloads.Text("")


def _stream(stream_id: str) -> str:
    return fields.name_of("streamId", stream_id)


def _invocation(invocation_id: str) -> str:
    return fields.name_of("invocationId", invocation_id)
