"""JSON envelopes in text frames: json.webpubsub.azure.v1, and its reliable variant.

Facts from the client protocols reference, sections 3 and 5.1. A JSON payload is never
parsed beyond finding its end: its bytes go through as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols import json_requests
from hubbub.transport.subprotocols.heads import Heads
from hubbub.transport.subprotocols.json_data import DATA_TYPES, json_value, say_data
from hubbub.transport.subprotocols.v1_pushes import describe, mark_of
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT, Said

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload, StreamMark
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request

_Key: TypeAlias = tuple[str, str | None, type]
"""What the beginning of a message depends on: group, sender and kind of data."""

_encode = msgspec.json.encode


class JsonV1:
    """Reads requests and says pushes."""

    def __init__(self) -> None:
        self._heads = Heads(_head)

    def decode(self, data: bytes, text: bool) -> Request:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a binary frame, 1007 for anything that is not
                a valid request.
        """
        if not text:
            raise ProtocolViolation(1003, "this subprotocol takes text frames only")
        return json_requests.read(data)

    def compose(self, push: Push) -> Said | None:
        """Say a push; JSON null cannot be said, JSON clients break on it."""
        match push:
            case pushes.GroupMessage():
                key = (push.group, push.from_user, type(push.payload))
                said = self._say(key, push.payload, push.metadata)
                return said if push.stream is None else _part(said, push.stream)
            case pushes.ServerMessage(payload=payload, metadata=metadata):
                return self._say(("", None, type(payload)), payload, metadata)
            case pushes.Ack(ack_id=ack_id, error=None):
                return (TEXT, b'{"type":"ack","ackId":%d,"success":true}' % ack_id)
            case pushes.Pong():
                return (TEXT, b'{"type":"pong"}')
            case _:
                return (TEXT, _encode(describe(push, json_value)))

    def _say(
        self, key: _Key, payload: Payload, metadata: Metadata | None
    ) -> Said | None:
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key]
        data = say_data(payload)
        if data.strip() == b"null":
            return None
        if metadata:
            return (TEXT, b'%b%b,"metadata":%b}' % (head, data, _encode(metadata)))
        return (TEXT, b"%b%b}" % (head, data))


class JsonReliableV1(JsonV1):
    """json.reliable.webpubsub.azure.v1: the same, and messages have numbers."""

    kind = TEXT

    def stamp(self, body: bytes, sequence_id: int) -> bytes:
        """Put a sequence id into a message, at its beginning."""
        return b'{"sequenceId":%d,%b' % (sequence_id, body[1:])


def _part(said: Said | None, stream: StreamMark) -> Said | None:
    """Say of a message which part of which stream it is."""
    if said is None:
        return None
    return (TEXT, b'%b,"stream":%b}' % (said[1][:-1], _encode(mark_of(stream))))


def _head(key: _Key) -> bytes:
    """Say everything up to the data; no group is a message from the server."""
    group, from_user, kind = key
    message: dict[str, Any] = {"type": "message", "from": "server"}
    if group:
        message = {"type": "message", "from": "group", "group": group}
        if from_user is not None:
            message["fromUserId"] = from_user
    message["dataType"] = DATA_TYPES[kind]
    return _encode(message)[:-1] + b',"data":'
