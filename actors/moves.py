"""Sessions that move to another gateway, because their client comes back there.

A part of the hub: it runs in the hub's turns. Nothing is lost or doubled on the way,
although everybody publishes to both gateways meanwhile: each gateway draws a line in
what it publishes (``Passed``, sent to all at one moment). Before the line it is the old
gateway's to deliver, behind it the new one's; links keep order, so both see the line
where it was drawn (docs/decisions, reliable sessions).

    new                         old                        any other
     | --- Fetch --------------> |  reads no more
     | <-- Offered ------------- |
     |  wants what it wants      |
     | --- Moving -------------> | --------------------------> |
     | <-- Passed -------------- | <-- Passed ---------------- |
     | <--------------------------------------- Passed ------- |
     | <-- Handed -------------- |  has seen all lines
     |  has seen all lines: the session is here
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, assert_never

from hubbub.actors.arrivals import Arrivals
from hubbub.actors.departures import Departures
from hubbub.actors.messages import commands, internal, moving, peers, returning
from hubbub.actors.move import OURS, PATIENCE, Overdue, Told, mail_of
from hubbub.actors.parking import Parking

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.arrivals import Ways
    from hubbub.actors.directory import Directory, LinkRef
    from hubbub.actors.membership import Membership
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.sends import Sends


class Moves:
    """The sessions of one hub whose client comes back, here or elsewhere.

    Args:
        hub: The actor whose turns these are.
        name: Its name.
        directory: The links.
        membership: Who is here.
        sends: Publishes.
        ways: What a session moves in with.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        directory: Directory,
        membership: Membership,
        sends: Sends,
        ways: Ways,
    ) -> None:
        self._hub = hub
        self._name = name
        self._directory = directory
        self._links = links = directory.links
        self._membership = membership
        self._entries = membership.roster.connections
        self._sends = sends
        self._arrivals = Arrivals(hub, name, links, membership, ways, self._holder)
        self._departures = Departures(hub, name, links, membership)
        self._drawn: deque[tuple[float, moving.Passed]] = deque(maxlen=10_000)
        self._parking = Parking(hub.address, membership.roster, self._moving)

    @property
    def under_way(self) -> bool:
        """Whether anything moves: then what is published has to go ``around``."""
        return bool(self._arrivals.all or self._departures.all)

    def _moving(self) -> dict[str, object]:
        return {**self._arrivals.all, **self._departures.all}

    def intercept(self, message: object) -> bool:
        """Take a message that concerns a session that moves; False if it does not."""
        match message:
            case commands.Publish():
                self._around(OURS, message, self._sends.publish)
            case internal.Relayed(command=commands.Publish() as publish, origin=origin):
                self._around(origin, publish, self._sends.deliver)
            case _:
                return self._parking.take(message)
        return True

    def _around(
        self,
        origin: LinkRef | None,
        publish: commands.Publish,
        send: Callable[[commands.Publish], None],
    ) -> None:
        """Publish, for sessions that move only on their side of the origin's line."""
        arrivals, settle = self._arrivals, self._hub.dispatcher.settle
        deaf = [
            (mail_of(arrival.entry), arrivals.is_deaf(arrival, origin))
            for arrival in arrivals.all.values()
            if arrival.entry is not None
        ]
        deaf += [
            (mail_of(self._entries[name]), origin in departure.passed)
            for name, departure in self._departures.all.items()
            if name in self._entries
        ]
        settle()
        before = [outlet.deaf for outlet, _ in deaf]
        for outlet, is_deaf in deaf:
            outlet.deaf = is_deaf or outlet.over
        self._sends.whole = True  # no line may be crossed between two slices
        send(publish)
        self._sends.whole = False
        settle()
        for (outlet, _), was_deaf in zip(deaf, before, strict=True):
            outlet.deaf = was_deaf or outlet.over

    def greet(self, link: LinkRef) -> None:
        """Tell a peer that has just come of lines that others may wait for it to see.

        All that is published to it is behind them.
        """
        since = self._hub.dispatcher.now() - PATIENCE
        while self._drawn and self._drawn[0][0] < since:
            self._drawn.popleft()
        for _, passed in self._drawn:
            link.post(passed)

    def hear(self, message: returning.OfMoves) -> None:
        """Take what a door, a connection, a peer or a timer says."""
        self._hear(message)
        self._parking.release()

    def _hear(self, message: returning.OfMoves) -> None:
        match message:
            case returning.Recover():
                self._recover(message)
            case returning.Resumed(connection_id=name):
                self._membership.states.snapshot(name)
            case returning.Ready(connection_id=name):
                self._departures.ready(name)
            case returning.Exported():
                self._departures.exported(message)
            case returning.Fetched(connection_id=name):
                if name in self._arrivals.all:
                    busy = peers.Declined("The session is moving already.")
                    message.answer.post(busy)
                else:
                    self._departures.begin(message)
            case returning.Offered(connection_id=name, link=link, answer=answer):
                answer.post(self._offered(name, link))
            case returning.Migratory(link=link, said=said):
                self._take(link, said)
            case returning.LinkLost(link=link):
                self._departures.lost(link)
                self._arrivals.lost(link)
                self._membership.states.lost(link)
            case returning.Unreachable(link=link):
                self._arrivals.cut_off(link)
            case Told():
                self._arrivals.told(message)
            case Overdue():
                self._arrivals.overdue(message)
                self._departures.overdue(message)
            case _:
                raise AssertionError(f"{type(message).__name__} has no meaning here")

    @property
    def arriving(self) -> bool:
        """Whether a session is on its way to here."""
        return bool(self._arrivals.all)

    def is_leaving(self, connection_id: str) -> bool:
        """Tell whether a session is on its way elsewhere."""
        return connection_id in self._departures.all

    def refuse(self) -> None:
        """Let nothing move in any more: the hub drains."""
        self._arrivals.refusing = True

    def entered(self, entry: Entry) -> None:
        """Note that a session that moves in has its place in the roster."""
        self._arrivals.entered(entry)

    def gone(self, connection_id: str) -> None:
        """Let nobody wait for a session that has ended."""
        self._departures.gone(connection_id)
        self._arrivals.gone(connection_id)
        self._parking.release()

    def _recover(self, recover: returning.Recover) -> None:
        """Give a client its session: one that is here, or that another gateway has."""
        name, door = recover.connection_id, recover.door
        entry, arrival = self._entries.get(name), self._arrivals.all.get(name)
        if arrival is not None:
            arrival.turn_away()
            arrival.door = door
        elif entry is not None:
            entry.connection.post(recover)
        elif (link := self._reachable_holder(name)) is not None:
            self._arrivals.begin(name, link, door)
        else:
            door.lose("No gateway has this session.")

    def _offered(self, connection_id: str, link: LinkRef) -> bool:
        """Take a session whose gateway ends, before its client comes."""
        if connection_id in self._arrivals.all:
            return True
        if self._arrivals.refusing or connection_id in self._entries:
            return False
        self._arrivals.begin(connection_id, link, None)
        return True

    def _holder(self, connection_id: str) -> LinkRef | None:
        """Give the way to the gateway that has a session, or began it."""
        key = commands.ToConnection(connection_id)
        moved = self._membership.abroad.wanted.of(key)
        if moved:
            return moved[-1]  # the others have given it away, and not said so yet
        return self._directory.owner(connection_id)

    def _reachable_holder(self, connection_id: str) -> LinkRef | None:
        link = self._holder(connection_id)
        return None if link in self._directory.unreachable else link

    def _take(self, link: LinkRef, said: moving.Migration) -> None:
        name = said.connection_id
        match said:
            case moving.Moving():
                self._departures.drew(said, link)
                passed = moving.Passed(self._name, name, said.number)
                self._drawn.append((self._hub.dispatcher.now(), passed))
                for other in self._links.values():
                    other.post(passed)
            case moving.Passed():
                self._departures.saw(said, link)
                self._arrivals.saw(said, link)
            case moving.Handed():
                self._arrivals.handed(said)
            case _:
                assert_never(said)
