"""CBOR requests from clients: the frames of JSON, in CBOR maps. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from hubbub.transport.subprotocols import v1_fields as fields
from hubbub.transport.subprotocols.cbor_items import load, read_body
from hubbub.transport.subprotocols.v1_frames import KINDS, Event, Frame, Send
from hubbub.transport.subprotocols.v1_requests import plain_event, plain_send, request
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Metadata, Payload, State
    from hubbub.actors.messages.requests import Request
    from hubbub.transport.subprotocols.v1_frames import (
        AnyFrame,
        Invoke,
        StreamData,
    )

_ABSENT: Final = object()


def read(data: bytes) -> Request:
    """Read one request.

    Raises:
        ProtocolViolation: 1007 for anything that is not a valid request.
    """
    content = load(data)
    name = content.pop("type", None)
    kind = KINDS.get(name.lower()) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolViolation(1007, "invalid message: no known type")
    try:
        return _read(kind, content)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation(1007, f"invalid message: {error}") from None


def _read(kind: type[Frame], content: dict[Any, Any]) -> Request:
    data = content.pop("data", _ABSENT)
    metadata, state = content.pop("metadata", None), content.pop("state", None)
    frame = cast("AnyFrame", msgspec.convert(content, kind))
    if metadata is None and data is not _ABSENT:
        if type(frame) is Send:
            return plain_send(frame, _body(frame.data_type, data))
        if type(frame) is Event:
            return plain_event(frame, _body(frame.data_type, data))
    return request(frame, _CborParts(data, metadata, state))


def _body(data_type: str | None, data: object) -> Payload:
    return read_body("json" if data_type is None else data_type.lower(), data)


class _CborParts:
    """Data as strings, maps as CBOR maps; a null map is none."""

    def __init__(self, data: object, metadata: object, state: object) -> None:
        self._data = data
        self._metadata = metadata
        self._state = state

    def payload(self, frame: Send | Event | Invoke | StreamData) -> Payload | None:
        if self._data is _ABSENT:
            return None
        return _body(frame.data_type, self._data)

    def metadata(self, _: object) -> Metadata | None:
        found = _texts(self._metadata, "metadata")
        return None if found is None else fields.checked_metadata(found)

    def state(self, _: object) -> State | None:
        found = _texts(self._state, "state")
        return None if found is None else fields.checked_state(found)


def _texts(found: object, what: str) -> dict[str, str] | None:
    if found is None:
        return None
    if not isinstance(found, dict) or not all(
        isinstance(text, str) for pair in found.items() for text in pair
    ):
        raise ValueError(f"{what} must map strings to strings")
    return found
