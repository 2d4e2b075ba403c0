"""Who is in which group: the roster, and the group actors that mirror it.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.group import Group
from hubbub.actors.messages import internal
from hubbub.actors.messages.commands import Everyone, ToGroup
from hubbub.actors.policy.roster import Roster
from hubbub.actors.runtime.supervision import Restart

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address


class Membership:
    """Memberships of one hub, each change told to the group that is concerned.

    Args:
        hub: The actor whose children the groups are.
        wants_presence: Whether a handler wants to hear of ``joined`` or ``left`` in a
            group.
    """

    def __init__(
        self, hub: LoopActor, wants_presence: Callable[[str, str], bool]
    ) -> None:
        self.roster = Roster()
        self._hub = hub
        self._wants_presence = wants_presence
        self.groups: dict[str, Address] = {}
        """The actors of groups that have members, by name."""
        self.everyone = self._spawn(Everyone())

    def enter(self, entry: Entry, groups: Collection[str]) -> None:
        """Take in a connection with its first groups."""
        self.roster.add(entry)
        self.everyone.post(internal.Join(entry.connection_id, entry.outlet))
        for group in groups:
            self.join(entry, group)

    def remove(self, connection_id: str) -> Entry | None:
        """Take out a connection with all its memberships."""
        entry = self.roster.connections.get(connection_id)
        if entry is not None:
            self.leave_all(entry)
            self.roster.remove(connection_id)
            self.everyone.post(internal.Part(connection_id))
        return entry

    def join(self, entry: Entry, name: str, receipt: Receipt | None = None) -> None:
        """Add a membership; the group pays the receipt once it has effect."""
        if not self.roster.join(entry, name):
            if receipt is not None:
                receipt.pay()
            return
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = self._spawn(ToGroup(name))
        group.post(internal.Join(entry.connection_id, entry.outlet, receipt))
        if self._wants_presence("joined", name):
            entry.connection.post(internal.JoinedGroup(name))

    def leave(self, entry: Entry, name: str, receipt: Receipt | None = None) -> None:
        """End a membership; the group pays the receipt once it has effect."""
        if not self.roster.leave(entry, name):
            if receipt is not None:
                receipt.pay()
            return
        group = self.groups[name]
        group.post(internal.Part(entry.connection_id, receipt))
        if not self.roster.members(name):
            del self.groups[name]
            group.end()
        if self._wants_presence("left", name):
            entry.connection.post(internal.LeftGroup(name))

    def leave_all(self, entry: Entry) -> None:
        """End all memberships of a connection."""
        for group in tuple(entry.groups):
            self.leave(entry, group)

    def _spawn(self, target: ToGroup | Everyone) -> Address:
        """Start a group; when it fails, it starts again with whom the roster knows."""

        def build() -> Group:
            members = self.roster.find(target)
            return Group((entry.connection_id, entry.outlet) for entry in members)

        return self._hub.spawn(build, restart=Restart())
