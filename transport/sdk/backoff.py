"""How long to wait before trying again. Pure: chance comes from outside.

Pauses double up to a limit; a random part of each keeps those who lost the same
gateway from coming back at the same moment.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses between attempts, in seconds.

    Raises:
        ValueError: A number makes no sense.
    """

    first: float = 0.2
    """Longest pause before the first attempt."""
    most: float = 30.0
    """Longest pause of all."""
    growth: float = 2.0
    """By how much a pause is longer than the one before."""
    jitter: float = 0.5
    """Which part of a pause is left to chance: 0 for none, 1 for all."""
    calm: float = 10.0
    """A connection that lasted for this long begins again with the first pause."""
    attempts: int | None = None
    """How many attempts there are; None for no end."""

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.most:
            raise ValueError("first must be above 0, and most not below it")
        if self.growth < 1 or not 0 <= self.jitter <= 1:
            raise ValueError("growth must be at least 1, jitter from 0 to 1")
        if self.attempts is not None and self.attempts < 0:
            raise ValueError("attempts must not be negative")

    def pause(self, number: int, chance: float) -> float:
        """Give the pause before an attempt.

        Args:
            number: Which attempt it is, from 0.
            chance: A random number from 0 to 1.
        """
        try:
            longest = min(self.most, self.first * self.growth**number)
        except OverflowError:
            longest = self.most
        return longest * (1 - self.jitter * chance)

    def pauses(self, chance: Callable[[], float] = random.random) -> Iterator[float]:
        """Give the pause before each attempt, as long as there are attempts."""
        number = 0
        while self.attempts is None or number < self.attempts:
            yield self.pause(number, chance())
            number += 1
