"""json.webpubsub.azure.v1: JSON envelopes in text frames.

Facts from the client protocols reference, section 3. A JSON payload is never parsed
beyond finding its end: its bytes go through as they came.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.actors.policy.names import is_event_name, is_group_name, metadata_fault
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request

_MOST_ID = 2**64 - 1
_MOST_TTL = 300
_HEADS = 4096
"""Heads of deliveries remembered, by group, sender and data type."""

T = TypeVar("T")


class _Message(msgspec.Struct, tag_field="type"):
    """What all requests share: the tag."""


class _Join(_Message, tag="joinGroup"):
    group: str
    ackId: int | None = None  # noqa: N815 - the wire's name


class _Leave(_Message, tag="leaveGroup"):
    group: str
    ackId: int | None = None  # noqa: N815 - the wire's name


class _Send(_Message, tag="sendToGroup"):
    group: str
    data: msgspec.Raw = msgspec.Raw()
    dataType: str | None = None  # noqa: N815 - the wire's name
    noEcho: bool | None = None  # noqa: N815 - the wire's name
    ackId: int | None = None  # noqa: N815 - the wire's name
    metadata: dict[str, str] | None = None
    ttlSeconds: int | None = None  # noqa: N815 - the wire's name


class _Event(_Message, tag="event"):
    event: str
    data: msgspec.Raw = msgspec.Raw()
    dataType: str | None = None  # noqa: N815 - the wire's name
    ackId: int | None = None  # noqa: N815 - the wire's name
    metadata: dict[str, str] | None = None


class _SequenceAck(_Message, tag="sequenceAck"):
    sequenceId: int | str  # noqa: N815 - the wire's name


class _Ping(_Message, tag="ping"):
    pass


_Any = _Send | _Event | _Join | _Leave | _Ping | _SequenceAck
_decode: Callable[[bytes], _Any] = msgspec.json.Decoder(_Any).decode
_decode_object: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_decode_text: Callable[[msgspec.Raw], str] = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode
_TAGS = {
    tag.lower(): tag
    for tag in ("sendToGroup", "event", "joinGroup", "leaveGroup", "ping", "sequenceAck")
}


class JsonV1:
    """Reads requests and says pushes."""

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str | None, type], bytes] = {}

    def decode(self, data: bytes, text: bool) -> Request:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a binary frame, 1007 for anything that is not
                a valid request.
        """
        if not text:
            raise ProtocolViolation(1003, "this subprotocol takes text frames only")
        try:
            message = _decode(data)
        except msgspec.ValidationError as error:
            message = _retry(data, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolViolation(1007, f"not valid JSON: {error}") from None
        return _request(message)

    def compose(self, push: Push) -> Said | None:
        """Say a push; JSON null cannot be said, JSON clients break on it."""
        match push:
            case pushes.GroupMessage():
                return self._say(
                    (push.group, push.from_user, type(push.payload)),
                    push.payload,
                    push.metadata,
                )
            case pushes.ServerMessage(payload=payload, metadata=metadata):
                return self._say(("", None, type(payload)), payload, metadata)
            case pushes.Ack(ack_id=ack_id, error=None):
                return Said(TEXT, b'{"type":"ack","ackId":%d,"success":true}' % ack_id)
            case pushes.Ack(ack_id=ack_id, error=error):
                return _say_object({
                    "type": "ack",
                    "ackId": ack_id,
                    "success": False,
                    "error": error,
                })
            case pushes.Pong():
                return Said(TEXT, b'{"type":"pong"}')
            case pushes.Connected():
                return _say_object(_connected(push))
            case pushes.Disconnected(message=message):
                return _say_object({
                    "type": "system",
                    "event": "disconnected",
                    "message": message,
                })

    def _say(
        self,
        key: tuple[str, str | None, type],
        payload: Payload,
        metadata: Metadata | None,
    ) -> Said | None:
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            head = self._heads[key] = _head(key)
        match payload:
            case payloads.Text(text=text):
                data = _encode(text)
            case payloads.Json(raw=raw):
                data = raw
                if raw.strip() == b"null":
                    return None
            case payloads.Binary(data=binary) | payloads.Protobuf(data=binary):
                data = b'"%b"' % binascii.b2a_base64(binary, newline=False)
        if metadata:
            return Said(TEXT, b'%b%b,"metadata":%b}' % (head, data, _encode(metadata)))
        return Said(TEXT, b"%b%b}" % (head, data))


_DATA_TYPES = {
    payloads.Text: "text",
    payloads.Json: "json",
    payloads.Binary: "binary",
    payloads.Protobuf: "protobuf",
}


def _head(key: tuple[str, str | None, type]) -> bytes:
    """Say everything up to the data; no group is a message from the server."""
    group, from_user, kind = key
    message: dict[str, Any] = {"type": "message", "from": "server"}
    if group:
        message = {"type": "message", "from": "group", "group": group}
        if from_user is not None:
            message["fromUserId"] = from_user
    message["dataType"] = _DATA_TYPES[kind]
    return _encode(message)[:-1] + b',"data":'


def _connected(push: pushes.Connected) -> dict[str, Any]:
    message = {
        "type": "system",
        "event": "connected",
        "userId": push.user_id,
        "connectionId": push.connection_id,
    }
    if push.reconnection_token is not None:
        message["reconnectionToken"] = push.reconnection_token
    return message


def _say_object(message: dict[str, Any]) -> Said:
    return Said(TEXT, _encode(message))


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
        case _Send(group=group, ackId=ack_id):
            payload = _payload(message)
            ttl = message.ttlSeconds or 0
            if not 0 <= ttl <= _MOST_TTL:
                raise ProtocolViolation(1007, "ttlSeconds must be 0 to 300")
            return requests.SendToGroup(
                _group(group),
                payload,
                bool(message.noEcho),
                None if ack_id is None else _id(ack_id),
                message.metadata or None,
                ttl,
            )
        case _Event(event=event, ackId=ack_id):
            if not is_event_name(event):
                raise ProtocolViolation(1007, "invalid event name")
            return requests.SendEvent(
                event,
                _payload(message),
                None if ack_id is None else _id(ack_id),
                message.metadata or None,
            )
        case _Join(group=group, ackId=ack_id):
            return requests.JoinGroup(
                _group(group), None if ack_id is None else _id(ack_id)
            )
        case _Leave(group=group, ackId=ack_id):
            return requests.LeaveGroup(
                _group(group), None if ack_id is None else _id(ack_id)
            )
        case _Ping():
            return requests.Ping()
        case _SequenceAck(sequenceId=sequence_id):
            return requests.AckSequence(_sequence_id(sequence_id))


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
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(_MOST_ID))):
            raise ProtocolViolation(1007, "invalid sequenceId")
        value = int(value)
    if not 0 <= value <= _MOST_ID:
        raise ProtocolViolation(1007, "invalid sequenceId")
    return value


