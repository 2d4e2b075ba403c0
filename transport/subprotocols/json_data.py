"""The ``data`` of a JSON message by its ``dataType`` (client protocols, data types).

Pure. A JSON payload is kept as the bytes it came in, and said as them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload

DATA_TYPES: Final[dict[type, str]] = {
    payloads.Text: "text",
    payloads.Json: "json",
    payloads.Binary: "binary",
    payloads.Protobuf: "protobuf",
}

_encode = msgspec.json.encode
_decode_text: Callable[[msgspec.Raw], str] = msgspec.json.Decoder(str).decode


def read_data(data_type: str | None, raw: msgspec.Raw) -> Payload:
    """Read the data of a message; no type means JSON.

    Raises:
        ProtocolViolation: 1007 for data that is not of its type.
    """
    reader = _READERS.get("json" if data_type is None else data_type) or _READERS.get(
        str(data_type).lower()
    )
    if reader is None:
        raise ProtocolViolation(1007, "dataType must be json, text, binary or protobuf")
    return reader(raw)


def say_data(payload: Payload) -> bytes:
    """Give a payload as the JSON value of ``data``."""
    # By type, not by match: on the way to each client that takes a third off.
    if type(payload) is payloads.Text:
        return _encode(payload.text)
    if type(payload) is payloads.Json:
        return payload.raw
    data: bytes = payload.data  # type: ignore[union-attr] # both others have it
    return b'"%b"' % binascii.b2a_base64(data, newline=False)


def json_value(payload: Payload) -> object:
    """Give a payload as what msgspec writes as the JSON value of ``data``."""
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return msgspec.Raw(raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return data  # msgspec says bytes in base64


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
