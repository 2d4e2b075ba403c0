"""One client's acknowledgements: each request at most once, each ack behind its echo.

Knows ack ids and where pushes go; does not know what a request asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import commands, pushes
from hubbub.actors.policy.history import AckHistory

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Ref


class Acks:
    """Acknowledges what a client asks; a request without an ack id is never answered.

    Args:
        outlet: Takes the acks.
    """

    __slots__ = ("_history", "_outlet")

    def __init__(self, outlet: Ref[pushes.Push]) -> None:
        self._outlet = outlet
        self._history = AckHistory()

    def is_duplicate(self, ack_id: int | None) -> bool:
        """Tell whether a request was carried out before; the client is told as well."""
        if ack_id is None or not self._history.seen(ack_id):
            return False
        text = f"Message with ack-id: {ack_id} has been processed"
        self.refuse(ack_id, pushes.AckName.DUPLICATE, text)
        return True

    def receipt(self, ack_id: int) -> commands.Receipt:
        """Have the ack sent by the one that finishes the work, behind the echo.

        The id is recorded now: nothing that is still to come can fail, unless a group
        of an author's class refuses, and that would refuse it again.
        """
        self._history.record(ack_id)
        return commands.Receipt(self._outlet, pushes.Ack(ack_id))

    def export(self) -> tuple[int, ...]:
        """Give the ids of what was carried out, the oldest first."""
        return self._history.export()

    def restore(self, ack_ids: tuple[int, ...]) -> None:
        """Take over the ids of what was carried out elsewhere."""
        for ack_id in ack_ids:
            self._history.record(ack_id)

    def confirm(self, ack_id: int | None) -> None:
        """Acknowledge a success."""
        if ack_id is not None:
            self._history.record(ack_id)
            self._outlet.post(pushes.Ack(ack_id))

    def refuse(self, ack_id: int | None, name: pushes.AckName, text: str) -> None:
        """Acknowledge a failure; the client may try the id again."""
        if ack_id is not None:
            self._outlet.post(pushes.Ack(ack_id, pushes.AckError(name, text)))
