"""How two gateways prove to each other that they are there now. Pure.

Each side draws a nonce for an epoch of their link; only who has heard it can say it
again, in a ``Hello`` (``echo``) or as the tag of a batch. So what was recorded in an
earlier epoch brings no link up, and no link down.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


MOST_CANDIDATES: Final = 4
"""Beginnings that are considered at a time; the oldest is dropped for another."""


class Step(enum.Enum):
    """What a greeting comes to."""

    GREET = enum.auto()
    """Say hello: the other has not heard our nonce."""
    PROVE = enum.auto()
    """Show that we have heard theirs: any tagged packet does."""
    RISE = enum.auto()
    """The link is up."""
    RENEW = enum.auto()
    """The epoch is over, and the next is up."""
    IGNORE = enum.auto()


class Nonces(NamedTuple):
    """Ours and theirs; theirs is 0 until it was heard."""

    own: int
    theirs: int


class Greeting:
    """The nonces of a link, and what they prove.

    Args:
        draw: Draws a nonce, never 0.
    """

    __slots__ = ("_candidates", "_draw", "current", "offer", "up")

    def __init__(self, draw: Callable[[], int]) -> None:
        self._draw = draw
        self.up = False
        self.current = Nonces(draw(), 0)
        """Of the epoch, or of the one that is to be."""
        self.offer = self.current
        """What the next ``Hello`` says: our nonce, and theirs as its echo."""
        # What begins anew, or is a recording that says so: their nonce to our own for
        # that epoch. Each has its own, so that a tag tells which of them is proven.
        self._candidates: dict[int, int] = {}

    def hear(self, nonce: int, echo: int) -> Step:
        """Hear a ``Hello``."""
        if not self.up:
            self.current = self.offer = Nonces(self.current.own, nonce)
            return self._rise() if echo == self.current.own else Step.GREET
        own, candidates = self.current.own, self._candidates
        if nonce == self.current.theirs:
            self.offer = self.current
            return Step.PROVE if echo == own else Step.GREET
        if echo and echo == candidates.get(nonce):
            return self._renew(nonce)
        if echo not in {0, own, *candidates.values()}:
            # An answer to what we said in another epoch: two sides that took it for a
            # beginning would greet each other for ever.
            return Step.IGNORE
        if nonce not in candidates:
            candidates[nonce] = self._draw()
            if len(candidates) > MOST_CANDIDATES:
                del candidates[next(iter(candidates))]
        self.offer = Nonces(candidates[nonce], nonce)
        return Step.GREET

    def tagged(self, tag: int) -> Step:
        """Hear a tag; ``IGNORE`` means that what bears it counts only if ``fits``."""
        for theirs, own in self._candidates.items():
            if tag == own:
                return self._renew(theirs)
        if not self.up and self.current.theirs and tag == self.current.own:
            return self._rise()
        return Step.IGNORE

    def fits(self, tag: int) -> bool:
        """Tell whether a tag is that of this epoch."""
        return self.up and tag == self.current.own

    def fall(self) -> None:
        """End the epoch."""
        self.up, self._candidates = False, {}
        self.current = self.offer = Nonces(self._draw(), 0)

    def _rise(self) -> Step:
        self.up, self._candidates = True, {}
        self.offer = self.current
        return Step.RISE

    def _renew(self, theirs: int) -> Step:
        self.current = self.offer = Nonces(self._candidates[theirs], theirs)
        self._candidates = {}
        return Step.RENEW
