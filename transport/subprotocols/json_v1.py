"""json.webpubsub.azure.v1: JSON envelopes in text frames.

Facts from the client protocols reference, section 3. A JSON payload is never parsed
beyond finding its end: its bytes go through as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols import json_requests
from hubbub.transport.subprotocols.json_data import DATA_TYPES, say_data
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT, Said

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request

_HEADS = 4096
"""Heads of deliveries remembered, by group, sender and data type."""

_encode = msgspec.json.encode


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
        return json_requests.read(data)

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
                return (TEXT, b'{"type":"ack","ackId":%d,"success":true}' % ack_id)
            case pushes.Ack(ack_id=ack_id, error=error):
                return _say_object(
                    {
                        "type": "ack",
                        "ackId": ack_id,
                        "success": False,
                        "error": error,
                    }
                )
            case pushes.Pong():
                return (TEXT, b'{"type":"pong"}')
            case pushes.Connected():
                return _say_object(_connected(push))
            case pushes.Disconnected(message=message):
                return _say_object(
                    {
                        "type": "system",
                        "event": "disconnected",
                        "message": message,
                    }
                )

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
        data = say_data(payload)
        if data.strip() == b"null":
            return None
        if metadata:
            return (TEXT, b'%b%b,"metadata":%b}' % (head, data, _encode(metadata)))
        return (TEXT, b"%b%b}" % (head, data))


def _head(key: tuple[str, str | None, type]) -> bytes:
    """Say everything up to the data; no group is a message from the server."""
    group, from_user, kind = key
    message: dict[str, Any] = {"type": "message", "from": "server"}
    if group:
        message = {"type": "message", "from": "group", "group": group}
        if from_user is not None:
            message["fromUserId"] = from_user
    message["dataType"] = DATA_TYPES[kind]
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
    return (TEXT, _encode(message))
