"""How an attached server and its gateway write frames down: JSON or CBOR.

Both say the same maps; only ``data`` differs. Knows no socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import cbor2
import msgspec

from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.server.frames import Event, Frame, Map, Message
from hubbub.transport.subprotocols.json_data import DATA_TYPES, read_data, say_data
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

_KNOWN: Final = frozenset(
    "event result message error cancel presence welcome draining pong".split()  # noqa: SIM905 - shorter
)


class _Kind(msgspec.Struct):
    type: str


class _Boxed(msgspec.Struct):
    """A frame in a struct: of a bare union msgspec would work out the type anew."""

    frame: Frame


class Codec(Protocol):
    """One of the two ways to write frames."""

    @property
    def name(self) -> str:
        """The subprotocol's name."""

    @property
    def text(self) -> bool:
        """Whether frames are text frames."""

    def encode(self, frame: Map, payload: Payload | None = None) -> bytes:
        """Write a frame; the map gets the payload's fields.

        Raises:
            ValueError: It cannot be written.
        """

    def decode(self, data: bytes) -> tuple[Frame, Payload | None] | None:
        """Read a frame and its payload; None for a kind that we do not know.

        Raises:
            ProtocolError: It is no frame.
        """


_decode_json = msgspec.json.Decoder(Frame).decode
_skip_json = msgspec.json.Decoder(msgspec.Raw).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode


_JSON: Final = frozenset({None, "json"})


class JsonCodec:
    """``json.server.hubbub.v1``."""

    name: Final = "json.server.hubbub.v1"
    text: Final = True

    def encode(self, frame: Map, payload: Payload | None = None) -> bytes:
        """Write a frame."""
        if payload is not None:
            frame["dataType"] = DATA_TYPES[type(payload)]
            if isinstance(payload, Json):
                _check_json(payload.raw)
            frame["data"] = msgspec.Raw(say_data(payload))
        return msgspec.json.encode(frame)

    def decode(self, data: bytes) -> tuple[Frame, Payload | None] | None:
        """Read a frame."""
        try:
            frame: Frame = _decode_json(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            _pass_over(error, lambda: _decode_kind(data).type)
            return None
        if not isinstance(frame, Event | Message) or not frame.data:
            return frame, None
        if frame.data_type in _JSON:
            return frame, Json(bytes(frame.data))
        try:
            return frame, read_data(frame.data_type, frame.data)
        except ProtocolViolation as violation:
            raise ProtocolError(f"data cannot be read: {violation}") from None


def _check_json(raw: bytes) -> str:
    """Give JSON as text; what is none would cost the connection.

    Raises:
        ValueError: It is no JSON, or null, which receivers cannot be told.
    """
    _skip_json(raw)
    text = raw.decode()
    if text.strip() == "null":
        raise ValueError("JSON null cannot be sent: receivers cannot be told it")
    return text


def _no_tag(*_: object) -> None:
    raise ValueError("tags are not part of this protocol")


_NO_TAGS: Final = dict.fromkeys(
    (*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799), _no_tag
)
_DEEPEST: Final = 16
"""Levels of nesting; a frame needs four."""


class CborCodec:
    """``cbor.server.hubbub.v1`` (RFC 8949)."""

    name: Final = "cbor.server.hubbub.v1"
    text: Final = False

    def encode(self, frame: Map, payload: Payload | None = None) -> bytes:
        """Write a frame."""
        if payload is not None:
            frame["dataType"] = DATA_TYPES[type(payload)]
            match payload:
                case Json(raw=raw):
                    frame["data"] = _check_json(raw)
                case Text(text=text):
                    frame["data"] = text
                case Binary(data=data) | Protobuf(data=data):
                    frame["data"] = data
        return cbor2.dumps(frame)

    def decode(self, data: bytes) -> tuple[Frame, Payload | None] | None:
        """Read a frame."""
        content = _load(data)
        body = content.pop("data", None)
        try:
            frame = msgspec.convert({"frame": content}, _Boxed).frame
        except (msgspec.ValidationError, UnicodeError) as error:
            _pass_over(error, lambda: msgspec.convert(content, _Kind).type)
            return None
        if body is None:
            return frame, None
        return frame, _payload(getattr(frame, "data_type", None), body)


CODECS: Final[dict[str, Codec]] = {"cbor": CborCodec(), "json": JsonCodec()}
"""By the names that users give."""


def _load(data: bytes) -> Map:
    try:
        content = cbor2.loads(
            data, max_depth=_DEEPEST, tag_hook=_no_tag, semantic_decoders=_NO_TAGS
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError) as error:
        kind = type(error).__name__
        raise ProtocolError(f"a frame is not valid CBOR ({kind})") from None
    if not isinstance(content, dict):
        raise ProtocolError("a frame is no CBOR map")
    return content


def _payload(name: str | None, body: object) -> Payload:
    match name or "json", body:
        case "text", str():
            return Text(body)
        case "json", str():
            return Json(body.encode())
        case "binary", bytes():
            return Binary(body)
        case "protobuf", bytes():
            return Protobuf(body)
    raise ProtocolError("data is not of its type")


def _pass_over(error: Exception, kind: Callable[[], str]) -> None:
    """Pass over a kind of frame that is newer than we are.

    Raises:
        ProtocolError: It is none.
    """
    try:
        known = kind() in _KNOWN
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        known = True
    if known:
        raise ProtocolError(f"a frame cannot be read: {error}") from None
