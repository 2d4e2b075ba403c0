"""Protobuf in binary frames: protobuf.webpubsub.azure.v1, and its reliable variant.

Facts from the client protocols reference, sections 4 and 5.1. Messages are written by
hand, since all but the data is the same again and again; the rest by the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols import protobuf_requests
from hubbub.transport.subprotocols.heads import Heads
from hubbub.transport.subprotocols.protobuf_requests import is_any
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.subprotocols.webpubsub_pb2 import DownstreamMessage
from hubbub.transport.wire.frames import BINARY, Said

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.requests import Request
    from hubbub.transport.subprotocols.v1_pushes import Told

_MORE: Final = 0x80
"""The bit of a varint's byte that says that another follows."""
_SMALL: Final = tuple(bytes((number,)) for number in range(_MORE))

# The tags of fields: number and type, which is 2 (length and bytes) or 0 (a number).
_FROM: Final = b"\x0a"
_GROUP: Final = b"\x12"
_DATA: Final = b"\x1a"
_METADATA: Final = b"\x2a"
_KEY: Final = b"\x0a"
_VALUE: Final = b"\x12"
_KINDS: Final[dict[type, bytes]] = {
    payloads.Text: b"\x0a",
    payloads.Binary: b"\x12",
    payloads.Protobuf: b"\x1a",
    payloads.Json: b"\x22",
}


class ProtobufV1:
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
        return protobuf_requests.read(data)

    def compose(self, push: Push) -> Said | None:
        """Say a push; for invocations, streams and group state there are no words."""
        match push:
            case pushes.GroupMessage():
                if push.stream is not None and push.stream.end:
                    return None
                key = (push.group, type(push.payload))
                return self._say(key, push.payload, push.metadata)
            case pushes.ServerMessage(payload=payload, metadata=metadata):
                return self._say(("", type(payload)), payload, metadata)
            case pushes.Ack(ack_id=ack_id, error=None) if ack_id:
                number = _varint(ack_id)
                size = _SMALL[3 + len(number)]
                return (BINARY, b"\x0a%b\x08%b\x10\x01" % (size, number))
            case _:
                said = _describe(push)
                return None if said is None else (BINARY, said.SerializeToString())

    def _say(
        self, key: tuple[str, type], payload: Payload, metadata: Metadata | None
    ) -> Said | None:
        data = _bytes(payload)
        if data is None:
            return None
        found = self._heads.get(key)
        if found is None:
            found = self._heads[key]
        head, tag = found
        size = _varint(len(data))
        field = 1 + len(size) + len(data)
        end = b"" if not metadata else _say_metadata(metadata)
        field_size = _varint(field)
        whole = _varint(len(head) + len(field_size) + field + len(end))
        return (
            BINARY,
            b"\x12%b%b%b%b%b%b%b" % (whole, head, field_size, tag, size, data, end),
        )


class ProtobufReliableV1(ProtobufV1):
    """protobuf.reliable.webpubsub.azure.v1: the same, and messages have numbers."""

    kind = BINARY

    def stamp(self, body: bytes, sequence_id: int) -> bytes:
        """Put a sequence id into a message, at its end; so it grows, and says so."""
        start = 2 if body[1] < _MORE else 3 if body[2] < _MORE else 4
        while body[start - 1] & _MORE:
            start += 1
        number = _varint(sequence_id)
        return b"\x12%b%b\x20%b" % (
            _varint(len(body) - start + 1 + len(number)),
            body[start:],
            number,
        )


def _head(key: tuple[str, type]) -> tuple[bytes, bytes]:
    """Say everything up to the length of the data, and which data it is."""
    group, kind = key
    if not group:
        return _sized(_FROM, b"server") + _DATA, _KINDS[kind]
    start = _sized(_FROM, b"group") + _sized(_GROUP, group.encode())
    return start + _DATA, _KINDS[kind]


def _bytes(payload: Payload) -> bytes | None:
    # By type, not by match: it is faster, and on the way to each client.
    if type(payload) is payloads.Text:
        return payload.text.encode()
    if type(payload) is payloads.Json:
        return payload.raw
    data: bytes = payload.data  # type: ignore[union-attr] # both others have it
    if type(payload) is payloads.Protobuf and not is_any(data):
        return None  # it would break the message around it
    return data


def _say_metadata(metadata: Metadata) -> bytes:
    return b"".join(
        [
            _sized(
                _METADATA, _sized(_KEY, key.encode()) + _sized(_VALUE, value.encode())
            )
            for key, value in metadata.items()
        ]
    )


def _sized(tag: bytes, data: bytes) -> bytes:
    return b"%b%b%b" % (tag, _varint(len(data)), data)


def _varint(number: int) -> bytes:
    if number < _MORE:
        return _SMALL[number]
    if number < 1 << 14:
        return bytes((number & 0x7F | _MORE, number >> 7))
    if number < 1 << 21:
        return bytes((number & 0x7F | _MORE, number >> 7 & 0x7F | _MORE, number >> 14))
    said = bytearray()
    while number >= _MORE:
        said.append(number & 0x7F | _MORE)
        number >>= 7
    said.append(number)
    return bytes(said)


def _describe(push: Told) -> DownstreamMessage | None:
    match push:
        case pushes.Ack(ack_id=ack_id, error=None):
            return DownstreamMessage(
                ack_message=DownstreamMessage.AckMessage(ack_id=ack_id, success=True)
            )
        case pushes.Ack(ack_id=ack_id, error=pushes.AckError(name=name, message=text)):
            error = DownstreamMessage.AckMessage.ErrorMessage(
                name=str(name), message=text
            )
            return DownstreamMessage(
                ack_message=DownstreamMessage.AckMessage(ack_id=ack_id, error=error)
            )
        case pushes.Connected():
            connected = DownstreamMessage.SystemMessage.ConnectedMessage(
                connection_id=push.connection_id,
                user_id=push.user_id or "",
                reconnection_token=push.reconnection_token,
            )
            return DownstreamMessage(
                system_message=DownstreamMessage.SystemMessage(
                    connected_message=connected
                )
            )
        case pushes.Disconnected(message=reason):
            disconnected = DownstreamMessage.SystemMessage.DisconnectedMessage(
                reason=reason
            )
            return DownstreamMessage(
                system_message=DownstreamMessage.SystemMessage(
                    disconnected_message=disconnected
                )
            )
        case pushes.Pong():
            return DownstreamMessage(pong_message=DownstreamMessage.PongMessage())
        case _:
            return None
