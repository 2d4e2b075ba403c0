"""The actors of a hub's groups: each of the class that its name calls for.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from hubbub.actors.facade import HubFacade
from hubbub.actors.group import Group
from hubbub.actors.policy.routes import group_matcher
from hubbub.actors.runtime.ports import Outlet
from hubbub.actors.runtime.supervision import Restart

if TYPE_CHECKING:
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address

Members: TypeAlias = tuple[tuple[str, Outlet], ...]


class GroupSpec(msgspec.Struct, frozen=True):
    """Which class serves the groups whose name fits a pattern.

    Args:
        pattern: A pattern of group names, ``*`` for all.
        kind: Builds a group: a class of an author's, without arguments.
    """

    pattern: str
    kind: Callable[[], Group]


class GroupActors:
    """The groups that have members, or servers that listen.

    Args:
        hub: The actor whose children they are.
        name: The hub's name.
        specs: The classes of groups; the first whose pattern fits counts.
        members: Gives who is in a group: it is filled with them when it starts.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        specs: tuple[GroupSpec, ...],
        members: Callable[[str], Members],
    ) -> None:
        self.specs = specs
        self.all: dict[str, Address] = {}
        """By name; read only."""
        self._hub = hub
        self._facade = HubFacade(name, hub.address)
        self._members = members
        self._choosy: dict[str, None] = {}

    def get(self, name: str) -> Address:
        """Give a group, started if need be."""
        group = self.all.get(name)
        if group is None:
            group = self.all[name] = self._start(name)
        return group

    def chooses(self, name: str) -> bool:
        """Tell whether a group decides itself on its members."""
        return name in self._choosy

    def end(self, name: str) -> None:
        """End a group that nobody needs any more."""
        self._choosy.pop(name, None)
        self.all.pop(name).end()

    def start_plain(self, name: str, members: Callable[[], Members]) -> Address:
        """Start a group; when it fails, it starts again with whom the roster knows."""
        return self._hub.spawn(lambda: Group(members(), name), restart=Restart())

    def _start(self, name: str) -> Address:
        """Start a group of the class that is configured for its name."""
        for spec in self.specs:
            if group_matcher(spec.pattern)(name):
                return self._start_custom(name, spec.kind)
        return self.start_plain(name, lambda: self._members(name))

    def _start_custom(self, name: str, kind: Callable[[], Group]) -> Address:
        def build() -> Group:
            group = kind()
            house = self._hub.address
            group.furnish(name, self._facade, house, self._members(name))
            if group.chooses:
                self._choosy[name] = None
            return group

        return self._hub.spawn(build, restart=Restart())
