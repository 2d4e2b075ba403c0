"""Who is in which group: the roster, and the group actors that mirror it.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from hubbub.actors.abroad import Abroad
from hubbub.actors.facade import HubFacade
from hubbub.actors.group import Group
from hubbub.actors.listeners import Listeners, Watcher
from hubbub.actors.messages import commands, internal
from hubbub.actors.policy.interest import EVERYONE, OVERHEARD
from hubbub.actors.policy.roster import Roster
from hubbub.actors.policy.routes import group_matcher
from hubbub.actors.runtime.supervision import Restart

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hubbub.actors.directory import Directory
    from hubbub.actors.messages.commands import Receipt
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.ports import Outlet

    Members: TypeAlias = tuple[tuple[str, Outlet], ...]

logger = logging.getLogger(__name__)


class GroupSpec(msgspec.Struct, frozen=True):
    """Which class serves the groups whose name fits a pattern.

    Args:
        pattern: A pattern of group names, ``*`` for all.
        kind: Builds a group: a class of an author's, without arguments.
    """

    pattern: str
    kind: Callable[[], Group]


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
        self.specs = specs
        self._hub = hub
        self._facade = HubFacade(name, hub.address)
        self._wants_presence = wants_presence
        self.groups: dict[str, Address] = {}
        """The actors of groups that have members, by name."""
        self._choosy: dict[str, None] = {}
        self.everyone = self._spawn_plain(
            "of all", lambda: _outlets(self.roster.find(commands.Everyone()))
        )
        self.overheard: Address | None = None
        """Takes all that is published in the hub, while a server listens to it."""
        self.abroad = Abroad(name, directory, self)
        """The peers of this hub."""

    def enter(self, entry: Entry, groups: Collection[str]) -> None:
        """Take in a connection with its first groups."""
        self.abroad.raises(EVERYONE)
        if entry.user_id:
            self.abroad.raises(commands.ToUser(entry.user_id))
        self.roster.add(entry)
        self.everyone.post(internal.Join(entry.connection_id, entry.outlet))
        self.listeners.tell("connected", entry)
        for group in groups:
            self.join(entry, group)

    def remove(self, connection_id: str) -> Entry | None:
        """Take out a connection with all its memberships."""
        entry = self.roster.connections.get(connection_id)
        if entry is not None:
            self.leave_all(entry)
            self.roster.remove(connection_id)
            self.everyone.post(internal.Part(connection_id))
            self.abroad.lowers(EVERYONE)
            if entry.user_id:
                self.abroad.lowers(commands.ToUser(entry.user_id))
            self.listeners.tell("disconnected", entry)
        return entry

    def join(self, entry: Entry, name: str, receipt: Receipt | None = None) -> None:
        """Add a membership; the group pays the receipt once it has effect."""
        key = commands.ToGroup(name)
        self.abroad.raises(key)
        receipt = self.abroad.held(key, receipt)
        if not self.roster.join(entry, name):
            self._pay_unchanged(receipt)
            return
        group = self._group(name)
        group.post(
            internal.Join(entry.connection_id, entry.outlet, receipt, entry.user_id)
        )
        if name not in self._choosy:
            self._announce("joined", entry, name)

    def leave(self, entry: Entry, name: str, receipt: Receipt | None = None) -> None:
        """End a membership; the group pays the receipt once it has effect."""
        if not self.roster.leave(entry, name):
            self._pay_unchanged(receipt)
            return
        self.groups[name].post(internal.Part(entry.connection_id, receipt))
        self._end_if_empty(name)
        self._announce("left", entry, name)

    def _pay_unchanged(self, receipt: Receipt | None) -> None:
        """Pay for what is so already, behind an earlier change that made it so."""
        if receipt is not None:
            self._hub.dispatcher.settle()
            receipt.pay()

    def leave_all(self, entry: Entry) -> None:
        """End all memberships of a connection."""
        for group in tuple(entry.groups):
            self.leave(entry, group)

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
            group = self._group(tune.group)
        else:
            if self.overheard is None:
                self.overheard = self._spawn_plain(
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

    def _group(self, name: str) -> Address:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = self._spawn(name)
        return group

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
            self._choosy.pop(name, None)
            self.groups.pop(name).end()
            self.abroad.lowers(commands.ToGroup(name))

    def _spawn(self, name: str) -> Address:
        """Start a group of the class that is configured for its name."""
        for spec in self.specs:
            if group_matcher(spec.pattern)(name):
                return self._spawn_custom(name, spec.kind)
        return self._spawn_plain(name, lambda: self._members(name))

    def _spawn_plain(self, name: str, members: Callable[[], Members]) -> Address:
        """Start a group; when it fails, it starts again with whom the roster knows."""
        return self._hub.spawn(lambda: Group(members(), name), restart=Restart())

    def _spawn_custom(self, name: str, kind: Callable[[], Group]) -> Address:
        def build() -> Group:
            group = kind()
            house = self._hub.address
            group.furnish(name, self._facade, house, self._members(name))
            if group.chooses:
                self._choosy[name] = None
            return group

        return self._hub.spawn(build, restart=Restart())

    def _members(self, name: str) -> Members:
        """Give who is in a group: connections, and servers that listen to it."""
        return (*_outlets(self.roster.members(name)), *self.listeners.of(name))


def _outlets(entries: Iterable[Entry]) -> Members:
    return tuple((entry.connection_id, entry.outlet) for entry in entries)
