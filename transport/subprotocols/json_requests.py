"""JSON requests from clients (client protocols, section 3.1 to 3.3). Pure.

Decoding is validation: msgspec finds the struct by its tag and checks types; the rest
of the rules are below. A JSON payload is kept as the bytes it came in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import requests
from hubbub.actors.policy.names import is_event_name, is_group_name, metadata_fault
from hubbub.transport.subprotocols.json_data import read_data
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.messages.requests import Request

_MOST_ID = 2**64 - 1
_MOST_TTL = 300


_NOTHING = msgspec.Raw()


class _Message(msgspec.Struct, tag_field="type", rename="camel", gc=False):
    """What all requests share: the tag."""


class _Join(_Message, tag="joinGroup"):
    group: str
    ack_id: int | None = None


class _Leave(_Message, tag="leaveGroup"):
    group: str
    ack_id: int | None = None


class _Send(_Message, tag="sendToGroup"):
    group: str
    data: msgspec.Raw = _NOTHING
    data_type: str | None = None
    no_echo: bool | None = None
    ack_id: int | None = None
    metadata: msgspec.Raw = _NOTHING
    ttl_seconds: int | None = None


class _Event(_Message, tag="event"):
    event: str
    data: msgspec.Raw = _NOTHING
    data_type: str | None = None
    ack_id: int | None = None
    metadata: msgspec.Raw = _NOTHING


class _SequenceAck(_Message, tag="sequenceAck"):
    sequence_id: int | str


class _Ping(_Message, tag="ping"):
    pass


_Any = _Send | _Event | _Join | _Leave | _Ping | _SequenceAck
_decode: Callable[[bytes], _Any] = msgspec.json.Decoder(_Any).decode
_decode_object: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_decode_text: Callable[[msgspec.Raw], str] = msgspec.json.Decoder(str).decode
_decode_metadata: Callable[[bytes], dict[str, str]] = msgspec.json.Decoder(
    dict[str, str]
).decode
_encode = msgspec.json.encode
_TAGS = {
    tag.lower(): tag
    for tag in (
        "sendToGroup",
        "event",
        "joinGroup",
        "leaveGroup",
        "ping",
        "sequenceAck",
    )
}


def read(data: bytes) -> Request:
    """Read one request.

    Raises:
        ProtocolViolation: 1007 for anything that is not a valid request.
    """
    try:
        message = _decode(data)
    except msgspec.ValidationError as error:
        message = _retry(data, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolViolation(1007, f"not valid JSON: {error}") from None
    return _request(message)


def _retry(data: bytes, error: msgspec.ValidationError) -> _Any:
    """Read a message whose type is spelled in another case, or say what is wrong."""
    try:
        fields = _decode_object(data)
        tag = _TAGS.get(_decode_text(fields["type"]).lower())
        if tag is None or tag.encode() == bytes(fields["type"])[1:-1]:
            raise ProtocolViolation(1007, f"invalid message: {error}")
        fields["type"] = msgspec.Raw(_encode(tag))
        return _decode(_encode(fields))
    except KeyError:
        raise ProtocolViolation(1007, "invalid message: no type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtocolViolation(1007, f"invalid message: {error}") from None


def _request(message: _Any) -> Request:
    match message:
        case _Send(group=group, ack_id=ack_id, metadata=metadata):
            # The hot path: no call for what is not there.
            ttl = message.ttl_seconds or 0
            if not 0 <= ttl <= _MOST_TTL:
                raise ProtocolViolation(1007, "ttlSeconds must be 0 to 300")
            return requests.SendToGroup(
                _group(group),
                _payload(message),
                message.no_echo or False,
                None if ack_id is None else _id(ack_id),
                None if metadata is _NOTHING else _metadata(metadata),
                ttl,
            )
        case _Event(event=event, ack_id=ack_id):
            if not is_event_name(event):
                raise ProtocolViolation(1007, "invalid event name")
            return requests.SendEvent(
                event,
                _payload(message),
                None if ack_id is None else _id(ack_id),
                _metadata(message.metadata),
            )
        case _Join(group=group, ack_id=ack_id):
            return requests.JoinGroup(
                _group(group), None if ack_id is None else _id(ack_id)
            )
        case _Leave(group=group, ack_id=ack_id):
            return requests.LeaveGroup(
                _group(group), None if ack_id is None else _id(ack_id)
            )
        case _Ping():
            return requests.Ping()
        case _SequenceAck(sequence_id=sequence_id):
            return requests.AckSequence(_sequence_id(sequence_id))


def _metadata(raw: msgspec.Raw) -> dict[str, str] | None:
    """Read metadata; a repeated key is a fault, so the pairs are looked at too."""
    if raw is _NOTHING:
        return None
    data = bytes(raw)
    if data in {b"", b"null"}:
        return None
    try:
        metadata = _decode_metadata(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolViolation(1007, "metadata must map strings to strings") from None
    fault = metadata_fault(metadata.items())
    if fault is None and len(json.loads(data, object_pairs_hook=list)) != len(metadata):
        fault = "a metadata key is repeated"
    if fault is not None:
        raise ProtocolViolation(1007, fault)
    return metadata or None


def _group(name: str) -> str:
    if not is_group_name(name):
        raise ProtocolViolation(1007, "invalid group name")
    return name


def _id(number: int) -> int:
    if not 0 <= number <= _MOST_ID:
        raise ProtocolViolation(1007, "ackId must be an integer of 0 to 2^64-1")
    return number


def _sequence_id(value: int | str) -> int:
    """Read a sequence id; one documentation page shows it quoted."""
    if isinstance(value, str):
        if not (
            value.isascii() and value.isdigit() and len(value) <= len(str(_MOST_ID))
        ):
            raise ProtocolViolation(1007, "invalid sequenceId")
        value = int(value)
    if not 0 <= value <= _MOST_ID:
        raise ProtocolViolation(1007, "invalid sequenceId")
    return value


def _payload(message: _Send | _Event) -> Payload:
    raw, data_type = message.data, message.data_type
    if not raw:
        if _metadata(message.metadata):
            return payloads.Text("")
        raise ProtocolViolation(1007, "data is missing")
    return read_data(data_type, raw)
