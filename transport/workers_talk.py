"""What a supervisor and its workers tell each other, a line of JSON each.

The first line is the order: with it a worker is what it is. It travels over a socket
rather than in arguments, where other users of the machine would see the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from hubbub.transport.config_flags import Flags
from hubbub.transport.mesh_plan import Worker

if TYPE_CHECKING:
    import asyncio

LONGEST: Final = 1 << 20
"""Bytes of a line: flags are as long as a command line may be."""


class Order(msgspec.Struct, frozen=True, tag_field="say", tag="order"):
    """Be this worker of the gateway with these flags, on this port."""

    worker: Worker
    port: int
    flags: Flags


class Trial(msgspec.Struct, frozen=True, tag_field="say", tag="trial"):
    """Say whether a worker could start with these flags, and end."""

    flags: Flags


class Reload(msgspec.Struct, frozen=True, tag_field="say", tag="reload"):
    """Read the settings anew."""


class Ready(msgspec.Struct, frozen=True, tag_field="say", tag="ready"):
    """The port accepts connections; of a trial, the settings are fine."""


class Reloaded(msgspec.Struct, frozen=True, tag_field="say", tag="reloaded"):
    """New settings are in force."""


class Unable(msgspec.Struct, frozen=True, tag_field="say", tag="unable"):
    """What was asked cannot be done; a start that cannot ends the worker."""

    reason: str


ToWorker: TypeAlias = Order | Trial | Reload
FromWorker: TypeAlias = Ready | Reloaded | Unable

_encode = msgspec.json.Encoder().encode
to_worker: Final[msgspec.json.Decoder[ToWorker]] = msgspec.json.Decoder(ToWorker)
from_worker: Final[msgspec.json.Decoder[FromWorker]] = msgspec.json.Decoder(FromWorker)


def line(message: ToWorker | FromWorker) -> bytes:
    """Write a message as a line."""
    return _encode(message) + b"\n"


async def next_line(reader: asyncio.StreamReader) -> bytes | None:
    """Read a line; None when the other side is gone."""
    try:
        text = await reader.readline()
    except (OSError, ValueError):  # cut, or no line of ours
        return None
    return text if text.endswith(b"\n") else None
