"""What a hub and the hubs of its name at other gateways have to do with each other.

A part of the hub: it runs in the hub's turns. It tells peers what is wanted here, gives
them the publications that they want, and has them carry out their share of a command.
Without live peers it has nothing to do, and costs a look at an empty table.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.gather import Both, receipt_into
from hubbub.actors.link_mail import Announce, Introduced
from hubbub.actors.messages import commands, internal, peers, states
from hubbub.actors.policy.filter import Filter
from hubbub.actors.policy.interest import EVERYONE, OVERHEARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hubbub.actors.directory import Directory, LinkRef
    from hubbub.actors.membership import Membership
    from hubbub.actors.runtime.address import Ref

logger = logging.getLogger(__name__)

KEYS_AT_ONCE: Final = 1000
"""Keys in one message to a peer that has just come."""


_NOWHERE: Final = object()


class _Spreading:
    """Counts the peers that do not know of a key yet; takes their receipts."""

    __slots__ = ("_left", "_table", "key", "waiting")

    def __init__(
        self, key: peers.Key, left: int, table: dict[peers.Key, _Spreading]
    ) -> None:
        self.key = key
        self._left = left
        self._table = table
        self.waiting: list[commands.Receipt] = []

    def post(self, known: object, /) -> None:
        del known
        self._left -= 1
        if self._left:
            return
        if self._table.get(self.key) is self:
            del self._table[self.key]
        for receipt in self.waiting:
            receipt.pay()


class _Countdown:
    """Tells a connection that peers know of all it wants; a reference for receipts."""

    __slots__ = ("_connection", "_left")

    def __init__(self, connection: Ref[internal.Expected], left: int) -> None:
        self._connection = connection
        self._left = left

    def post(self, known: object, /) -> None:
        del known
        self._left -= 1
        if not self._left:
            self._connection.post(internal.Expected())


class Abroad:
    """The peers of one hub.

    Args:
        hub: Its name.
        directory: The links, and what peers want.
        membership: Who is here.
    """

    def __init__(self, hub: str, directory: Directory, membership: Membership) -> None:
        self._hub = hub
        self._membership = membership
        self._owner = directory.owner
        self.links = directory.links
        """Live peers by gateway id; read only."""
        self.wanted = directory.interest(hub)
        """What peers want; read only."""
        self._spreading: dict[peers.Key, _Spreading] = {}
        self._expected: dict[Ref[internal.Expected], tuple[peers.Key, ...]] = {}
        self._expected_keys: Counter[peers.Key] = Counter()
        self._complained = False
        self._moved: dict[peers.Key, None] = {}

    # What is wanted here.

    def has(self, connection_id: str) -> bool:
        """Tell whether a connection is here."""
        return connection_id in self._membership.roster.connections

    def moved_in(self, connection_id: str) -> None:
        """Tell peers that a connection is here whose id names another gateway."""
        key = commands.ToConnection(connection_id)
        self.raises(key)
        self._moved[key] = None

    def moved_out(self, connection_id: str) -> None:
        """Tell peers that it is here no more; harmless when it never was."""
        key = commands.ToConnection(connection_id)
        if self._moved.pop(key, _NOWHERE) is None:
            self.lowers(key)

    def raises(self, key: peers.Key) -> None:
        """Tell peers that something is wanted here, unless it was before.

        To be called before it is entered where ``wants`` looks.
        """
        if self.links and not self._wants(key):
            self._spread(key)

    def lowers(self, key: peers.Key) -> None:
        """Tell peers that something may be wanted no more; called afterwards."""
        if self.links and not self._wants(key):
            self._spreading.pop(key, None)
            for link in self.links.values():
                link.post(peers.Interest(self._hub, key, present=False))

    def held(
        self, key: peers.Key, receipt: commands.Receipt | None
    ) -> commands.Receipt | None:
        """Let a receipt wait, besides its own condition, until peers know of a key."""
        spreading = self._spreading.get(key)
        if receipt is None or spreading is None:
            return receipt
        both = Both(receipt)
        spreading.waiting.append(receipt_into(both))
        return receipt_into(both)

    def expect(self, expect: internal.Expect) -> None:
        """Tell peers of a connection before it is accepted, then let it come."""
        user, groups = expect.user_id, dict.fromkeys(expect.groups)
        keys: tuple[peers.Key, ...] = (EVERYONE, *map(commands.ToGroup, groups))
        if user:
            keys = (*keys, commands.ToUser(user))
        for key in keys:
            self.raises(key)
        self._expected[expect.connection] = keys
        self._expected_keys.update(keys)
        waiting = [self._spreading[key] for key in keys if key in self._spreading]
        if not waiting:
            expect.connection.post(internal.Expected())
            return
        countdown = _Countdown(expect.connection, len(waiting))
        for spreading in waiting:
            spreading.waiting.append(receipt_into(countdown))

    def arrived(self, connection: Ref[internal.Expected]) -> None:
        """Expect a connection no more: it is here, or will not come."""
        keys = self._expected.pop(connection, ())
        self._expected_keys.subtract(keys)
        for key in keys:
            if not self._expected_keys[key]:
                del self._expected_keys[key]
                self.lowers(key)

    def greet(self, link: LinkRef) -> None:
        """Tell a peer that has just come all that is wanted here."""
        keys = dict.fromkeys(self._all())
        for chunk in _chunks(tuple(keys)):
            link.post(peers.Interests(self._hub, chunk))

    def introduced(self, link: LinkRef) -> None:
        """Tell a link that the hub has said all."""
        link.post(Introduced())

    def begin(self) -> None:
        """Let peers forget what an earlier instance of the hub wanted."""
        for link in self.links.values():
            link.post(peers.Reset(self._hub))

    def _spread(self, key: peers.Key) -> None:
        spreading = _Spreading(key, len(self.links), self._spreading)
        self._spreading[key] = spreading
        interest = peers.Interest(self._hub, key, present=True)
        announce = Announce(interest, commands.Receipt(spreading, None))
        for link in self.links.values():
            link.post(announce)

    def _wants(self, key: peers.Key) -> bool:
        if key in self._expected_keys:
            return True
        membership = self._membership
        match key:
            case commands.ToGroup(name=name):
                here = membership.roster.members(name) or membership.listeners.of(name)
                return bool(here)
            case peers.Overheard():
                return membership.overheard is not None
            case states.StateOf(group=group):
                return group in membership.states.watched
            case commands.ToConnection():
                return key in self._moved
            case _:
                return bool(membership.roster.find(key))

    def _all(self) -> Iterator[peers.Key]:
        membership = self._membership
        roster = membership.roster
        if roster.connections:
            yield EVERYONE
        if membership.overheard is not None:
            yield OVERHEARD
        yield from map(commands.ToGroup, membership.groups)
        yield from map(commands.ToUser, roster.users())
        yield from map(states.StateOf, membership.states.watched)
        yield from self._moved
        yield from self._expected_keys

    # Publications.

    def relay(self, publish: commands.Publish) -> None:
        """Give a publication to the peers that want it."""
        target = publish.target
        links = self.wanted.relays(target)
        if type(target) is commands.ToConnection:
            owner = self._owner(target.connection_id)
            if owner is not None and owner not in links:
                links = (*links, owner)
        if not links or not self.can_cross(publish.where):
            return
        if publish.receipt is not None:
            publish = msgspec.structs.replace(publish, receipt=None)
        relay = peers.Relay(self._hub, publish)
        for link in links:
            link.post(relay)

    def can_cross(self, where: commands.Where | None) -> bool:
        """Tell whether a filter is a text that a peer can read."""
        if where is None or isinstance(where, Filter):
            return True
        if not self._complained:
            self._complained = True
            logger.error(
                "hub %s: a filter that is a function reaches the connections of this "
                "gateway alone; give it as a text",
                self._hub,
            )
        return False


def _chunks(keys: tuple[peers.Key, ...]) -> Iterable[tuple[peers.Key, ...]]:
    return (
        keys[start : start + KEYS_AT_ONCE]
        for start in range(0, len(keys), KEYS_AT_ONCE)
    )
