"""How the mesh benchmark measures: loads that take turns, and the best of each."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from hubbub.transport.bench.mesh_load import Load, Slice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from hubbub.transport.bench.mesh_gateways import Gateway

    Build: TypeAlias = Callable[[Load, Sequence[Gateway]], Awaitable[None]]

Row: TypeAlias = "dict[str, str | float]"

TURNS: Final = 4
"""Turns that those who are compared take in a round, each time another first."""
MICRO: Final = 1e6
WINDOW: Final = 16
MEMBERS: Final = 1000


class Options(NamedTuple):
    """How long and how much to measure."""

    seconds: float
    rounds: int
    members: int
    most: int
    """Gateways at most."""
    keys: int
    """Groups joined at a peer, to weigh them."""
    advance: Callable[[], None]
    """Called after each round."""


class Figures(msgspec.Struct, frozen=True):
    """A table; its first row has every column."""

    title: str
    rows: list[Row]
    lost: int = 0
    """Deliveries that never came."""


class Best:
    """The slices of one load, over all rounds; the best of them counts."""

    def __init__(self, slices: Iterable[Slice]) -> None:
        self._slices = tuple(slices)

    @property
    def deliveries(self) -> float:
        """Deliveries a second."""
        return max(one.deliveries / one.seconds for one in self._slices)

    @property
    def messages(self) -> float:
        """Messages a second, each delivered to all its members."""
        return max(one.messages / one.seconds for one in self._slices)

    def cpu(self, *processes: int, by_message: bool = False) -> float:
        """Give microseconds of processor time for a delivery, or a message.

        Args:
            processes: Which of those that are watched; none means all.
            by_message: Of a message.
        """
        return MICRO * min(
            sum(one.cpu[n] for n in processes or range(len(one.cpu)))
            / max(one.messages if by_message else one.deliveries, 1)
            for one in self._slices
        )

    @property
    def busiest(self) -> float:
        """Microseconds of the busiest process for a delivery."""
        return MICRO * min(
            max(one.cpu) / max(one.deliveries, 1) for one in self._slices
        )

    @property
    def median(self) -> float:
        """Microseconds from a publication to its last delivery, one at a time."""
        return MICRO * min(one.median for one in self._slices)


@asynccontextmanager
async def loads(
    services: Sequence[Sequence[Gateway]], build: Build, lost: list[int]
) -> AsyncIterator[list[Load]]:
    """Connect the clients of a load to each of several services.

    Args:
        services: Each is watched for its own load.
        build: Connects them.
        lost: Takes how many deliveries are missing at the end.
    """
    found = []
    try:
        for service in services:
            load = Load(lambda s=service: tuple(t for one in s for t in one.cpu()))  # type: ignore[misc] # s is one
            found.append(load)
            await build(load, service)
        yield found
    finally:
        lost += [await load.close() for load in found]


async def take_turns(loads: Sequence[Load], seconds: float) -> list[list[Slice]]:
    """Put loads on in turn; gives the slices of each."""
    slices: list[list[Slice]] = [[] for _ in loads]
    for turn in range(TURNS):
        for number in range(len(loads)):
            which = (turn + number) % len(loads)
            slices[which].append(await loads[which].run(seconds))
    return slices
