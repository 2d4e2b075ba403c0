"""The two subprotocols of attached servers: one vocabulary, written as JSON or CBOR.

Pure. A frame that cannot be read at all ends the connection; one that names its id, or
the event it answers, is refused alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import cbor2
import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import servers
from hubbub.transport.subprotocols import server_frames as frames
from hubbub.transport.subprotocols.json_data import DATA_TYPES, read_data
from hubbub.transport.subprotocols.server_pushes import describe
from hubbub.transport.subprotocols.server_requests import request
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import BINARY, TEXT, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.messages.servers import ServerPush, ServerRequest

    Read: TypeAlias = Callable[[], ServerRequest]

JSON_NAME: Final = "json.server.hubbub.v1"
CBOR_NAME: Final = "cbor.server.hubbub.v1"

_TYPES: Final = {name: kind for kind, name in DATA_TYPES.items()}
_DEEPEST: Final = 16
"""Levels of nesting in a CBOR frame; a frame needs four."""
_SEALED: Final = b"\x00hubbub\xff"
_SEAL: Final = cbor2.dumps(_SEALED)


def _no_tag(*_: object) -> None:
    raise ValueError("tags are not part of this protocol")


_NO_TAGS: Final = dict.fromkeys(
    (*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799), _no_tag
)
"""Tags the library would read: regular expressions, references, e-mails and more."""


class _Boxed(msgspec.Struct):
    """A frame in a struct: of a bare union msgspec would work out the type anew."""

    frame: frames.AnyFrame


@cache
def _frame_decoder() -> msgspec.json.Decoder[frames.AnyFrame]:
    """Make the decoder when the first server attaches: it takes some 30 ms."""
    return msgspec.json.Decoder(frames.AnyFrame)


_decode_marks: Callable[[bytes], frames.Marks] = msgspec.json.Decoder(
    frames.Marks
).decode


class JsonServer:
    """``json.server.hubbub.v1``: JSON objects in text frames, for any language."""

    def decode(self, data: bytes, text: bool) -> ServerRequest:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a binary frame, 1007 for what is no frame.
        """
        if not text:
            raise ProtocolViolation(1003, "this subprotocol takes text frames only")
        try:
            frame = _frame_decoder().decode(data)
            return request(frame, lambda: _json_payload(frame))
        except (ProtocolViolation, ValueError, RecursionError) as error:
            return _unclear(error, lambda: _decode_marks(data))

    def compose(self, push: ServerPush) -> Said:
        """Say a push."""
        return (TEXT, msgspec.json.encode(describe(push, _json_value)))


class CborServer:
    """``cbor.server.hubbub.v1``: CBOR maps in binary frames (RFC 8949)."""

    def decode(self, data: bytes, text: bool) -> ServerRequest:
        """Read one message.

        Raises:
            ProtocolViolation: 1003 for a text frame, 1007 for what is no frame.
        """
        if text:
            raise ProtocolViolation(1003, "this subprotocol takes binary frames only")
        content = _load(data)
        body = content.pop("data", None)
        try:
            frame = msgspec.convert({"frame": content}, _Boxed).frame
            return request(frame, lambda: _cbor_payload(frame, body))
        except (ValueError, RecursionError) as error:
            return _unclear(error, lambda: msgspec.convert(content, frames.Marks))

    def compose(self, push: ServerPush) -> Said:
        """Say a push."""
        return (BINARY, cbor2.dumps(describe(push, _cbor_value)))


SERVER_SPOKEN: Final[dict[str, JsonServer | CborServer]] = {
    CBOR_NAME: CborServer(),
    JSON_NAME: JsonServer(),
}
"""Names a server may offer, lower case."""


def _unclear(error: Exception, marks: Callable[[], frames.Marks]) -> ServerRequest:
    """Refuse a frame alone if it says what it is about, else all of its kind."""
    reason = error.reason if isinstance(error, ProtocolViolation) else str(error)
    try:
        found = marks()
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ProtocolViolation(1007, f"invalid frame: {reason}") from None
    if found.id is None and found.event_id is None:
        raise ProtocolViolation(1007, f"invalid frame: {reason}")
    return servers.Unclear(reason, found.id, found.event_id)


def _load(data: bytes) -> dict[Any, Any]:
    """Read one CBOR map that fills the frame.

    The library stops behind the first item and does not tell where, so the frame is
    read as the first of two items, the second being one that nobody writes by chance.
    """
    try:
        items = cbor2.loads(
            b"\x82" + data + _SEAL,
            tag_hook=_no_tag,
            semantic_decoders=_NO_TAGS,
            max_depth=_DEEPEST,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise ProtocolViolation(1007, f"not valid CBOR: {error}") from None
    content = items[0]
    if not isinstance(content, dict) or items[1] != _SEALED:
        raise ProtocolViolation(1007, "a frame is one CBOR map")
    return content


def _json_payload(frame: frames.AnyFrame) -> Payload | None:
    raw: msgspec.Raw = getattr(frame, "data", msgspec.Raw())
    if not raw:
        return None
    return read_data(getattr(frame, "data_type", None), raw)


def _cbor_payload(frame: frames.AnyFrame, body: object) -> Payload | None:
    if body is None:
        return None
    name = getattr(frame, "data_type", None) or "json"
    match name, body:
        case "text", str():
            return payloads.Text(body)
        case "json", str():
            return _json_text(body)
        case "binary", bytes():
            return payloads.Binary(body)
        case "protobuf", bytes():
            return payloads.Protobuf(body)
    if name not in _TYPES:
        raise ValueError("dataType must be json, text, binary or protobuf")
    raise ValueError(f"data of type {name} has the wrong CBOR type")


def _json_text(text: str) -> Payload:
    raw = text.encode()
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"data is not JSON: {error}") from None
    if raw.strip() == b"null":
        raise ValueError("data must not be null")
    return payloads.Json(raw)


def _json_value(payload: Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return msgspec.Raw(raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return data  # msgspec says bytes in base64


def _cbor_value(payload: Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return raw.decode()
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return data
