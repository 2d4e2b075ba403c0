"""CBOR maps in binary frames: cbor.webpubsub.hubbub.v1, and its reliable variant.

The vocabulary is that of JSON, written smaller: data is a text string (JSON too) or a
byte string. See docs/reference, the CBOR subprotocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import cbor2

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols import cbor_requests
from hubbub.transport.subprotocols.cbor_items import cbor_value
from hubbub.transport.subprotocols.heads import Heads
from hubbub.transport.subprotocols.json_data import DATA_TYPES
from hubbub.transport.subprotocols.v1_pushes import describe, mark_of
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import BINARY, Said

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request

_BYTES: Final = 2 << 5
_TEXT: Final = 3 << 5
_MAPS: Final = tuple(bytes((5 << 5 | count,)) for count in range(16))
"""How a map of few members starts."""
_ONE_BYTE, _TWO_BYTES, _FOUR_BYTES, _EIGHT_BYTES = 24, 25, 26, 27
"""What the low bits of an item's first byte say of the number behind it."""

_Key: TypeAlias = tuple[str, str | None, type]
"""What the beginning of a message depends on: group, sender and kind of data."""

_encode = cbor2.dumps
_ACK: Final = b"%b%b%b" % (_MAPS[3], _encode({"type": "ack"})[1:], _encode("ackId"))
_SUCCESS: Final = _encode({"success": True})[1:]
_METADATA: Final = _encode("metadata")
_STREAM: Final = _encode("stream")
_SEQUENCE_ID: Final = _encode("sequenceId")


class CborV1:
    """Reads requests and says pushes."""

    def __init__(self) -> None:
        self._heads = Heads(_head)

    def decode(self, data: bytes, text: bool) -> Request:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a text frame, 1007 for anything that is not a
                valid request.
        """
        if text:
            raise ProtocolViolation(1003, "this subprotocol takes binary frames only")
        return cbor_requests.read(data)

    def compose(self, push: Push) -> Said:
        """Say a push."""
        match push:
            case pushes.GroupMessage():
                key = (push.group, push.from_user, type(push.payload))
                count, body = self._say(key, push.payload, push.metadata)
                if push.stream is not None:
                    count += 1
                    body += _STREAM + _encode(mark_of(push.stream))
                return (BINARY, _MAPS[count] + body)
            case pushes.ServerMessage(payload=payload, metadata=metadata):
                key = ("", None, type(payload))
                count, body = self._say(key, payload, metadata)
                return (BINARY, _MAPS[count] + body)
            case pushes.Ack(ack_id=ack_id, error=None):
                return (BINARY, _ACK + _start(0, ack_id) + _SUCCESS)
            case _:
                return (BINARY, _encode(describe(push, cbor_value)))

    def _say(
        self, key: _Key, payload: Payload, metadata: Metadata | None
    ) -> tuple[int, bytes]:
        """Say the members of a message, and how many they are."""
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key]
        count, start = head
        if not metadata:
            return count, start + _data(payload)
        said = _encode(dict(metadata))
        return count + 1, b"%b%b%b%b" % (start, _data(payload), _METADATA, said)


class CborReliableV1(CborV1):
    """cbor.reliable.webpubsub.hubbub.v1: the same, and messages have numbers."""

    kind = BINARY

    def stamp(self, body: bytes, sequence_id: int) -> bytes:
        """Put a sequence id into a message, as one more member of its map."""
        return b"%c%b%b%b" % (
            body[0] + 1,
            _SEQUENCE_ID,
            _start(0, sequence_id),
            body[1:],
        )


def _head(key: _Key) -> tuple[int, bytes]:
    """Count the members that are always there, and say everything up to the data."""
    group, from_user, kind = key
    message: dict[str, Any] = {"type": "message", "from": "server"}
    if group:
        message = {"type": "message", "from": "group", "group": group}
        if from_user is not None:
            message["fromUserId"] = from_user
    message["dataType"] = DATA_TYPES[kind]
    return len(message) + 1, _encode(message)[1:] + _encode("data")


def _data(payload: Payload) -> bytes:
    # By type, not by match: it is faster, and on the way to each client.
    if type(payload) is payloads.Text:
        data = payload.text.encode()
        return _start(_TEXT, len(data)) + data
    if type(payload) is payloads.Json:
        return _start(_TEXT, len(payload.raw)) + payload.raw
    data = payload.data  # type: ignore[union-attr] # both others have it
    return _start(_BYTES, len(data)) + data


def _start(major: int, number: int) -> bytes:
    """Say the start of an item: its type and its length, or the number that it is."""
    if number < _ONE_BYTE:
        return bytes((major | number,))
    if number < 1 << 8:
        return bytes((major | _ONE_BYTE, number))
    if number < 1 << 16:
        return bytes((major | _TWO_BYTES, number >> 8, number & 0xFF))
    if number < 1 << 32:
        return bytes((major | _FOUR_BYTES,)) + number.to_bytes(4, "big")
    return bytes((major | _EIGHT_BYTES,)) + number.to_bytes(8, "big")
