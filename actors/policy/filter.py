"""Decides which connections a fan-out reaches, by an expression over each of them.

The service's REST reference, filter language. A filter is read once and kept in a
bounded cache; all that can be wrong with it is found then. An empty text matches
everything, which is the caller's business: here it is an error.
"""

from collections.abc import Callable
from functools import lru_cache

from hubbub.actors.policy.filter_tree import FilterError, names_in, parse, unsupported
from hubbub.actors.policy.filter_types import EVENT_ONLY, Subject, predicate

__all__ = [
    "Filter",
    "FilterError",
    "Subject",
    "compile_event_filter",
    "compile_filter",
]


class Filter:
    """Answers whether a connection is meant; never raises."""

    __slots__ = ("_predicate", "text")

    def __init__(self, text: str, predicate: Callable[[Subject], bool]) -> None:
        self.text = text
        self._predicate = predicate

    def __call__(self, subject: Subject) -> bool:
        """Tell whether this connection is meant."""
        return self._predicate(subject)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"


@lru_cache(maxsize=256)
def compile_filter(text: str) -> Filter:
    """Read a filter, or take it from the cache.

    Raises:
        FilterError: With the message of the service, fit for its 400 answer.
    """
    tree = parse(text)
    for name in names_in(tree):
        if name.lower() in EVENT_ONLY:
            raise unsupported(name, name)
    return Filter(text, predicate(tree))


@lru_cache(maxsize=256)
def compile_event_filter(text: str) -> Filter:
    """Read a filter over events, which may also name ``event`` and ``group``.

    Raises:
        FilterError: As ``compile_filter``.
    """
    return Filter(text, predicate(parse(text)))
