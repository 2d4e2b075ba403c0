"""What the members of groups say of themselves, as a client that subscribed knows it.

Facts from the client protocols reference, section 3.10. A snapshot replaces what was
known; in an update, an item that is not newer than what is known of its connection is
old news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, TypeAlias
from weakref import WeakSet

from hubbub.actors.messages.pushes import (
    GroupStateSnapshot,
    GroupStateUpdate,
    StateItem,
)
from hubbub.sdk.client.inbox import Inbox
from hubbub.sdk.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.sdk.client.protocols import StateNews

_MOST_CLEARED: Final = 1000
"""Connections of a group whose state is gone and whose last word is remembered."""

GroupStateEvent: TypeAlias = GroupStateSnapshot | GroupStateUpdate
"""What a watch gives: everything at once, or what has changed."""


class GroupStateWatch:
    """What the members of one group say of themselves: iterate over its changes.

    The first event is a GroupStateSnapshot, with all there is; GroupStateUpdate follow,
    with what has changed: an item without ``state`` is one that was cleared, or whose
    connection left. Another snapshot replaces all that came before: after a recovery,
    and after a new connection.

    The iterator ends when the group is unsubscribed from or the client closed. It
    raises MessagesLost when it was not read in time, and can be read on: ``items`` is
    right all the same. It raises ClosedError when the client has ended for another
    reason, or a new connection may not subscribe (``__cause__`` says why).

    Args:
        known: What is known of the group.
        most: Events that may wait to be read.
    """

    def __init__(self, known: KnownGroup, most: int) -> None:
        self._known = known
        self._inbox: Inbox[GroupStateEvent] = Inbox(most)

    @property
    def group(self) -> str:
        """The group."""
        return self._known.group

    @property
    def items(self) -> dict[str, StateItem]:
        """What is said now, by connection id."""
        return dict(self._known.items)

    async def next(self, timeout: float | None = None) -> GroupStateEvent:  # noqa: ASYNC109 - shorter for callers than a block
        """Wait for one event.

        Args:
            timeout: Seconds to wait at most; None for no limit.

        Raises:
            MessagesLost: Some were dropped; the next call goes on.
            DeadlineError: None came in time.
            ClosedError: There will be no more.
        """
        return await self._inbox.next(timeout)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> GroupStateEvent:
        return await anext(self._inbox)

    def __repr__(self) -> str:
        return f"<GroupStateWatch {self.group}>"

    def put(self, event: GroupStateEvent) -> None:
        """Tell of an event."""
        self._inbox.put(event)

    def end(self, cause: Exception | None) -> None:
        """Let the reader end."""
        self._inbox.end(cause)


class KnownGroup:
    """What is known of one group, and who reads it."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.items: dict[str, StateItem] = {}
        self.readers: WeakSet[GroupStateWatch] = WeakSet()
        self.subscribed = False
        """Whether the gateway has said yes; only then is it asked again."""
        self._told = False
        self._cleared: dict[str, int] = {}

    def add(self, reader: GroupStateWatch) -> None:
        """Let somebody read; who comes later hears first what is known."""
        if self._told:
            reader.put(GroupStateSnapshot(self.group, tuple(self.items.values())))
        self.readers.add(reader)

    def hear(self, news: StateNews) -> None:
        """Take what the gateway says."""
        if isinstance(news, GroupStateSnapshot):
            self._told = True
            said = (item for item in news.items if item.state is not None)
            self.items = {item.connection_id: item for item in said}
            self._cleared.clear()
            self._tell(GroupStateSnapshot(self.group, tuple(self.items.values())))
        elif fresh := tuple(item for item in news.items if self._is_news(item)):
            self._tell(GroupStateUpdate(self.group, fresh))

    def reset(self) -> None:
        """Know nothing: on a new connection the times may begin anew."""
        self.items.clear()
        self._cleared.clear()
        self._told = False

    def end(self, cause: Exception | None) -> None:
        """Let all readers end."""
        for reader in tuple(self.readers):
            reader.end(cause)

    def _is_news(self, item: StateItem) -> bool:
        """Note an item, unless something newer is known of its connection."""
        name = item.connection_id
        held = self.items.get(name)
        last = self._cleared.get(name, -1) if held is None else held.updated_at
        if item.updated_at <= last:
            return False
        self.items.pop(name, None)
        self._cleared.pop(name, None)
        if item.state is not None:
            self.items[name] = item
        else:
            self._cleared[name] = item.updated_at
            if len(self._cleared) > _MOST_CLEARED:
                del self._cleared[next(iter(self._cleared))]
        return True

    def _tell(self, event: GroupStateEvent) -> None:
        for reader in tuple(self.readers):
            reader.put(event)


class GroupStates:
    """The groups that a client has subscribed to.

    Args:
        most: Events that may wait for each reader.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups: dict[str, KnownGroup] = {}

    def subscribed(self) -> Iterator[KnownGroup]:
        """Give the groups that the gateway has let the client subscribe to."""
        return (known for known in tuple(self._groups.values()) if known.subscribed)

    def open(self, group: str) -> KnownGroup:
        """Take what is said in a group from now on."""
        return self._groups.setdefault(group, KnownGroup(group))

    def watch(self, group: str) -> GroupStateWatch:
        """Make a reader of a group that is open."""
        known = self._groups.get(group)
        if known is None:
            raise ClosedError("the client is closed")
        watch = GroupStateWatch(known, self._most)
        known.add(watch)
        return watch

    def drop(self, group: str, cause: Exception | None = None) -> None:
        """Take it no longer, and let its readers end."""
        known = self._groups.pop(group, None)
        if known is not None:
            known.end(cause)

    def hear(self, news: StateNews) -> None:
        """Take what the gateway says of a group to it."""
        known = self._groups.get(news.group)
        if known is not None:
            known.hear(news)

    def end(self, cause: Exception | None) -> None:
        """Let all readers end."""
        for group in tuple(self._groups):
            self.drop(group, cause)
