"""Protobuf requests from clients (client protocols, section 4.1). Pure.

There are no numbers for the parts of a stream, so what begins one begins what nothing
can follow; it is read all the same, and ends by its silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any as ProtobufAny
from google.protobuf.message import DecodeError

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import requests
from hubbub.transport.subprotocols import v1_fields as fields
from hubbub.transport.subprotocols.cbor_items import read_json
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.subprotocols.webpubsub_pb2 import MessageData, UpstreamMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.messages.requests import Request

_parse: Final = UpstreamMessage.FromString


def read(data: bytes) -> Request:
    """Read one request.

    Raises:
        ProtocolViolation: 1007 for anything that is not a valid request.
    """
    try:
        message = _parse(data)
    except DecodeError as error:
        raise ProtocolViolation(1007, f"not valid protobuf: {error}") from None
    match message.WhichOneof("message"):
        case "send_to_group_message":
            return _send(message.send_to_group_message)
        case "event_message":
            return _event(message.event_message)
        case "join_group_message":
            join = message.join_group_message
            return requests.JoinGroup(fields.group_name(join.group), _ack_id(join))
        case "leave_group_message":
            leave = message.leave_group_message
            return requests.LeaveGroup(fields.group_name(leave.group), _ack_id(leave))
        case "sequence_ack_message":
            return requests.AckSequence(message.sequence_ack_message.sequence_id)
        case "ping_message":
            return requests.Ping()
        case _:
            raise ProtocolViolation(1007, "invalid message: no known type")


def is_any(data: bytes) -> bool:
    """Tell whether these bytes are a ``google.protobuf.Any`` that clients can read."""
    try:
        ProtobufAny.FromString(data)
    except DecodeError:
        return False
    return True


def _send(send: UpstreamMessage.SendToGroupMessage) -> Request:
    metadata, payload = _metadata(send.metadata), _data(send.data)
    if payload is None and send.HasField("stream"):
        stream = send.stream
        idle = stream.idle_timeout_ms if stream.HasField("idle_timeout_ms") else None
        return fields.start_of_stream(send.group, stream.stream_id, send.no_echo, idle)
    return requests.SendToGroup(
        fields.group_name(send.group),
        _payload(payload, metadata),
        send.no_echo,
        _ack_id(send),
        metadata,
        fields.time_to_live(send.ttl_seconds),
    )


def _event(event: UpstreamMessage.EventMessage) -> Request:
    metadata = _metadata(event.metadata)
    return requests.SendEvent(
        fields.event_name(event.event),
        _payload(_data(event.data), metadata),
        _ack_id(event),
        metadata,
    )


def _ack_id(
    message: UpstreamMessage.SendToGroupMessage
    | UpstreamMessage.EventMessage
    | UpstreamMessage.JoinGroupMessage
    | UpstreamMessage.LeaveGroupMessage,
) -> int | None:
    """Give the ack id; 0 is one, if it is there."""
    return message.ack_id if message.HasField("ack_id") else None


def _metadata(pairs: Mapping[str, str]) -> Metadata | None:
    return fields.checked_metadata(dict(pairs)) if pairs else None


def _payload(payload: Payload | None, metadata: Metadata | None) -> Payload:
    if payload is not None:
        return payload
    if metadata is None:
        raise ProtocolViolation(1007, "data is missing")
    return payloads.Text("")


def _data(data: MessageData) -> Payload | None:
    """Read data; None where nothing is there."""
    match data.WhichOneof("data"):
        case "text_data":
            return payloads.Text(data.text_data)
        case "json_data":
            try:
                return read_json(data.json_data)
            except ValueError as error:
                raise ProtocolViolation(1007, str(error)) from None
        case "binary_data":
            return payloads.Binary(data.binary_data)
        case "protobuf_data":
            if not is_any(data.protobuf_data):
                raise ProtocolViolation(1007, "protobuf_data is no Any")
            return payloads.Protobuf(data.protobuf_data)
        case _:
            return None
