"""What is said in one group at other gateways, as subscribers here are shown it. Pure.

Who said something is a value; what it stands for is the owner's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hubbub.actors.messages.pushes import StateItem

S = TypeVar("S")


class _Said(NamedTuple, Generic[S]):
    source: S
    heard: int
    """When it changed, by its source's clock."""
    shown: StateItem


class RemoteStates(Generic[S]):
    """States by connection, each from one source.

    Clocks of gateways differ, and clients want times that grow: what would be shown
    with an older time than before is shown a millisecond later than that.
    """

    __slots__ = ("_floor", "_said")

    def __init__(self) -> None:
        self._said: dict[str, _Said[S]] = {}
        self._floor = 0

    def __iter__(self) -> Iterator[StateItem]:
        """Give what is said now."""
        return (said.shown for said in self._said.values())

    def since(self, connection_id: str) -> int:
        """Give the time that anything new of a connection must exceed."""
        said = self._said.get(connection_id)
        return self._floor if said is None else said.shown.updated_at

    def hear(self, source: S, items: Iterable[StateItem]) -> list[StateItem]:
        """Take what a source says; gives what is news, as it is to be shown.

        What another source said of the same connection counts no more, if it is older:
        the connection has moved.
        """
        news = []
        for item in items:
            said = self._said.get(item.connection_id)
            if said is None:
                if item.state is None:
                    continue
            elif item.updated_at <= said.heard:
                continue
            news.append(self._show(source, item))
        return news

    def keep(self, source: S, item: StateItem) -> None:
        """Go on with what is shown already, as that of a source."""
        self._said[item.connection_id] = _Said(source, item.updated_at, item)

    def lose(self, source: S, connection_id: str | None = None) -> list[StateItem]:
        """Forget a source, or what it says of one connection; gives what is cleared."""
        lost = [
            said.shown
            for said in self._said.values()
            if said.source == source
            and connection_id in {None, said.shown.connection_id}
        ]
        return [
            self._show(source, msgspec.structs.replace(item, state=None))
            for item in lost
        ]

    def forget(self, connection_id: str) -> None:
        """Forget a connection that is here now."""
        self._said.pop(connection_id, None)

    def _show(self, source: S, item: StateItem) -> StateItem:
        name, heard = item.connection_id, item.updated_at
        shown = item
        if heard <= (since := self.since(name)):
            shown = msgspec.structs.replace(item, updated_at=since + 1)
        if item.state is None:
            self._said.pop(name, None)
            self._floor = max(self._floor, shown.updated_at)
        else:
            self._said[name] = _Said(source, heard, shown)
        return shown
