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
