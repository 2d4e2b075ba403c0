"""Who is connected, as whom, and in which groups: the hub's index."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from hubbub.actors.messages import commands

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hubbub.actors.messages.internal import ToConnectionActor
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Outlet


class Entry:
    """One connection; a filter's subject."""

    __slots__ = ("connection", "connection_id", "groups", "outlet", "user_id")

    def __init__(
        self,
        connection_id: str,
        user_id: str | None,
        outlet: Outlet,
        connection: Ref[ToConnectionActor],
    ) -> None:
        self.connection_id = connection_id
        self.user_id = user_id
        self.outlet = outlet
        self.connection = connection
        self.groups: dict[str, None] = {}

    @property
    def protocol(self) -> str | None:
        """The subprotocol, for filters."""
        return self.outlet.subprotocol


_NOBODY: Mapping[str, Entry] = {}


class Roster:
    """Connections by id, by user and by group, each in order of arrival."""

    def __init__(self) -> None:
        self.connections: dict[str, Entry] = {}
        self._users: dict[str, dict[str, Entry]] = {}
        self._groups: dict[str, dict[str, Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Take in a connection, without groups yet."""
        self.connections[entry.connection_id] = entry
        if entry.user_id:
            self._users.setdefault(entry.user_id, {})[entry.connection_id] = entry

    def remove(self, connection_id: str) -> Entry | None:
        """Take out a connection; the caller has ended its memberships."""
        entry = self.connections.pop(connection_id, None)
        if entry is not None and entry.user_id:
            peers = self._users[entry.user_id]
            del peers[connection_id]
            if not peers:
                del self._users[entry.user_id]
        return entry

    def join(self, entry: Entry, group: str) -> bool:
        """Add a membership.

        Returns:
            Whether it is new.
        """
        if group in entry.groups:
            return False
        entry.groups[group] = None
        self._groups.setdefault(group, {})[entry.connection_id] = entry
        return True

    def leave(self, entry: Entry, group: str) -> bool:
        """End a membership.

        Returns:
            Whether there was one.
        """
        if group not in entry.groups:
            return False
        del entry.groups[group]
        members = self._groups[group]
        del members[entry.connection_id]
        if not members:
            del self._groups[group]
        return True

    def members(self, group: str) -> Collection[Entry]:
        """Give the members of a group."""
        return self._groups.get(group, _NOBODY).values()

    def users(self) -> Collection[str]:
        """Give the users that have a connection."""
        return self._users.keys()

    def find(self, target: commands.Target) -> Collection[Entry]:
        """Give the connections of a target; a view, to be copied before changes."""
        match target:
            case commands.ToConnection(connection_id=connection_id):
                entry = self.connections.get(connection_id)
                return () if entry is None else (entry,)
            case commands.ToUser(user_id=user_id):
                return self._users.get(user_id, _NOBODY).values()
            case commands.ToGroup(name=name):
                return self.members(name)
            case commands.Everyone():
                return self.connections.values()

    def matching(
        self, target: commands.Target, where: commands.Where | None
    ) -> list[Entry]:
        """Give the connections of a target that pass a filter."""
        found: Iterable[Entry] = self.find(target)
        return [entry for entry in found if where is None or where(entry)]

    def page(self, group: str, after: str, limit: int) -> commands.MemberPage:
        """Give members of a group in order of connection id, after a given one.

        Key-set paging: joins and leaves in between never shift pages.
        """
        later = (
            (entry.connection_id, entry.user_id)
            for entry in self.members(group)
            if entry.connection_id > after
        )
        chosen = heapq.nsmallest(limit + 1, later, key=lambda member: member[0])
        return commands.MemberPage(tuple(chosen[:limit]), more=len(chosen) > limit)
