"""Who hears what is said in groups: subscribers of this gateway, and what peers say.

A part of the hub: it runs in the hub's turns. A subscriber gets a snapshot once every
peer has said what is said there, and from then on what changes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.actors.messages import commands, pushes
from hubbub.actors.messages.states import StateMatter, StateOf, StatePage
from hubbub.actors.watched_group import Known, Listed, WatchedGroup, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from hubbub.actors.abroad import Abroad
    from hubbub.actors.directory import LinkRef
    from hubbub.actors.messages.pushes import StateItem
    from hubbub.actors.runtime.address import Ref

logger = logging.getLogger(__name__)


class StateWatch:
    """The subscribers of one hub at this gateway.

    Args:
        hub: The hub's name.
        address: The hub itself.
        abroad: The peers.
        here: Gives what is said in a group by connections of this gateway.
        later: Asks for a ``flush`` in this round.
    """

    def __init__(
        self,
        hub: str,
        address: Ref[StateMatter],
        abroad: Abroad,
        here: Callable[[str], Iterable[StateItem]],
        later: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._address = address
        self._abroad = abroad
        self._here = here
        self._later = later
        self.groups: dict[str, WatchedGroup] = {}
        """The groups that somebody watches; read only."""
        self._by_connection: dict[str, dict[str, None]] = {}
        self._fresh: dict[str, dict[str, StateItem]] = {}
        self._questions = 0

    # Who watches.

    def of(self, connection_id: str) -> Collection[str]:
        """Give the groups that a connection watches."""
        return self._by_connection.get(connection_id, ())

    def watch(
        self,
        connection_id: str,
        outlet: Ref[pushes.Push],
        group: str,
        receipt: commands.Receipt | None,
    ) -> None:
        """Take in a subscription, or begin one anew."""
        key = StateOf(group)
        self._abroad.raises(key)
        watched = self.groups.get(group)
        if watched is None:
            watched = WatchedGroup(self._hub, group, self._address)
            self.groups[group] = watched
            # Behind the announcement: so nothing changes between the two unheard.
            for link in self._abroad.links.values():
                self._ask(link, watched)
        self._by_connection.setdefault(connection_id, {})[group] = None
        watcher = watched.watchers[connection_id] = Watcher(
            connection_id, group, outlet
        )
        known = Known(watcher, receipt)
        waiting = None if receipt is None else commands.Receipt(self._address, known)
        held = self._abroad.held(key, waiting)
        if held is None or held is waiting:
            self.known(known)
        else:
            held.pay()

    def unwatch(self, connection_id: str, group: str) -> None:
        """End a subscription."""
        groups = self._by_connection.get(connection_id, {})
        if group not in groups:
            return
        del groups[group]
        if not groups:
            del self._by_connection[connection_id]
        watchers = self.groups[group].watchers
        del watchers[connection_id]
        if not watchers:
            del self.groups[group]
            self._fresh.pop(group, None)
            self._abroad.lowers(StateOf(group))

    def forget(self, connection_id: str) -> tuple[str, ...]:
        """End all subscriptions of a connection; gives the groups."""
        groups = tuple(self.of(connection_id))
        for group in groups:
            self.unwatch(connection_id, group)
        return groups

    def known(self, known: Known) -> None:
        """Acknowledge a subscription of which the peers know."""
        watcher = known.watcher
        if known.receipt is not None:
            known.receipt.pay()
        watcher.acknowledged = True
        watched = self.groups.get(watcher.group)
        if (
            watched is not None
            and watched.watchers.get(watcher.connection_id) is watcher
        ):
            self._give(watched, watcher)

    def again(self, connection_id: str) -> None:
        """Give a subscriber that was away its snapshots anew."""
        for group in self.of(connection_id):
            watched = self.groups[group]
            watcher = watched.watchers[connection_id]
            if watcher.told:
                watcher.told = False
                self._give(watched, watcher)

    def _give(self, watched: WatchedGroup, watcher: Watcher) -> None:
        """Give a subscriber its snapshot, if all is there and it has none."""
        if watched.waits or watcher.told or not watcher.acknowledged:
            return
        group = watcher.group
        self._flush_group(group)  # to the others: the snapshot has it
        watcher.told = True
        items = (*self._here(group), *watched.remote)
        watcher.outlet.post(pushes.GroupStateSnapshot(group, items))

    # What is said.

    def show(self, group: str, items: Iterable[StateItem]) -> None:
        """Show subscribers what has changed, at the end of the hub's work."""
        if group in self.groups:
            fresh = self._fresh.setdefault(group, {})
            fresh.update((item.connection_id, item) for item in items)
            if fresh:
                self._later()

    def flush(self) -> None:
        """Show subscribers what has changed."""
        for group in tuple(self._fresh):
            self._flush_group(group)

    def _flush_group(self, group: str) -> None:
        fresh, watched = self._fresh.pop(group, None), self.groups.get(group)
        if fresh and watched is not None:
            update = pushes.GroupStateUpdate(group, tuple(fresh.values()))
            for watcher in watched.watchers.values():
                if watcher.told:
                    watcher.outlet.post(update)

    def since(self, group: str, connection_id: str) -> int:
        """Give the time that anything new of a connection must exceed."""
        watched = self.groups.get(group)
        return 0 if watched is None else watched.remote.since(connection_id)

    def settle(self, group: str, connection_id: str) -> None:
        """Hear from peers no more of a connection that is here now."""
        watched = self.groups.get(group)
        if watched is not None:
            watched.remote.forget(connection_id)

    def keep(self, group: str, item: StateItem) -> None:
        """Go on showing what was said here, until a peer says it."""
        watched = self.groups.get(group)
        if watched is not None:
            watched.remote.keep(None, item)

    def hear(self, link: LinkRef, group: str, items: Iterable[StateItem]) -> None:
        """Take what a peer says."""
        watched = self.groups.get(group)
        if watched is not None:
            self.show(group, watched.remote.hear(link, items))

    def lose(
        self, link: LinkRef | None, group: str, connection_id: str | None = None
    ) -> None:
        """Clear what a peer said (None: what was kept), of all or one connection."""
        watched = self.groups.get(group)
        if watched is not None:
            self.show(group, watched.remote.lose(link, connection_id))

    # Peers.

    def greet(self, link: LinkRef) -> None:
        """Ask a peer that has just come."""
        for watched in self.groups.values():
            watched.done(link)
            self._ask(link, watched)

    def unlinked(self, link: LinkRef) -> None:
        """Clear all that a peer said, and wait for it no more."""
        for group, watched in self.groups.items():
            self.lose(link, group)
            if watched.done(link):
                self._give_all(watched)

    def listed(self, listed: Listed) -> None:
        """Take what a peer says when asked; once all have, give the snapshots."""
        link, group = listed.link, listed.group
        watched = self.groups.get(group)
        if watched is None or not watched.asks(listed):
            return  # of another time
        match listed.answer:
            case StatePage(items=items, more=more):
                self.hear(link, group, items)
                if more and items:
                    self._ask(link, watched, items[-1].connection_id)
                else:
                    watched.done(link)
            case commands.Unavailable(reason=reason):
                if watched.excuse(link):
                    text = "hub %s: states of a group are missing: %s"
                    logger.warning(text, self._hub, reason)
                if link in self._abroad.links.values():
                    self._ask(link, watched)  # it may say it yet, or its link falls
        self._give_all(watched)

    def _give_all(self, watched: WatchedGroup) -> None:
        for watcher in watched.watchers.values():
            self._give(watched, watcher)

    def _ask(self, link: LinkRef, watched: WatchedGroup, after: str = "") -> None:
        self._questions += 1
        watched.ask(link, self._questions, after)
