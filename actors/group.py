"""One group: its members, and the fast lane of fan-out.

Knows outlets and the codecs that make their bytes; knows no connection. Deliveries take
no mailbox hop per member: what a round brings is encoded once per codec, joined into
one block, and each member's outlet gets that block once.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from hubbub.actors.messages import internal, pushes
from hubbub.actors.runtime.actor import LoopActor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.facade import HubFacade
    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Codec, Outlet

logger = logging.getLogger(__name__)


class Member(msgspec.Struct, frozen=True, gc=False):
    """A connection that wants to be a member; the user is None when anonymous."""

    connection_id: str
    user_id: str | None


class Group(LoopActor):
    """Delivers to its members, in the order of publication.

    A class of your own overrides ``admit`` or ``revise``; its constructor takes no
    argument and calls ``super().__init__()`` first. ``self.name`` and ``self.hub`` are
    there once it has started (``on_start``).

    Args:
        members: Who is in it from the start, by connection id: after a restart, those
            whom the roster knows.
        name: The group's name.
    """

    lane = True
    hub: HubFacade
    """The hub it belongs to."""

    def __init__(
        self, members: Iterable[tuple[str, Outlet]] = (), name: str = ""
    ) -> None:
        super().__init__()
        self.name = name
        # Members by codec, so that a block is looked up once per codec.
        self._lanes: dict[Codec, dict[str, Outlet]] = {}
        self._open: list[internal.Deliver] = []
        self._excluding = False
        self._receipts: list[Receipt] = []
        self.chooses = type(self).admit is not Group.admit
        self._revises = type(self).revise is not Group.revise
        self._house: Ref[internal.Admitted] | None = None
        self._add(members)

    def furnish(
        self,
        name: str,
        hub: HubFacade,
        house: Ref[internal.Admitted],
        members: Iterable[tuple[str, Outlet]],
    ) -> None:
        """Give a group of an author's class what it belongs to; called once."""
        self.name, self.hub, self._house = name, hub, house
        self._add(members)

    def admit(self, member: Member) -> bool:
        """Decide whether a connection becomes a member; True unless overridden.

        Asked for every way to join. An exception refuses the member.
        """
        del member
        return True

    def revise(self, push: pushes.GroupMessage) -> pushes.GroupMessage | None:
        """Change what is published to the group, or (None) keep it from the members.

        An exception keeps it from them.
        """
        return push

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Group {self.name}"

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
            case internal.Deliver() if self._revises:
                self._revise(message)
            case internal.Deliver():
                self._open.append(message)
                if message.exclude:
                    self._excluding = True
                if message.receipt is not None:
                    self._receipts.append(message.receipt)
            case internal.Join() if self.chooses and not message.listens:
                self._consider(message)
            case internal.Join():
                self._join(message)
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
            block = codec.join(frames)
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

    def _join(self, join: internal.Join) -> None:
        # A new member must not get what was published before it joined.
        self.hand_out()
        self._add(((join.connection_id, join.outlet),))
        if join.receipt is not None:
            join.receipt.pay()

    def _consider(self, join: internal.Join) -> None:
        """Let the author's class decide on a member."""
        try:
            taken = self.admit(Member(join.connection_id, join.user_id))
        except Exception:
            logger.exception("group %s could not decide on a member", self.name)
            taken = False
        if self._house is not None:
            verdict = internal.Admitted(
                join.connection_id, self.name, bool(taken), join.quiet
            )
            self._house.post(verdict)
        if taken:
            self._join(join)
        elif join.receipt is not None:
            join.receipt.refuse(f"The group {self.name} did not admit the connection.")

    def _revise(self, delivery: internal.Deliver) -> None:
        """Let the author's class change a message, or keep it back."""
        push = delivery.push
        try:
            revised = self.revise(push) if type(push) is pushes.GroupMessage else push
        except Exception:
            logger.exception("group %s could not revise a message", self.name)
            revised = None
        receipt = delivery.receipt
        if revised is None:
            if receipt is not None:
                receipt.refuse(f"The group {self.name} did not take the message.")
            return
        self._open.append(msgspec.structs.replace(delivery, push=revised))
        self._excluding = self._excluding or bool(delivery.exclude)
        if receipt is not None:
            self._receipts.append(receipt)

    def _add(self, members: Iterable[tuple[str, Outlet]]) -> None:
        for connection_id, outlet in members:
            self._lanes.setdefault(outlet.codec, {})[connection_id] = outlet

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
    frames: list[Any],
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
        outlet.append(outlet.codec.join(rest), len(rest))
