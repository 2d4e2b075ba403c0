"""Sessions that move in: their client has come here, or their gateway ends.

A part of the hub: it runs in the hub's turns (``moves`` has the whole story).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from hubbub.actors.draining import Stayed
from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import commands, events, internal, moving, returning
from hubbub.actors.migration import Immigrant
from hubbub.actors.move import Move, Overdue, Told, mail_of, pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.directory import LinkRef
    from hubbub.actors.membership import Membership
    from hubbub.actors.messages.sessions import Session
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.ports import Door, NumberingCodec

logger = logging.getLogger(__name__)


class Ways(NamedTuple):
    """What a session moves in with.

    Args:
        spawn: Starts its connection.
        codec: Gives the codec of a reliable subprotocol by name.
        deliver: Gives an event to the upstream.
    """

    spawn: Callable[[events.Client, Immigrant], object]
    codec: Callable[[str], NumberingCodec | None]
    deliver: Callable[[events.Event], None]


class Arrival(Move):
    """A session that moves in; its client stands at the door, or is yet to come."""

    door: Door | None = None
    groups: tuple[str, ...] = ()
    entry: Entry | None = None
    session: Session | None = None

    def turn_away(self) -> None:
        """Have the client try again; it does so each second."""
        if self.door is not None:
            self.door.reject(503, "Try again: the session is moving.")
            self.door = None

    def lose(self, reason: str) -> None:
        """Tell the client that its session cannot be recovered."""
        if self.door is not None:
            self.door.lose(reason)
            self.door = None


class Arrivals:
    """The sessions of one hub that move in.

    Args:
        hub: The actor whose turns these are.
        name: Its name.
        links: The live peers.
        membership: Who is here.
        ways: What a session moves in with.
        holder: Gives the way to the gateway that has a session.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        links: dict[str, LinkRef],
        membership: Membership,
        ways: Ways,
        holder: Callable[[str], LinkRef | None],
    ) -> None:
        self._hub = hub
        self._name = name
        self._ways = ways
        self._holder = holder
        self.refusing = False
        """Whether nothing may move in, because this hub drains."""
        self._links = links
        self._membership = membership
        self.all: dict[str, Arrival] = {}
        """By connection id; read only."""

    def begin(self, name: str, link: LinkRef, door: Door | None) -> None:
        """Ask a gateway for a session; without a door, its client is yet to come."""
        number = self._hub.dispatcher.random.getrandbits(53)
        arrival = self.all[name] = Arrival(self._hub, name, link, number)
        arrival.door = door
        link.post(Ask(self._name, moving.Fetch(name, number), arrival))

    def told(self, told: Told) -> None:
        """Hear whether the other gateway has the session."""
        name, value = told.connection_id, told.value
        arrival = self.all.get(name)
        if arrival is None or arrival.begun:
            return
        if isinstance(value, moving.Offered):
            codec = self._ways.codec(value.client.subprotocol or "")
            if codec is not None:
                arrival.groups = value.groups
                self._ways.spawn(
                    value.client, Immigrant(value.client, codec, value.groups)
                )
                return
        del self.all[name]
        if isinstance(value, commands.Unavailable):
            again = arrival.link in self._links.values()  # it was only late
        elif value is False:
            again = self._holder(name) is not arrival.link  # it has moved meanwhile
        else:
            again = True
        if again:
            arrival.turn_away()
        else:
            arrival.lose("Its gateway does not have this session any more.")

    def entered(self, entry: Entry) -> None:
        """Draw our line, now that all that the session wants is wanted here."""
        arrival = self.all.get(entry.connection_id)
        if arrival is None:
            # It was given up while its connection began.
            reason = "the session did not arrive"
            entry.connection.post(internal.End(1012, reason, reason, reason))
            return
        arrival.entry = entry
        arrival.begin(self._links.values())
        asked = moving.Moving(
            self._name, entry.connection_id, arrival.number, tuple(self._links)
        )
        for link in self._links.values():
            link.post(asked)
        self._go_on(arrival)

    def is_deaf(self, arrival: Arrival, origin: LinkRef | None) -> bool:
        """Tell whether what an origin publishes now is the old gateway's to deliver.

        An origin that nobody asked for a line publishes to us once the old is done.
        """
        if origin in arrival.passed:
            return False
        return arrival.session is None or arrival.waits_for(origin)

    def saw(self, said: moving.Passed, link: LinkRef) -> None:
        """See a gateway's line."""
        arrival = self.all.get(said.connection_id)
        if arrival is not None and arrival.number == said.number:
            arrival.saw(link)
            self._go_on(arrival)

    def handed(self, handed: moving.Handed) -> None:
        """Take all of a session."""
        arrival = self.all.get(handed.connection_id)
        if arrival is None or arrival.number != handed.number:
            self._mourn(handed.session)
        elif handed.session is None:
            self._give_up(arrival, "The session has just ended.")
        else:
            arrival.session = handed.session
            self._go_on(arrival)

    def _go_on(self, arrival: Arrival) -> None:
        """Let a session go on here, once all of it is here."""
        entry, session, door = arrival.entry, arrival.session, arrival.door
        if entry is None or session is None or not arrival.clear:
            return
        name, membership = arrival.connection_id, self._membership
        del self.all[name]
        if membership.roster.connections.get(name) is not entry:
            arrival.lose("The session has just ended.")
            self._mourn(session)
            return
        for group in session.groups:
            if group not in arrival.groups:
                membership.join(entry, group, quiet=True)
        for group in arrival.groups:
            if group not in session.groups:
                membership.leave(entry, group, quiet=True)
        mail_of(entry).deaf = False
        entry.connection.post(returning.Settle(session))
        membership.states.adopt(name, entry.user_id, entry.outlet, session.states)
        if self.refusing:
            self._hub.address.post(Stayed(name))
        if door is not None:
            entry.connection.post(returning.Recover(self._name, name, door))

    def gone(self, connection_id: str) -> None:
        """Let no client wait for a session that ends before it is here."""
        arrival = self.all.pop(connection_id, None)
        if arrival is not None:
            arrival.lose("The session has just ended.")

    def lost(self, link: LinkRef) -> None:
        """Wait no more for a gateway that is gone."""
        for arrival in tuple(self.all.values()):
            arrival.forget(link)
            if arrival.link is link and arrival.session is None and arrival.begun:
                self._give_up(arrival, "Its gateway is gone.")
            else:
                self._go_on(arrival)

    def cut_off(self, link: LinkRef) -> None:
        """Let no client wait for a gateway that has most likely died."""
        for arrival in tuple(self.all.values()):
            if arrival.link is link and arrival.session is None:
                self._give_up(arrival, "Its gateway does not answer.")

    def overdue(self, overdue: Overdue) -> None:
        """Have a client try again, and give up what has not arrived in time."""
        arrival = pending(self.all, overdue)
        if arrival is None:
            return
        arrival.turn_away()
        if overdue.last:
            self._give_up(arrival, "It did not arrive in time.")

    def _mourn(self, session: Session | None) -> None:
        """Tell the handlers of the end of a session that came too late."""
        if session is not None:
            logger.warning("hub %s: a session came too late, and is lost", self._name)
            reason = "The session was lost on its way to another gateway."
            self._ways.deliver(
                events.Disconnected(session.client, session.event_id, reason)
            )

    def _give_up(self, arrival: Arrival, reason: str) -> None:
        self.all.pop(arrival.connection_id, None)
        arrival.lose(reason)
        if arrival.entry is not None:
            arrival.entry.connection.post(internal.End(1012, reason, reason, reason))
