"""Holds the functions a filter may call, and what they do with null.

Exactly those of the service's REST reference (filter functions). Matching is ordinal;
lengths and places count characters. None of them ever raises.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec


class Kind(enum.StrEnum):
    """The type of a value, as messages name it. All but the last two may be null."""

    STRING = "string"
    INT = "int"
    BOOL = "bool"
    NULL = "null"  # the literal
    COLLECTION = "collection"


class Function(msgspec.Struct, frozen=True):
    """What a function takes, gives and does; a null literal fits any parameter."""

    takes: tuple[frozenset[Kind], ...]
    gives: Kind
    apply: Callable[..., Any]
    optional: int = 0


def _length(value: Any) -> int | None:
    return None if value is None else len(value)


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _upper(text: str | None) -> str | None:
    return None if text is None else text.upper()


def _trim(text: str | None) -> str | None:
    return None if text is None else text.strip()


def _contains(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and part in text


def _starts(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and text.startswith(part)


def _ends(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and text.endswith(part)


def _place(text: str | None, part: str | None) -> int:
    return -1 if text is None or part is None else text.find(part)


def _concat(first: str | None, second: str | None) -> str | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _substring(text: str | None, start: int | None, *count: int | None) -> str | None:
    if text is None or start is None or not 0 <= start <= len(text):
        return None
    if not count:
        return text[start:]
    (wanted,) = count
    if wanted is None or not 0 <= wanted <= len(text) - start:
        return None
    return text[start : start + wanted]


_TEXT: Final = frozenset({Kind.STRING})
_NUMBER: Final = frozenset({Kind.INT})
_SIZED: Final = frozenset({Kind.STRING, Kind.COLLECTION})

FUNCTIONS: Final[Mapping[str, Function]] = {
    "length": Function((_SIZED,), Kind.INT, _length),
    "tolower": Function((_TEXT,), Kind.STRING, _lower),
    "toupper": Function((_TEXT,), Kind.STRING, _upper),
    "trim": Function((_TEXT,), Kind.STRING, _trim),
    "contains": Function((_TEXT, _TEXT), Kind.BOOL, _contains),
    "startswith": Function((_TEXT, _TEXT), Kind.BOOL, _starts),
    "endswith": Function((_TEXT, _TEXT), Kind.BOOL, _ends),
    "indexof": Function((_TEXT, _TEXT), Kind.INT, _place),
    "concat": Function((_TEXT, _TEXT), Kind.STRING, _concat),
    "substring": Function((_TEXT, _NUMBER, _NUMBER), Kind.STRING, _substring, 1),
}
