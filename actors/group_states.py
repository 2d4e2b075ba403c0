"""What connections say of themselves in groups: kept, and told to whom it concerns.

A part of the hub: it runs in the hub's turns. Nothing of it passes through a group: a
state is no message, and who hears it need not be a member (``state_watch``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from hubbub.actors.messages import commands, sessions, states
from hubbub.actors.messages.pushes import StateItem
from hubbub.actors.policy.local_states import LocalStates
from hubbub.actors.state_watch import StateWatch
from hubbub.actors.watched_group import Known, Listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hubbub.actors.abroad import Abroad
    from hubbub.actors.directory import Directory, LinkRef
    from hubbub.actors.messages.payload import State
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.policy.roster import Roster
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref

MOST_GROUPS: Final = 1000
"""Groups in which a connection has a state, and groups that it watches."""

TRANSIT: Final = 15.0
"""Seconds after which a connection that moved away must be somewhere; longer than the
death of the gateway that it moved to stays unnoticed."""


class Flush(states.StateMatter, frozen=True, gc=False):
    """Time to tell what has changed in this round, a message of the hub to itself."""


class Departed(states.StateMatter, frozen=True, gc=False):
    """Time to see whether a connection has arrived elsewhere; to oneself."""

    connection_id: str
    said: tuple[tuple[str, StateItem], ...]


StateMail: TypeAlias = states.ToHub | Known | Listed | Flush | Departed


class GroupStates:
    """The group states of one hub, as far as this gateway has to do with them.

    Args:
        hub: The actor whose turns and timers these are.
        name: The hub's name.
        directory: The links to peers.
        abroad: What peers want, and are told to be wanted here.
        roster: Who is here.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        directory: Directory,
        abroad: Abroad,
        roster: Roster,
    ) -> None:
        self._hub = hub
        self._name = name
        self._abroad = abroad
        self._connections = roster.connections
        self._owner = directory.owner
        self._said = said = LocalStates()
        self._watch = StateWatch(name, hub.address, abroad, said.of, self._later)
        self._fresh: dict[str, dict[str, StateItem]] = {}
        """What peers have not been told."""
        self._last = 0
        self._flushing = False

    @property
    def watched(self) -> Collection[str]:
        """The groups that somebody here watches."""
        return self._watch.groups.keys()

    def take(self, message: StateMail) -> None:
        """Do what a connection wants, or hear from a peer."""
        watch = self._watch
        match message:
            case states.SetState():
                self._set(message)
            case states.WatchState():
                self._subscribe(message)
            case states.UnwatchState():
                self._unsubscribe(message)
            case states.StateHeard(link=link, group=group, items=items):
                watch.hear(link, group, self._elsewhere(group, items))
            case states.StatesAsked(question=question, answer=answer):
                answer.post(self._said.page(question))
            case states.StatesReset(link=link):
                watch.unlinked(link)
            case Known():
                watch.known(message)
            case Listed():
                watch.listed(message)
            case Flush():
                self._flush()
            case Departed():
                self._seek(message)
            case _:
                assert_never(message)

    def greet(self, link: LinkRef) -> None:
        """Ask a peer that has just come what is said with it."""
        self._watch.greet(link)

    def lost(self, link: LinkRef) -> None:
        """Clear what a peer said: it is gone, or begins anew."""
        self._watch.unlinked(link)

    # What becomes of connections.

    def left(self, connection_id: str, group: str) -> None:
        """Clear what a connection says in a group, which it leaves."""
        item = self._said.drop(group, connection_id)
        if item is not None:
            self._clear(group, item)

    def gone(self, connection_id: str) -> None:
        """Forget a connection that has ended."""
        self._watch.forget(connection_id)
        for group in tuple(self._said.groups(connection_id)):
            self.left(connection_id, group)

    def snapshot(self, connection_id: str) -> None:
        """Tell a client that comes back what it may have missed."""
        self._watch.again(connection_id)

    def export(self, connection_id: str) -> sessions.States:
        """Give what a connection that moves takes along, and forget it here.

        Nobody is told: its new gateway speaks of it from now on, and must not be
        contradicted by what is told later.
        """
        self._tell_news()
        said = []
        for group in tuple(self._said.groups(connection_id)):
            item = self._said.drop(group, connection_id)
            if item is not None:
                self._watch.keep(group, item)
                said.append((group, item))
        watched = self._watch.forget(connection_id)
        if said:
            self._hub.after(TRANSIT, Departed(connection_id, tuple(said)))
        return sessions.States(tuple(said), watched)

    def adopt(
        self,
        connection_id: str,
        user_id: str | None,
        outlet: Ref[Push],
        kept: sessions.States,
    ) -> None:
        """Take in what a connection brings along that has moved here.

        It is told anew what is said in the groups that it watches.
        """
        for group, item in kept.own:
            self._last = max(self._last, item.updated_at)
            if item.state is not None:
                self._say(connection_id, user_id, group, item.state)
        for group in kept.watched:
            self._watch.watch(connection_id, outlet, group, None)

    # What connections want.

    def _set(self, wish: states.SetState) -> None:
        name, group, receipt = wish.connection_id, wish.group, wish.receipt
        if name not in self._connections:
            return  # it has ended
        groups = self._said.groups(name)
        if wish.state is None:
            self.left(name, group)
        elif len(groups) < MOST_GROUPS or group in groups:
            self._say(name, wish.user_id, group, wish.state)
        else:
            _refuse(receipt, f"States in more than {MOST_GROUPS} groups.")
            return
        if receipt is not None:
            receipt.pay()

    def _subscribe(self, wish: states.WatchState) -> None:
        name, group, receipt = wish.connection_id, wish.group, wish.receipt
        if name not in self._connections:
            return  # it has ended
        groups = self._watch.of(name)
        if len(groups) < MOST_GROUPS or group in groups:
            self._watch.watch(name, wish.outlet, group, receipt)
        else:
            _refuse(receipt, f"Subscriptions to more than {MOST_GROUPS} groups.")

    def _unsubscribe(self, wish: states.UnwatchState) -> None:
        self._watch.unwatch(wish.connection_id, wish.group)
        if wish.receipt is not None:
            wish.receipt.pay()

    # What is said.

    def _say(
        self, connection_id: str, user_id: str | None, group: str, state: State
    ) -> None:
        time = self._time(group, connection_id)
        item = StateItem(connection_id, user_id, state, time)
        self._watch.settle(group, connection_id)
        self._said.put(group, item)
        self._spread(group, item)

    def _clear(self, group: str, was: StateItem) -> None:
        name = was.connection_id
        time = self._time(group, name)
        self._spread(group, StateItem(name, was.user_id, None, time))

    def _time(self, group: str, connection_id: str) -> int:
        """Give the time of a change: later than any before of its connection."""
        since = max(self._last, self._watch.since(group, connection_id))
        self._last = max(int(self._hub.dispatcher.wall() * 1000), since + 1)
        return self._last

    def _spread(self, group: str, item: StateItem) -> None:
        self._watch.show(group, (item,))
        self._tell_peers(group, item)

    def _tell_peers(self, group: str, item: StateItem) -> None:
        if self._abroad.links:
            self._fresh.setdefault(group, {})[item.connection_id] = item
            self._later()

    def _later(self) -> None:
        """Tell together what changes in one round: many may leave at once."""
        if not self._flushing:
            self._flushing = True
            self._hub.address.post(Flush())

    def _flush(self) -> None:
        self._flushing = False
        self._tell_news()
        self._watch.flush()

    def _tell_news(self) -> None:
        fresh, self._fresh = self._fresh, {}
        for group, items in fresh.items():
            links = self._abroad.wanted.of(states.StateOf(group))
            if links:
                news = states.StateNews(self._name, group, tuple(items.values()))
                for link in links:
                    link.post(news)

    # Connections that are at peers, or on their way.

    def _elsewhere(self, group: str, items: Iterable[StateItem]) -> Iterator[StateItem]:
        """Leave out what an earlier gateway says of a connection that is here."""
        says = self._said.says
        return (item for item in items if not says(group, item.connection_id))

    def _seek(self, departed: Departed) -> None:
        """Clear what a connection said that moved away and got nowhere."""
        name = departed.connection_id
        moved = self._abroad.wanted.of(commands.ToConnection(name))
        if moved or name in self._connections or self._owner(name) is not None:
            return
        for group, item in departed.said:
            time = self._time(group, name)
            self._watch.lose(None, group, name)
            self._tell_peers(group, StateItem(name, item.user_id, None, time))


def _refuse(receipt: commands.Receipt | None, reason: str) -> None:
    if receipt is not None:
        receipt.refuse(reason)
