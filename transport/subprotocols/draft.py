"""The first design of the service's JSON: json.webpubsub.azure.

Frames that publish, subscribe and unsubscribe have an ``event`` and no ``type``, and
so have the messages that come of it. Whatever has a ``type`` is read and said as
json.webpubsub.azure.v1. (The first design's protobuf has the schema of v1.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols import v1_fields as fields
from hubbub.transport.subprotocols.heads import Heads
from hubbub.transport.subprotocols.json_data import read_data, say_data
from hubbub.transport.subprotocols.json_v1 import JsonV1
from hubbub.transport.subprotocols.v1_frames import NOTHING
from hubbub.transport.subprotocols.v1_pushes import is_null
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request


class _Frame(msgspec.Struct, gc=False):
    type: msgspec.Raw = NOTHING
    event: msgspec.Raw = NOTHING
    group: msgspec.Raw = NOTHING
    payload: msgspec.Raw = NOTHING


_decode: Callable[[bytes], _Frame] = msgspec.json.Decoder(_Frame).decode
_decode_text: Callable[[msgspec.Raw], str] = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode


class DraftJson(JsonV1):
    """Reads both kinds of requests; says messages as the first design has them."""

    def __init__(self) -> None:
        super().__init__()
        self._beginnings = Heads(_beginning)

    def decode(self, data: bytes, text: bool) -> Request:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a binary frame, 1007 for anything that is not
                a valid request.
        """
        if text:
            try:
                frame = _decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ProtocolViolation(1007, f"not valid JSON: {error}") from None
            if frame.type is NOTHING:
                return _read(frame)
        return super().decode(data, text)

    def compose(self, push: Push) -> Said | None:
        """Say a push; the end of a stream has no word here, as JSON null has none."""
        match push:
            case pushes.GroupMessage(group=group, payload=payload, stream=stream):
                if stream is not None and stream.end:
                    return None
                return self._say_payload(group, payload)
            case pushes.ServerMessage(payload=payload):
                return self._say_payload("", payload)
            case _:
                return super().compose(push)

    def _say_payload(self, group: str, payload: Payload) -> Said | None:
        if is_null(payload):
            return None
        return (TEXT, b"%b%b}" % (self._beginnings[group], say_data(payload)))


def _read(frame: _Frame) -> Request:
    group = None if _is_absent(frame.group) else _text(frame.group, "group")
    match _text(frame.event, "event").lower():
        case "publish":
            payload = _payload(frame.payload)
            if group is None:
                return requests.SendToAll(payload)
            return requests.SendToGroup(fields.group_name(group), payload)
        case "subscribe":
            return requests.JoinGroup(fields.group_name(group or ""))
        case "unsubscribe":
            return requests.LeaveGroup(fields.group_name(group or ""))
        case _:
            raise ProtocolViolation(
                1007, "event must be publish, subscribe or unsubscribe"
            )


def _is_absent(raw: msgspec.Raw) -> bool:
    return raw is NOTHING or bytes(raw) == b"null"


def _payload(raw: msgspec.Raw) -> Payload:
    if raw is NOTHING:
        raise ProtocolViolation(1007, "payload is missing")
    return read_data("json", raw)


def _text(raw: msgspec.Raw, what: str) -> str:
    try:
        return _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolViolation(1007, f"{what} must be a string") from None


def _beginning(group: str) -> bytes:
    """Say everything up to the payload; no group is a message to everybody or one."""
    message: dict[str, Any] = {"event": "message"}
    if group:
        message["group"] = group
    return _encode(message)[:-1] + b',"payload":'
