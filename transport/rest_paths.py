"""Finds the operation of a path: split as sent, decoded once, matched as a tree.

Pure. An encoded slash belongs to its segment: ``users/a%2Fb`` is the user ``a/b``, as
every SDK caller means it (REST reference, percent-encoding of path segments).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes

import msgspec

from hubbub.transport.rest_answers import Refused, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
Segments: TypeAlias = tuple[str, ...]


class Place(msgspec.Struct, Generic[T]):
    """One level of the tree: what may follow, and what ends here by method."""

    literals: dict[str, Place[T]] = {}
    parameter: Place[T] | None = None
    methods: dict[str, T] = {}


def plant(operations: Iterable[tuple[str, str, T]]) -> Place[T]:
    """Make a tree of (method, path, operation); HEAD comes with every GET.

    Siblings are all literal or all one parameter, so a match never goes back.
    """
    root: Place[T] = Place()
    for method, path, operation in operations:
        place = root
        for part in path.split("/")[1:]:
            place = _below(place, part)
        place.methods[method] = operation
        if method == "GET":
            place.methods.setdefault("HEAD", operation)
    return root


def raw(scope: Any) -> bytes:
    """Give the path as it was sent; a server that keeps none gets one of our own."""
    path: bytes | None = scope.get("raw_path")
    return quote(scope["path"]).encode() if path is None else path


def split(raw_path: bytes) -> Segments:
    """Split a path and decode its segments; one trailing slash makes no difference.

    Raises:
        Refused: A segment is not UTF-8.
    """
    parts = raw_path.split(b"/")[1:]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    try:
        if b"%" not in raw_path:
            return tuple([part.decode() for part in parts])
        return tuple([unquote_to_bytes(part).decode() for part in parts])
    except UnicodeDecodeError:
        raise Refused(invalid("Request", "The path is not valid UTF-8.")) from None


def find(root: Place[T], segments: Segments) -> tuple[Place[T] | None, Segments]:
    """Find the place of a path, and the values of its parameters in order.

    An empty segment is no value of a parameter.
    """
    place = root
    values: list[str] = []
    for segment in segments:
        literal = place.literals.get(segment)
        if literal is not None:
            place = literal
        elif segment and place.parameter is not None:
            place = place.parameter
            values.append(segment)
        else:
            return None, ()
    return place, tuple(values)


def _below(place: Place[T], part: str) -> Place[T]:
    if not part.startswith("{"):
        return place.literals.setdefault(part, Place())
    if place.parameter is None:
        place.parameter = Place()
    return place.parameter
