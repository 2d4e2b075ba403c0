"""One group whose states are watched here: subscribers, and peers that are asked.

A part of ``state_watch``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.link_calls import Ask
from hubbub.actors.messages.states import ListStates, StateMatter, StatePage
from hubbub.actors.policy.remote_states import RemoteStates

if TYPE_CHECKING:
    from hubbub.actors.directory import LinkRef
    from hubbub.actors.messages import commands, pushes
    from hubbub.actors.runtime.address import Ref


class Watcher:
    """One subscription."""

    __slots__ = ("acknowledged", "connection_id", "group", "outlet", "told")

    def __init__(
        self, connection_id: str, group: str, outlet: Ref[pushes.Push]
    ) -> None:
        self.connection_id = connection_id
        self.group = group
        self.outlet = outlet
        self.acknowledged = False
        self.told = False
        """Whether it has its snapshot."""


class Known(StateMatter, frozen=True, gc=False):
    """The peers know of a subscription, a message of the hub to itself."""

    watcher: Watcher
    receipt: commands.Receipt | None


class Listed(StateMatter, frozen=True, gc=False):
    """A peer has said what is said in a group, or does not; to oneself."""

    link: Any
    group: str
    number: int
    answer: StatePage | commands.Unavailable


class WatchedGroup:
    """A group that somebody here watches.

    Args:
        hub: The hub's name.
        name: The group's name.
        address: The hub itself.
    """

    __slots__ = ("_address", "_asked", "_hub", "_late", "_name", "remote", "watchers")

    def __init__(self, hub: str, name: str, address: Ref[StateMatter]) -> None:
        self._hub = hub
        self._name = name
        self._address = address
        self._asked: dict[LinkRef, int] = {}
        """Peers that have not said all yet, and the number of the question."""
        self._late: dict[LinkRef, None] = {}
        """Those of them that nobody waits for any more."""
        self.watchers: dict[str, Watcher] = {}
        self.remote: RemoteStates[LinkRef | None] = RemoteStates()

    @property
    def waits(self) -> bool:
        """Whether a snapshot would lack what a peer has yet to say."""
        return any(link not in self._late for link in self._asked)

    def ask(self, link: LinkRef, number: int, after: str = "") -> None:
        """Ask a peer what is said there, under a number that no question had."""
        self._asked[link] = number
        listing = _Listing(self._address, link, self._name, number)
        link.post(Ask(self._hub, ListStates(self._name, after), listing))

    def asks(self, listed: Listed) -> bool:
        """Tell whether this answers the question that a peer has not answered."""
        return self._asked.get(listed.link) == listed.number

    def excuse(self, link: LinkRef) -> bool:
        """Wait no more for a peer that does not answer; False if nobody did."""
        news = link not in self._late
        self._late[link] = None
        return news

    def done(self, link: LinkRef) -> bool:
        """Have nothing to ask of a peer any more; False if there was nothing."""
        self._late.pop(link, None)
        return self._asked.pop(link, None) is not None


class _Listing:
    """Takes a peer's answer to the hub; a reference."""

    def __init__(
        self, hub: Ref[Listed], link: LinkRef, group: str, number: int
    ) -> None:
        self._hub = hub
        self._link = link
        self._group = group
        self._number = number

    def post(self, answer: StatePage | commands.Unavailable, /) -> None:
        self._hub.post(Listed(self._link, self._group, self._number, answer))
