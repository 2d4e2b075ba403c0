"""Who wants what is published for which key: the table of one hub. Pure.

Knows keys, and peers as values; what a peer is, is the owner's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from hubbub.actors.messages import commands, peers

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

EVERYONE: Final = commands.Everyone()
OVERHEARD: Final = peers.Overheard()


class Interest(Generic[T]):
    """Peers by key, each in order of arrival."""

    __slots__ = ("_wanting",)

    def __init__(self) -> None:
        self._wanting: dict[peers.Key, tuple[T, ...]] = {}

    def __len__(self) -> int:
        return len(self._wanting)

    def keys(self) -> Iterable[peers.Key]:
        """Give what is wanted by anyone."""
        return self._wanting.keys()

    def of(self, key: peers.Key) -> tuple[T, ...]:
        """Give the peers that want a key."""
        return self._wanting.get(key, ())

    def relays(self, target: commands.Target) -> tuple[T, ...]:
        """Give the peers that a publication for a target goes to, each once."""
        wanting = self._wanting
        if not wanting:
            return ()
        found = wanting.get(target, ())
        hearing = wanting.get(OVERHEARD)
        if hearing is None:
            return found
        return (*found, *(peer for peer in hearing if peer not in found))

    def add(self, key: peers.Key, peer: T) -> None:
        """Let a peer want a key."""
        before = self._wanting.get(key, ())
        if peer not in before:
            self._wanting[key] = (*before, peer)

    def discard(self, key: peers.Key, peer: T) -> None:
        """Let a peer want a key no more."""
        left = tuple(other for other in self._wanting.get(key, ()) if other != peer)
        if left:
            self._wanting[key] = left
        else:
            self._wanting.pop(key, None)

    def forget(self, peer: T) -> None:
        """Let a peer want nothing.

        A scan of all keys: it happens when a peer is lost, and an index by peer would
        double the memory of the table.
        """
        for key in [key for key, wanting in self._wanting.items() if peer in wanting]:
            self.discard(key, peer)
