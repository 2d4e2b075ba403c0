"""Which ack ids a connection has answered: a request is not carried out twice."""

from __future__ import annotations

REMEMBERED = 1000
"""Ack ids remembered per connection, the oldest forgotten first (limits)."""


class AckHistory:
    """The last ack ids of a connection that succeeded, shared by all request types."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[int, None] | None = None

    def seen(self, ack_id: int) -> bool:
        """Tell whether a request of this id has been carried out."""
        return self._ids is not None and ack_id in self._ids

    def export(self) -> tuple[int, ...]:
        """Give the ids, the oldest first."""
        return tuple(self._ids or ())

    def record(self, ack_id: int) -> None:
        """Remember the id of a request that succeeded."""
        ids = self._ids
        if ids is None:
            ids = self._ids = {}
        ids[ack_id] = None
        if len(ids) > REMEMBERED:
            del ids[next(iter(ids))]
