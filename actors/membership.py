"""Who is in which group: the roster, and the group actors that mirror it.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.actors.abroad import Abroad
from hubbub.actors.group_actors import GroupActors
from hubbub.actors.group_states import GroupStates
from hubbub.actors.listeners import Listeners, Watcher
from hubbub.actors.messages import commands, internal
from hubbub.actors.policy.interest import EVERYONE, OVERHEARD
from hubbub.actors.policy.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from hubbub.actors.directory import Directory
    from hubbub.actors.group_actors import GroupSpec, Members
    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address

logger = logging.getLogger(__name__)


class Membership:
    """Memberships of one hub, each change told to the group that is concerned.

    Args:
        hub: The actor whose children the groups are.
        name: The hub's name.
        specs: The classes of groups; the first whose pattern fits counts.
        wants_presence: Whether a handler wants to hear of ``joined`` or ``left`` in a
            group.
        directory: The links to peers, and what peers want.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        specs: tuple[GroupSpec, ...],
        wants_presence: Callable[[str, str], bool],
        directory: Directory,
    ) -> None:
        self.roster = Roster()
        self.listeners = Listeners()
        self._hub = hub
        self._wants_presence = wants_presence
        self._actors = GroupActors(hub, name, specs, self._members)
        self.groups = self._actors.all
        """The actors of groups that have members, by name; read only."""
        self.everyone = self._actors.start_plain(
            "of all", lambda: _outlets(self.roster.find(commands.Everyone()))
        )
        self.overheard: Address | None = None
        """Takes all that is published in the hub, while a server listens to it."""
        self.abroad = Abroad(name, directory, self)
        """The peers of this hub."""
        self.states = GroupStates(hub, name, directory, self.abroad, self.roster)

    def configure(self, specs: tuple[GroupSpec, ...]) -> None:
        """Take other classes, for groups that start anew."""
        self._actors.specs = specs

    def enter(
        self, entry: Entry, groups: Collection[str], *, quiet: bool = False
    ) -> None:
        """Take in a connection with its first groups.

        Nobody is told of it if it moved in (``quiet``): it is connected already.
        """
        self.abroad.raises(EVERYONE)
        if entry.user_id:
            self.abroad.raises(commands.ToUser(entry.user_id))
        self.roster.add(entry)
        self.everyone.post(internal.Join(entry.connection_id, entry.outlet))
        if quiet:
            self.abroad.moved_in(entry.connection_id)
        else:
            self.listeners.tell("connected", entry)
        for group in groups:
            self.join(entry, group, quiet=quiet)

    def remove(self, connection_id: str, *, quiet: bool = False) -> Entry | None:
        """Take out a connection with all its memberships.

        Nobody is told of it if it moved out (``quiet``): it is still connected.
        """
        entry = self.roster.connections.get(connection_id)
        if entry is not None:
            self.states.gone(connection_id)
            self.leave_all(entry, quiet=quiet)
            self.roster.remove(connection_id)
            self.everyone.post(internal.Part(connection_id))
            self.abroad.lowers(EVERYONE)
            if entry.user_id:
                self.abroad.lowers(commands.ToUser(entry.user_id))
            self.abroad.moved_out(connection_id)
            if not quiet:
                self.listeners.tell("disconnected", entry)
        return entry

    def join(
        self,
        entry: Entry,
        name: str,
        receipt: Receipt | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        """Add a membership; the group pays the receipt once it has effect."""
        key = commands.ToGroup(name)
        self.abroad.raises(key)
        receipt = self.abroad.held(key, receipt)
        if not self.roster.join(entry, name):
            self._pay_unchanged(receipt)
            return
        group = self._actors.get(name)
        group.post(
            internal.Join(
                entry.connection_id,
                entry.outlet,
                receipt,
                entry.user_id,
                quiet=quiet,
            )
        )
        if not (quiet or self._actors.chooses(name)):
            self._announce("joined", entry, name)

    def leave(
        self,
        entry: Entry,
        name: str,
        receipt: Receipt | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        """End a membership; the group pays the receipt once it has effect."""
        if not self.roster.leave(entry, name):
            self._pay_unchanged(receipt)
            return
        self.states.left(entry.connection_id, name)
        self.groups[name].post(internal.Part(entry.connection_id, receipt))
        self._end_if_empty(name)
        if not quiet:
            self._announce("left", entry, name)

    def _pay_unchanged(self, receipt: Receipt | None) -> None:
        """Pay for what is so already, behind an earlier change that made it so."""
        if receipt is not None:
            self._hub.dispatcher.settle()
            receipt.pay()

    def leave_all(self, entry: Entry, *, quiet: bool = False) -> None:
        """End all memberships of a connection."""
        for group in tuple(entry.groups):
            self.leave(entry, group, quiet=quiet)

    def change(self, command: commands.AddToGroup | commands.RemoveFromGroup) -> None:
        """Change memberships of a target; the last one's group pays the receipt."""
        entries, receipt = tuple(self.roster.find(command.target)), command.receipt
        for number, entry in enumerate(entries, 1):
            last = receipt if number == len(entries) else None
            match command:
                case commands.AddToGroup(group=group):
                    self.join(entry, group, last)
                case commands.RemoveFromGroup(group=str() as group):
                    self.leave(entry, group, last)
                case _:
                    self.leave_all(entry)
                    if last is not None:
                        last.pay()
        if not entries and receipt is not None:
            receipt.pay(found=False)

    def change_all(
        self, command: commands.AddAllToGroups | commands.RemoveAllFromGroups
    ) -> None:
        """Change memberships of all that pass a filter; the set is computed first."""
        joins = isinstance(command, commands.AddAllToGroups)
        change = self.join if joins else self.leave
        try:
            found = self.roster.matching(commands.Everyone(), command.where)
        except Exception:
            logger.exception("a filter failed")
            found = []
        for entry in found:
            for group in command.groups:
                change(entry, group)
        if command.receipt is not None:
            command.receipt.pay()

    def admitted(self, verdict: internal.Admitted) -> None:
        """Hear whether a group that chooses its members has taken one."""
        entry = self.roster.connections.get(verdict.connection_id)
        if entry is None or verdict.group not in entry.groups:
            return  # it left before it was decided upon
        if verdict.taken:
            if not verdict.quiet:
                self._announce("joined", entry, verdict.group)
        else:
            self.roster.leave(entry, verdict.group)
            self._end_if_empty(verdict.group)

    # Servers that listen.

    def tune(self, tune: internal.Tune) -> None:
        """Let a server hear a group or the hub, or no more; the group pays."""
        if tune.on:
            changed = self._listen(tune)
        else:
            changed = self._unlisten(tune.server_id, tune.group, tune.receipt)
        if not changed:
            self._pay_unchanged(tune.receipt)

    def observe(self, observe: internal.Observe) -> None:
        """Let a server know who comes and goes."""
        watch = observe.watch
        watcher = Watcher(observe.outlet, watch.groups, connections=watch.connections)
        self.listeners.watch(observe.server_id, watcher)
        if observe.receipt is not None:
            observe.receipt.pay()

    def forget_server(self, server_id: str) -> None:
        """Forget a server that is gone."""
        for group in self.listeners.heard_by(server_id):
            self._unlisten(server_id, group)
        self.listeners.forget(server_id)

    def _listen(self, tune: internal.Tune) -> bool:
        key = OVERHEARD if tune.group is None else commands.ToGroup(tune.group)
        if not self.listeners.hears(tune.server_id, tune.group):
            self.abroad.raises(key)
        if not self.listeners.listen(tune.server_id, tune.outlet, tune.group):
            return False
        receipt = self.abroad.held(key, tune.receipt)
        if tune.group is not None:
            group = self._actors.get(tune.group)
        else:
            if self.overheard is None:
                self.overheard = self._actors.start_plain(
                    "of all that is said", lambda: tuple(self.listeners.of(None))
                )
            group = self.overheard
        join = internal.Join(tune.server_id, tune.outlet, receipt, listens=True)
        group.post(join)
        return True

    def _unlisten(
        self, server_id: str, name: str | None, receipt: Receipt | None = None
    ) -> bool:
        if not self.listeners.unlisten(server_id, name):
            return False
        group = self.overheard if name is None else self.groups[name]
        if group is not None:
            group.post(internal.Part(server_id, receipt))
        self._end_if_empty(name)
        return True

    # The actors.

    def _announce(self, kind: str, entry: Entry, name: str) -> None:
        if self._wants_presence(kind, name):
            joined = kind == "joined"
            told = internal.JoinedGroup(name) if joined else internal.LeftGroup(name)
            entry.connection.post(told)
        self.listeners.tell(kind, entry, name)

    def _end_if_empty(self, name: str | None) -> None:
        """End a group that nobody is in and no server listens to."""
        if self.listeners.of(name):
            return
        if name is None:
            if self.overheard is not None:
                self.overheard.end()
                self.overheard = None
                self.abroad.lowers(OVERHEARD)
        elif not self.roster.members(name):
            self._actors.end(name)
            self.abroad.lowers(commands.ToGroup(name))

    def _members(self, name: str) -> Members:
        """Give who is in a group: connections, and servers that listen to it."""
        return (*_outlets(self.roster.members(name)), *self.listeners.of(name))


def _outlets(entries: Iterable[Entry]) -> Members:
    return tuple((entry.connection_id, entry.outlet) for entry in entries)
