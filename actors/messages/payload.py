"""What users say to each other: four kinds of data, carried untouched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec


class Text(msgspec.Struct, frozen=True, gc=False):
    """Text."""

    text: str


class Json(msgspec.Struct, frozen=True, gc=False):
    """One JSON value, byte for byte as its author wrote it (valid UTF-8 and JSON)."""

    raw: bytes


class Binary(msgspec.Struct, frozen=True, gc=False):
    """Bytes."""

    data: bytes


class Protobuf(msgspec.Struct, frozen=True, gc=False):
    """A serialized ``google.protobuf.Any``, never resolved."""

    data: bytes


Payload: TypeAlias = Text | Json | Binary | Protobuf

Metadata: TypeAlias = Mapping[str, str]
"""Names and values that travel with a message (client protocols, metadata)."""


class StreamError(msgspec.Struct, frozen=True, gc=False):
    """Why a stream ended early.

    ``name`` is ``UserError`` where the publisher says so, or the gateway's own word
    (client protocols, streaming to a group).
    """

    name: str
    message: str | None = None
    user_error_code: str | None = None


class StreamMark(msgspec.Struct, frozen=True, gc=False):
    """Which part of which stream a message to a group is; the last one ends it."""

    stream_id: str
    sequence_id: int
    end: bool = False
    error: StreamError | None = None


State: TypeAlias = Mapping[str, str]
"""What a client says of itself in a group (client protocols, group state)."""
