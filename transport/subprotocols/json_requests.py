"""JSON requests from clients (client protocols, section 3.1 to 3.3). Pure.

Decoding is validation: msgspec finds the struct by its tag and checks types; the rest
of the rules are beside it. A JSON payload is kept as the bytes it came in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.transport.subprotocols import v1_fields as fields
from hubbub.transport.subprotocols.json_data import read_data
from hubbub.transport.subprotocols.v1_frames import (
    KINDS,
    NOTHING,
    AnyFrame,
    Event,
    Send,
)
from hubbub.transport.subprotocols.v1_requests import plain_event, plain_send, request
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Metadata, Payload, State
    from hubbub.actors.messages.requests import Request
    from hubbub.transport.subprotocols.v1_frames import (
        Invoke,
        SetGroupState,
        StreamData,
    )

_decode: Callable[[bytes], AnyFrame] = msgspec.json.Decoder(AnyFrame).decode
_decode_object: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
).decode
_decode_text: Callable[[msgspec.Raw], str] = msgspec.json.Decoder(str).decode
_decode_texts: Callable[[bytes], dict[str, str]] = msgspec.json.Decoder(
    dict[str, str]
).decode
_encode = msgspec.json.encode


def read(data: bytes) -> Request:
    """Read one request.

    Raises:
        ProtocolViolation: 1007 for anything that is not a valid request.
    """
    try:
        frame = _decode(data)
    except msgspec.ValidationError as error:
        frame = _retry(data, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolViolation(1007, f"not valid JSON: {error}") from None
    if type(frame) is Send and frame.metadata is NOTHING and frame.data:
        return plain_send(frame, read_data(frame.data_type, frame.data))
    if type(frame) is Event and frame.metadata is NOTHING and frame.data:
        return plain_event(frame, read_data(frame.data_type, frame.data))
    return request(frame, _PARTS)


def _retry(data: bytes, error: msgspec.ValidationError) -> AnyFrame:
    """Read a message whose type is spelled in another case, or say what is wrong."""
    try:
        content = _decode_object(data)
        kind = KINDS.get(_decode_text(content["type"]).lower())
        tag = None if kind is None else str(kind.__struct_config__.tag)
        if tag is None or tag.encode() == bytes(content["type"])[1:-1]:
            raise ProtocolViolation(1007, f"invalid message: {error}")
        content["type"] = msgspec.Raw(_encode(tag))
        return _decode(_encode(content))
    except KeyError:
        raise ProtocolViolation(1007, "invalid message: no type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtocolViolation(1007, f"invalid message: {error}") from None


class _JsonParts:
    """Data as the bytes it came in, maps as JSON objects; a null map is none."""

    @staticmethod
    def payload(frame: Send | Event | Invoke | StreamData) -> Payload | None:
        raw = frame.data
        return read_data(frame.data_type, raw) if raw else None

    @staticmethod
    def metadata(frame: Send | Event | Invoke) -> Metadata | None:
        """Read metadata; a repeated key is a fault, so the pairs are looked at too."""
        raw = frame.metadata
        found = _texts(raw, "metadata")
        if found is None:
            return None
        checked = fields.checked_metadata(found)
        if len(json.loads(bytes(raw), object_pairs_hook=list)) != len(found):
            raise ProtocolViolation(1007, "a metadata key is repeated")
        return checked

    @staticmethod
    def state(frame: SetGroupState) -> State | None:
        """Read a state; of a repeated key the last counts."""
        found = _texts(frame.state, "state")
        return None if found is None else fields.checked_state(found)


_PARTS: Final = _JsonParts()


def _texts(raw: msgspec.Raw, what: str) -> dict[str, str] | None:
    if raw is NOTHING:
        return None
    data = bytes(raw)
    if data in {b"", b"null"}:
        return None
    try:
        return _decode_texts(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolViolation(1007, f"{what} must map strings to strings") from None
