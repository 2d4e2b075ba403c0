"""What each connection has under way at its upstream, and its end that waits for it.

A part of the upstream: it runs in the upstream's turns. Knows how many, not what.
"""

from __future__ import annotations

import msgspec

from hubbub.actors.messages import events


class Lane:
    """One connection's events: how many are under way, and the last, held back."""

    __slots__ = ("held", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        self.held: events.Delivery | None = None


class Lanes:
    """All connections that have an event under way."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def may_go(self, delivery: events.Delivery) -> bool:
        """Tell whether an event may be dispatched now; else it is kept until later.

        ``disconnected`` comes last (event handlers, order and concurrency).
        """
        lane = self._lanes.get(delivery.event.client.connection_id)
        if lane is None or not isinstance(delivery.event, events.Disconnected):
            return True
        lane.held = delivery
        return False

    def enter(self, connection_id: str) -> None:
        """Count an event that is dispatched."""
        self._lanes.setdefault(connection_id, Lane()).under_way += 1

    def leave(
        self, connection_id: str, outcome: events.Outcome | None
    ) -> events.Delivery | None:
        """Count an event that is over.

        Returns:
            The end of the connection, if it was held back and its time has come.
        """
        lane = self._lanes[connection_id]
        lane.under_way -= 1
        if lane.held is not None:
            lane.held = _informed(lane.held, outcome)
        if lane.under_way:
            return None
        del self._lanes[connection_id]
        return lane.held


def _informed(held: events.Delivery, outcome: events.Outcome | None) -> events.Delivery:
    """Let an end that waits tell what was stored meanwhile (connection state)."""
    if not isinstance(outcome, events.Respond) or outcome.state is None:
        return held
    client = msgspec.structs.replace(held.event.client, state=outcome.state)
    event = msgspec.structs.replace(held.event, client=client)
    return msgspec.structs.replace(held, event=event)
