"""Sessions that move out: their client has come to another gateway, or we end.

A part of the hub: it runs in the hub's turns (``moves`` has the whole story).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.draining import Stayed
from hubbub.actors.messages import events, internal, moving, peers, returning
from hubbub.actors.move import Move, Overdue, pending
from hubbub.actors.reliable_outlet import ReliableOutlet

if TYPE_CHECKING:
    from hubbub.actors.directory import LinkRef
    from hubbub.actors.membership import Membership
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref

logger = logging.getLogger(__name__)

MOST_MOVED: Final = 32 << 20
"""Bytes of a session that can move; links end at messages of 64 MiB."""

MOST_MESSAGES: Final = 50_000
"""Messages of a session that can move; a packet has a bounded number of values."""


class Departure(Move):
    """A session that moves out; the other gateway's call is open until it is ready."""

    answer: Ref[peers.Value] | None = None
    exporting = False


class Departures:
    """The sessions of one hub that move out.

    Args:
        hub: The actor whose turns these are.
        name: Its name.
        links: The live peers.
        membership: Who is here.
    """

    def __init__(
        self,
        hub: LoopActor,
        name: str,
        links: dict[str, LinkRef],
        membership: Membership,
    ) -> None:
        self._hub = hub
        self._name = name
        self._links = links
        self._membership = membership
        self._entries = membership.roster.connections
        self.all: dict[str, Departure] = {}
        """By connection id; read only."""

    def begin(self, fetched: returning.Fetched) -> None:
        """Have a session get ready to move, for a gateway that asks for it."""
        connection_id, answer = fetched.connection_id, fetched.answer
        entry = self._entries.get(connection_id)
        if connection_id in self.all:
            answer.post(peers.Declined("The session is moving already."))
        elif entry is None or not isinstance(entry.outlet, ReliableOutlet):
            answer.post(False)
        elif entry.outlet.size > MOST_MOVED or entry.outlet.count > MOST_MESSAGES:
            answer.post(peers.Declined("Too much is kept for the session to move."))
        else:
            departure = Departure(
                self._hub, connection_id, fetched.link, fetched.number
            )
            departure.answer = answer
            self.all[connection_id] = departure
            entry.connection.post(returning.Surrender())

    def ready(self, connection_id: str) -> None:
        """Tell the other gateway what it must want for the session."""
        entry = self._entries.get(connection_id)
        departure = self.all.get(connection_id)
        if departure is None or entry is None or departure.answer is None:
            return
        answer, departure.answer = departure.answer, None
        client = events.Client(
            self._name, connection_id, entry.user_id, entry.outlet.subprotocol
        )
        answer.post(moving.Offered(client, tuple(entry.groups)))

    def drew(self, said: moving.Moving, link: LinkRef) -> None:
        """Draw our line; the other gateway has drawn its own."""
        departure = self.all.get(said.connection_id)
        if departure is None or departure.number != said.number:
            return
        # Only of those that were asked a line will come.
        asked = (self._links.get(gateway) for gateway in said.asked)
        departure.saw(link)
        departure.begin(one for one in asked if one is not None)
        self._go_on(departure)

    def saw(self, said: moving.Passed, link: LinkRef) -> None:
        """See a gateway's line."""
        departure = self.all.get(said.connection_id)
        if departure is not None and departure.number == said.number:
            departure.saw(link)
            self._go_on(departure)

    def _go_on(self, departure: Departure) -> None:
        entry = self._entries.get(departure.connection_id)
        if entry is not None and departure.clear and not departure.exporting:
            departure.exporting = True
            entry.connection.post(returning.Export(tuple(entry.groups)))

    def exported(self, exported: returning.Exported) -> None:
        """Send a session on its way, and forget it."""
        name = exported.connection_id
        departure = self.all.pop(name, None)
        if departure is None or departure.link not in self._links.values():
            logger.warning("hub %s: a session is lost, as is where it went", self._name)
            self._membership.remove(name, quiet=True)
            return
        states = self._membership.states.export(name)
        self._membership.remove(name, quiet=True)
        session = msgspec.structs.replace(exported.session, states=states)
        departure.link.post(moving.Handed(self._name, name, departure.number, session))

    def gone(self, connection_id: str) -> None:
        """Let nobody wait for a session that ends here."""
        departure = self.all.pop(connection_id, None)
        if departure is None:
            return
        if departure.answer is not None:
            departure.answer.post(False)
        else:
            nothing = moving.Handed(self._name, connection_id, departure.number, None)
            departure.link.post(nothing)

    def lost(self, link: LinkRef) -> None:
        """Wait no more for a gateway that is gone."""
        for departure in tuple(self.all.values()):
            departure.forget(link)
            if departure.link is link:
                self._strand(departure)
            else:
                self._go_on(departure)

    def overdue(self, overdue: Overdue) -> None:
        """Give up what has not begun in time, or not come to an end."""
        departure = pending(self.all, overdue)
        if departure is not None and (overdue.last or not departure.begun):
            self._strand(departure)

    def _strand(self, departure: Departure) -> None:
        """Keep a session that does not move after all, unless its lines are drawn.

        Then some of what was published is elsewhere, and it must end.
        """
        name = departure.connection_id
        entry = self._entries.get(name)
        del self.all[name]
        if departure.answer is not None:
            departure.answer.post(peers.Declined("The session is not ready."))
        if entry is None:
            return
        if not departure.begun:
            entry.connection.post(returning.Stay())
            self._hub.address.post(Stayed(name))
            return
        logger.warning("hub %s: a session could not move", self._name)
        cause = "the session could not move to another gateway"
        entry.connection.post(internal.End(1012, cause, cause, cause))
