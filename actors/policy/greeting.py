"""How two gateways prove to each other that they are there now. Pure.

Each side draws a nonce for an epoch of their link; only who has heard it can say it
again, in a ``Hello`` (``echo``) or as the tag of a batch. So what was recorded in an
earlier epoch brings no link up, and no link down.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


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

    __slots__ = ("_candidate", "_draw", "current", "up")

    def __init__(self, draw: Callable[[], int]) -> None:
        self._draw = draw
        self.up = False
        self.current = Nonces(draw(), 0)
        self._candidate: Nonces | None = None

    @property
    def offer(self) -> Nonces:
        """Give what the next ``Hello`` says: our nonce, and theirs as its echo."""
        return self._candidate or self.current

    def hear(self, nonce: int, echo: int) -> Step:
        """Hear a ``Hello``."""
        if not self.up:
            self.current = Nonces(self.current.own, nonce)
            return self._rise() if echo == self.current.own else Step.GREET
        if nonce == self.current.theirs:
            self._candidate = None
            return Step.PROVE if echo == self.current.own else Step.GREET
        candidate = self._candidate
        if candidate is not None and Nonces(echo, nonce) == candidate:
            return self._renew()
        if echo:
            # An answer to what we said in another epoch: two sides that took it for a
            # beginning would greet each other for ever.
            return Step.IGNORE
        # It begins anew, or a recording says so: the epoch goes on until it is proven.
        own = self._draw() if candidate is None else candidate.own
        self._candidate = Nonces(own, nonce)
        return Step.GREET

    def tagged(self, tag: int) -> Step:
        """Hear a tag; ``IGNORE`` means that what bears it counts only if ``fits``."""
        if self._candidate is not None and tag == self._candidate.own:
            return self._renew()
        if not self.up and self.current.theirs and tag == self.current.own:
            return self._rise()
        return Step.IGNORE

    def fits(self, tag: int) -> bool:
        """Tell whether a tag is that of this epoch."""
        return self.up and tag == self.current.own

    def fall(self) -> None:
        """End the epoch."""
        self.up, self._candidate = False, None
        self.current = Nonces(self._draw(), 0)

    def _rise(self) -> Step:
        self.up, self._candidate = True, None
        return Step.RISE

    def _renew(self) -> Step:
        if self._candidate is not None:
            self.current, self._candidate = self._candidate, None
        return Step.RENEW
