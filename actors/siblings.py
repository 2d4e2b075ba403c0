"""The workers of one machine among the peers, and what they count.

A part of the mesh: it runs in the mesh's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import counting, mesh

if TYPE_CHECKING:
    from collections.abc import Collection

    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address, Ref

PATIENCE: Final = 1.0
"""Seconds that a worker has to say what it counts."""


class Uncounted(msgspec.Struct, frozen=True):
    """Time to do without those who have not said, a message of the mesh to itself."""

    number: int


class _Counting:
    __slots__ = ("answer", "figures", "left")

    def __init__(
        self, answer: Ref[mesh.Tally], figures: dict[str, bytes], left: int
    ) -> None:
        self.answer = answer
        self.figures = figures
        self.left = left


class Siblings:
    """Asks all peers what they count; those of another machine say nothing of it.

    Args:
        owner: The mesh, whose timers these are.
        setup: The site, this worker, and what it counts.
    """

    def __init__(self, owner: LoopActor, setup: mesh.MeshSetup) -> None:
        self._owner = owner
        self._setup = setup
        self._open: dict[int, _Counting] = {}
        self._last = 0

    def count(
        self, answer: Ref[mesh.Tally], links: Collection[Address], own: mesh.MeshView
    ) -> None:
        """Ask, and answer when all have said, or time is up."""
        setup = self._setup
        figures = {setup.worker: setup.figures(own)}
        if not setup.site or not links:
            answer.post(mesh.Tally(figures))
            return
        self._last = number = self._last + 1
        self._open[number] = _Counting(answer, figures, len(links))
        for link in links:
            link.post(counting.Inquire(number, setup.site))
        self._owner.after(PATIENCE, Uncounted(number))

    def inquired(
        self, inquiry: counting.Inquire, own: mesh.MeshView
    ) -> counting.Counted:
        """Answer a peer."""
        setup = self._setup
        if not setup.site or inquiry.site != setup.site:
            return counting.Counted(inquiry.number, "", b"")
        return counting.Counted(inquiry.number, setup.worker, setup.figures(own))

    def hear(self, counted: counting.Counted) -> None:
        """Take what a peer counts."""
        counting = self._open.get(counted.number)
        if counting is None:
            return
        if counted.worker:
            counting.figures[counted.worker] = counted.figures
        counting.left -= 1
        if not counting.left:
            self.finish(counted.number)

    def finish(self, number: int) -> None:
        """Answer with what is there."""
        counting = self._open.pop(number, None)
        if counting is not None:
            counting.answer.post(mesh.Tally(dict(sorted(counting.figures.items()))))
