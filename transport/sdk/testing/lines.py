"""What a test and the process of its gateway tell each other, a line of JSON each."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TypeAlias

import msgspec

from hubbub.sdk.testing.gateway import GatewayEvent

_BYTES = frozenset({"binary", "protobuf"})


class Cut(msgspec.Struct, frozen=True, tag=True):
    """Cut the sockets of one client, or of all."""

    connection_id: str | None


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The port accepts connections."""

    endpoint: str


class Severed(msgspec.Struct, frozen=True, tag=True):
    """So many sockets were cut."""

    count: int


class Happened(msgspec.Struct, frozen=True, tag=True):
    """Something happened; bytes are written in base64."""

    event: GatewayEvent


Line: TypeAlias = Ready | Severed | Happened
"""What the gateway tells the test."""

_line = msgspec.json.Decoder(Line)


def read(line: bytes) -> Line:
    """Read what the gateway tells."""
    told: Line = _line.decode(line)
    if isinstance(told, Happened) and told.event.data_type in _BYTES:
        data = base64.b64decode(told.event.data)
        return Happened(replace(told.event, data=data))
    return told


def write(message: msgspec.Struct) -> bytes:
    """Write a line."""
    return msgspec.json.encode(message) + b"\n"
