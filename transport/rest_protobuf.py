"""Tells whether bytes are a ``google.protobuf.Any`` that clients can parse.

Pure. A broken one would break the message of every client it is wrapped for, so it
ends here (protobuf encoding guide, message structure).
"""

from __future__ import annotations

from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_VARINT: Final = 10
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}
_TYPE_URL: Final = 1
_MOST_FIELD: Final = (1 << 29) - 1


class _Broken(Exception):  # noqa: N818 - never leaves this module
    """These bytes are no message."""


def is_any(data: bytes) -> bool:
    """Tell whether the bytes are fields, and the type's URL, if any, is UTF-8."""
    at = 0
    try:
        while at < len(data):
            at = _skip_field(data, at)
    except _Broken:
        return False
    return at == len(data)


def _skip_field(data: bytes, at: int) -> int:
    tag, at = _varint(data, at)
    field, wire_type = tag >> 3, tag & 7
    if not 0 < field <= _MOST_FIELD:
        raise _Broken
    if wire_type == _VARINT:
        return _varint(data, at)[1]
    if wire_type in _FIXED:
        return at + _FIXED[wire_type]
    if wire_type != _BYTES:
        raise _Broken
    length, at = _varint(data, at)
    if field == _TYPE_URL:
        _check_text(data[at : at + length])
    return at + length


def _check_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise _Broken from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + _MOST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + index + 1
    raise _Broken
