"""Attached servers that listen: to groups, to all of a hub, to who comes and goes.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import servers
from hubbub.actors.policy.routes import group_matcher

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Outlet


class Watcher:
    """One server that wants to know who is here."""

    __slots__ = ("connections", "groups", "outlet")

    def __init__(
        self, outlet: Ref[servers.Presence], groups: Iterable[str], *, connections: bool
    ) -> None:
        self.outlet = outlet
        self.groups = tuple(map(group_matcher, groups))
        self.connections = connections

    def wants(self, group: str | None) -> bool:
        """Tell whether it wants to hear of a group, or (None) of connections."""
        if group is None:
            return self.connections
        return any(matches(group) for matches in self.groups)


class Listeners:
    """The servers that listen, each in order of arrival."""

    def __init__(self) -> None:
        self._by_group: dict[str | None, dict[str, Outlet]] = {}
        self._watchers: dict[str, Watcher] = {}

    def of(self, group: str | None) -> Collection[tuple[str, Outlet]]:
        """Give the servers that listen to a group or (None) the hub, with their ids."""
        return self._by_group.get(group, {}).items()

    def hears(self, server_id: str, group: str | None) -> bool:
        """Tell whether a server listens to a group or (None) the hub."""
        return server_id in self._by_group.get(group, {})

    def listen(self, server_id: str, outlet: Outlet, group: str | None) -> bool:
        """Let a server hear a group or (None) the hub; False if it did before."""
        listening = self._by_group.setdefault(group, {})
        if server_id in listening:
            return False
        listening[server_id] = outlet
        return True

    def unlisten(self, server_id: str, group: str | None) -> bool:
        """Let a server hear it no more; False if it did not."""
        listening = self._by_group.get(group, {})
        if listening.pop(server_id, None) is None:
            return False
        if not listening:
            del self._by_group[group]
        return True

    def heard_by(self, server_id: str) -> list[str | None]:
        """Give the groups that a server listens to; None stands for the hub."""
        return [name for name, heard in self._by_group.items() if server_id in heard]

    def watch(self, server_id: str, watcher: Watcher) -> None:
        """Let a server know who comes and goes, in place of what it wanted before."""
        if watcher.connections or watcher.groups:
            self._watchers[server_id] = watcher
        else:
            self._watchers.pop(server_id, None)

    def tell_one(self, server_id: str, told: servers.Presence) -> None:
        """Tell a server what happened elsewhere."""
        watcher = self._watchers.get(server_id)
        if watcher is not None:
            watcher.outlet.post(told)

    def forget(self, server_id: str) -> None:
        """Forget a server that is gone; its groups have been seen to."""
        self._watchers.pop(server_id, None)

    def tell(self, kind: str, entry: Entry, group: str | None = None) -> None:
        """Tell those who want to know that someone came or went."""
        if not self._watchers:
            return
        told = servers.Presence(kind, entry.connection_id, entry.user_id, group)
        for watcher in self._watchers.values():
            if watcher.wants(group):
                watcher.outlet.post(told)