def _payload(message: _Send | _Event) -> Payload:
    raw, data_type, metadata = message.data, message.dataType, message.metadata
    if metadata:
        fault = metadata_fault(metadata.items())
        if fault is not None:
            raise ProtocolViolation(1007, fault)
    if not raw:
        if metadata:
            return payloads.Text("")
        raise ProtocolViolation(1007, "data is missing")
    reader = _READERS.get(data_type or "json") or _READERS.get(str(data_type).lower())
    if reader is None:
        raise ProtocolViolation(1007, "dataType must be json, text, binary or protobuf")
    return reader(raw)


def _read_json(raw: msgspec.Raw) -> Payload:
    data = bytes(raw)
    if data == b"null":
        raise ProtocolViolation(1007, "data must not be null")
    return payloads.Json(data)


def _read_string(raw: msgspec.Raw) -> str:
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolViolation(1007, "data must be a string") from None


def _read_text(raw: msgspec.Raw) -> Payload:
    return payloads.Text(_read_string(raw))


def _read_bytes(raw: msgspec.Raw) -> bytes:
    try:
        return base64.b64decode(_read_string(raw), validate=True)
    except ValueError:
        raise ProtocolViolation(1007, "data must be base64") from None


_READERS: dict[str, Callable[[msgspec.Raw], Payload]] = {
    "json": _read_json,
    "text": _read_text,
    "binary": lambda raw: payloads.Binary(_read_bytes(raw)),
    "protobuf": lambda raw: payloads.Protobuf(_read_bytes(raw)),
}
