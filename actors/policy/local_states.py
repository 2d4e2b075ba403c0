"""What connections of this gateway say of themselves, by group. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from hubbub.actors.messages.states import ListStates, StatePage
from hubbub.actors.policy.sizes import size_of_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from hubbub.actors.messages.pushes import StateItem

PAGE_ITEMS: Final = 500
PAGE_BYTES: Final = 128 << 10
"""What a peer is told at once of what is said in a group."""

_NOTHING: Final[dict[str, StateItem]] = {}


class LocalStates:
    """States by group and connection; there is no entry for one that is cleared."""

    __slots__ = ("_by_connection", "_by_group")

    def __init__(self) -> None:
        self._by_group: dict[str, dict[str, StateItem]] = {}
        self._by_connection: dict[str, dict[str, None]] = {}

    def of(self, group: str) -> Collection[StateItem]:
        """Give what is said in a group."""
        return self._by_group.get(group, _NOTHING).values()

    def groups(self, connection_id: str) -> Collection[str]:
        """Give the groups in which a connection says something."""
        return self._by_connection.get(connection_id, ())

    def says(self, group: str, connection_id: str) -> bool:
        """Tell whether a connection says something in a group."""
        return connection_id in self._by_group.get(group, _NOTHING)

    def put(self, group: str, item: StateItem) -> None:
        """Let a connection say something, in place of what it said before."""
        name = item.connection_id
        self._by_group.setdefault(group, {})[name] = item
        self._by_connection.setdefault(name, {})[group] = None

    def drop(self, group: str, connection_id: str) -> StateItem | None:
        """Clear what a connection says in a group; gives what it was."""
        said = self._by_group.get(group, _NOTHING)
        item = said.pop(connection_id, None)
        if item is None:
            return None
        if not said:
            del self._by_group[group]
        groups = self._by_connection[connection_id]
        del groups[group]
        if not groups:
            del self._by_connection[connection_id]
        return item

    def page(self, question: ListStates) -> StatePage:
        """Give what is said in a group, in order of connection id, after a given one.

        By size as well as by number: an answer is one message, whose length is bounded.
        """
        after = question.after
        later = [one for one in self.of(question.group) if one.connection_id > after]
        chosen: list[StateItem] = []
        size = 0
        for item in heapq.nsmallest(PAGE_ITEMS, later, key=_by_connection):
            size += size_of_state(item)
            if chosen and size > PAGE_BYTES:
                break
            chosen.append(item)
        return StatePage(tuple(chosen), more=len(chosen) < len(later))


def _by_connection(item: StateItem) -> str:
    return item.connection_id
