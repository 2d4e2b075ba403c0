"""What the workers of one machine ask each other, for their common metrics."""

from __future__ import annotations

import msgspec


class Inquire(msgspec.Struct, frozen=True, gc=False):
    """Tell what you count, if you belong to the same machine's workers."""

    number: int
    site: str


class Counted(msgspec.Struct, frozen=True, gc=False):
    """What a gateway counts: its worker's name, and a document of its own making."""

    number: int
    worker: str
    figures: bytes
