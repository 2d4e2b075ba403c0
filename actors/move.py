"""One session on its way between two gateways, as either of them sees it.

A part of the hub: it runs in the hub's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from hubbub.actors.messages.returning import OfMoves
from hubbub.actors.reliable_outlet import ReliableOutlet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.directory import LinkRef
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref

PATIENCE: Final = 15.0
"""Seconds until a session that does not get on is given up.

More than it takes until a gateway that draws no line counts as gone.
"""

IMPATIENCE: Final = 4.0
"""Seconds until a client that waits for its session is told to try again."""

OURS: Final = None
"""The origin of what this gateway publishes; of anything else, its link."""


class Told(OfMoves, frozen=True):
    """What a call about a session came to, a message of the hub to itself."""

    connection_id: str
    value: Any


class Overdue(OfMoves, frozen=True):
    """Time to look at a session that moves, a message of the hub to itself.

    At the ``last`` one it is given up.
    """

    move: Ref[Any]
    last: bool


class Move:
    """Which lines have been seen; also takes what a call about the session comes to.

    Args:
        hub: The actor whose timers these are.
        connection_id: The session's.
        link: The other gateway.
        number: Of the attempt.
    """

    def __init__(
        self, hub: LoopActor, connection_id: str, link: LinkRef, number: int
    ) -> None:
        self._hub = hub.address
        self.number = number
        self.connection_id = connection_id
        self.link = link
        self.passed: dict[LinkRef | None, None] = {}
        self._waiting: dict[LinkRef, None] = {}
        self.begun = False
        hub.after(IMPATIENCE, Overdue(self, last=False))
        hub.after(PATIENCE, Overdue(self, last=True))

    def post(self, value: Any, /) -> None:
        """Take what a call came to."""
        self._hub.post(Told(self.connection_id, value))

    def begin(self, links: Iterable[LinkRef]) -> None:
        """Draw our own line, and wait for those of others."""
        self.begun = True
        self.passed[OURS] = None
        # A line may be seen here before the one who asked for it is heard.
        self._waiting = {link: None for link in links if link not in self.passed}

    def waits_for(self, link: LinkRef | None) -> bool:
        """Tell whether a line is still to be drawn."""
        return link in self._waiting

    def saw(self, link: LinkRef) -> None:
        """See a line."""
        self.passed[link] = None
        self.forget(link)

    def forget(self, link: LinkRef) -> None:
        """Wait for a line no more."""
        self._waiting.pop(link, None)

    @property
    def clear(self) -> bool:
        """Whether all lines have been seen."""
        return self.begun and not self._waiting


M = TypeVar("M", bound=Move)


def pending(moves: dict[str, M], overdue: Overdue) -> M | None:
    """Give a move that is still under way although its time is up."""
    for move in moves.values():
        if move is overdue.move:
            return move
    return None


def mail_of(entry: Entry) -> ReliableOutlet:
    """Give the outlet of a session that can move."""
    outlet = entry.outlet
    if not isinstance(outlet, ReliableOutlet):
        raise AssertionError("only reliable sessions move")  # noqa: TRY004 - a bug
    return outlet
