"""Keeps a short message from becoming a big one: counts the values in CBOR. Pure.

An empty array is one byte, and sixty once it is read. Strings are not looked into, so
this is quick for what gateways send: a long packet of theirs is a long payload.
"""

from __future__ import annotations

from typing import Final

from hubbub.transport.wire.peering_fields import Unfit

SMALL: Final = 1 << 20
"""Bytes up to which nothing needs counting."""
MOST_VALUES: Final = 1 << 18

_BYTES: Final = 2
_TEXT: Final = 3
_IN_HEAD: Final = 24
_LONGEST: Final = 27


def check_values(data: bytes) -> None:
    """Refuse CBOR of more values than gateways say at once.

    What else is wrong with it is found by whoever reads it.

    Raises:
        Unfit: There are more.
    """
    if len(data) <= SMALL:
        return
    place = count = 0
    while place < len(data):
        count += 1
        if count > MOST_VALUES:
            raise Unfit("it has too many values")
        kind, size = data[place] >> 5, data[place] & 0x1F
        place += 1
        if size > _LONGEST:
            return  # of indefinite length, which is not read
        if size >= _IN_HEAD:
            width = 1 << (size - _IN_HEAD)
            size = int.from_bytes(data[place : place + width], "big")
            place += width
        if kind in {_BYTES, _TEXT}:
            place += size
