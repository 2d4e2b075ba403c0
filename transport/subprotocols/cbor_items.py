"""CBOR as our own subprotocols have it: maps without tags, JSON as text. Pure.

What is read comes from strangers: nothing in it may make the library do more than
give maps, arrays, numbers, strings and the like (RFC 8949, section 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cbor2
import msgspec

from hubbub.actors.messages import payload as payloads
from hubbub.transport.subprotocols.json_data import DATA_TYPES
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload

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


def load(data: bytes) -> dict[Any, Any]:
    """Read one CBOR map that fills the frame.

    The library stops behind the first item and does not tell where, so the frame is
    read as the first of two items, the second being one that nobody writes by chance.

    Raises:
        ProtocolViolation: 1007 for anything else.
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


def read_body(data_type: str, body: object) -> Payload:
    """Read the data of a message by its type.

    Raises:
        ValueError: It is not of that type; the text says why.
    """
    match data_type, body:
        case "text", str():
            return payloads.Text(body)
        case "json", str():
            return read_json(body)
        case "binary", bytes():
            return payloads.Binary(body)
        case "protobuf", bytes():
            return payloads.Protobuf(body)
    if data_type not in _TYPES:
        raise ValueError("dataType must be json, text, binary or protobuf")
    raise ValueError(f"data of type {data_type} has the wrong CBOR type")


def read_json(text: str) -> Payload:
    """Read a JSON value that comes as text; not null.

    Raises:
        ValueError: It is none.
    """
    raw = text.encode()
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"data is not JSON: {error}") from None
    if raw.strip() == b"null":
        raise ValueError("data must not be null")
    return payloads.Json(raw)


def cbor_value(payload: Payload) -> object:
    """Give a payload as what the library writes under ``data``."""
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return raw.decode()
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return data
