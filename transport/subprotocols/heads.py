"""The beginnings of deliveries, remembered: most messages differ in their data only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")

_MOST = 4096


class Heads(dict[K, V]):
    """What ``make`` says to a key, made when it is asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        """Make a head; those of long ago go, all at once, when there are too many."""
        if len(self) >= _MOST:
            self.clear()
        head = self[key] = self._make(key)
        return head
