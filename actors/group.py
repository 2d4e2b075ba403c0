"""One group: its members, and the fast lane of fan-out.

Knows outlets and the codecs that make their bytes; knows no connection. Deliveries take
no mailbox hop per member: what a round brings is encoded once per codec, joined into
one block, and each member's outlet gets that block once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, assert_never

from hubbub.actors.messages import internal
from hubbub.actors.runtime.actor import LoopActor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.runtime.ports import Codec, Outlet


class Group(LoopActor):
    """Delivers to its members, in the order of publication.

    Args:
        members: Who is in it from the start, by connection id: after a restart, those
            whom the roster knows.
    """

    lane = True

    def __init__(self, members: Iterable[tuple[str, Outlet]] = ()) -> None:
        super().__init__()
        # Members by codec, so that a block is looked up once per codec.
        self._lanes: dict[Codec, dict[str, Outlet]] = {}
        self._open: list[internal.Deliver] = []
        self._excluding = False
        self._receipts: list[Receipt] = []
        for connection_id, outlet in members:
            self._lanes.setdefault(outlet.codec, {})[connection_id] = outlet

    def take_turn(self, letters: list[Any]) -> int:
        """Collect what the letters bring into one block, then hand it out."""
        done = super().take_turn(letters)
        try:
            self.hand_out()
        except Exception:  # noqa: BLE001 - supervision decides
            self._handle_failure(*sys.exc_info())
        return done

    def on_receive(self, message: internal.ToGroupActor) -> None:
        """Add a delivery to the open block, or change the membership."""
        match message:
            case internal.Deliver():
                self._open.append(message)
                if message.exclude:
                    self._excluding = True
                if message.receipt is not None:
                    self._receipts.append(message.receipt)
            case internal.Join(connection_id=connection_id, outlet=outlet):
                # A new member must not get what was published before it joined.
                self.hand_out()
                self._lanes.setdefault(outlet.codec, {})[connection_id] = outlet
                if message.receipt is not None:
                    message.receipt.pay()
            case internal.Part(connection_id=connection_id):
                self.hand_out()
                self._remove(connection_id)
                if message.receipt is not None:
                    message.receipt.pay()
            case _:
                assert_never(message)

    def hand_out(self) -> None:
        """Close the open block: give it to every member, then pay the receipts.

        Its turns come at the end of the round, or earlier when a direct message must
        come after what was published before: so a turn ends by handing out.
        """
        deliveries = self._open
        if not deliveries:
            return
        excluding, receipts = self._excluding, self._receipts
        self._open, self._excluding, self._receipts = [], False, []
        for codec, lane in self._lanes.items():
            frames = [codec.encode(delivery.push) for delivery in deliveries]
            count = len(frames)
            block = frames[0] if count == 1 else b"".join(frames)
            special = _excluded(deliveries, lane) if excluding else None
            if not special:
                for outlet in lane.values():
                    outlet.append(block, count)
                continue
            for connection_id, outlet in lane.items():
                if connection_id not in special:
                    outlet.append(block, count)
            for connection_id in special:
                _give_without(deliveries, frames, connection_id, lane[connection_id])
        for receipt in receipts:
            receipt.pay()

    def _remove(self, connection_id: str) -> None:
        for codec, lane in self._lanes.items():
            if lane.pop(connection_id, None) is not None:
                if not lane:
                    del self._lanes[codec]
                return


def _excluded(
    deliveries: list[internal.Deliver], lane: dict[str, Outlet]
) -> dict[str, None]:
    """Give the members of a lane that some delivery leaves out."""
    return {
        connection_id: None
        for delivery in deliveries
        for connection_id in delivery.exclude
        if connection_id in lane
    }


def _give_without(
    deliveries: list[internal.Deliver],
    frames: list[bytes],
    connection_id: str,
    outlet: Outlet,
) -> None:
    """Give an excluded member the deliveries that do not exclude it."""
    rest = [
        frame
        for frame, delivery in zip(frames, deliveries, strict=True)
        if connection_id not in delivery.exclude
    ]
    if rest:
        outlet.append(b"".join(rest), len(rest))
