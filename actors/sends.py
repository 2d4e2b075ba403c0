"""How a hub carries out a publication: to a group, to a few, or through a filter.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.messages import commands, internal, pushes, servers
from hubbub.actors.policy.roster import Entry
from hubbub.actors.runtime.parcel import Parcel

if TYPE_CHECKING:
    from hubbub.actors.membership import Membership
    from hubbub.actors.runtime.actor import LoopActor

logger = logging.getLogger(__name__)

SLICE = 500
"""Connections that a filtered send looks at before others get a turn."""


class Sift(msgspec.Struct, frozen=True):
    """The rest of a filtered send, a message of the hub to itself."""

    publish: commands.Publish
    parcel: Parcel
    entries: Sequence[Entry]
    start: int


class Sends:
    """Publishes to the connections of one hub, in order.

    Args:
        hub: The actor that takes the turns.
        membership: Who is in which group.
    """

    def __init__(self, hub: LoopActor, membership: Membership) -> None:
        self._hub = hub
        self._membership = membership
        self._roster = membership.roster
        self.whole = False
        """Whether a filtered send is not to be sliced."""
        self.sifting = False
        """Whether a filtered send is under way; what comes then must wait."""

    def publish(self, publish: commands.Publish) -> None:
        """Deliver a publication here, and give it to peers that want it."""
        membership = self._membership
        if membership.abroad.links:
            membership.abroad.relay(publish)
        self.deliver(publish)

    def deliver(self, publish: commands.Publish) -> None:
        """Deliver to those who are here."""
        membership = self._membership
        if membership.overheard is not None:
            self._let_hear(publish)
        if publish.where is not None:
            entries = tuple(self._roster.find(publish.target))
            self.sift(Sift(publish, Parcel(_push(publish)), entries, 0))
            return
        match publish.target:
            case commands.ToGroup(name=name):
                group = membership.groups.get(name)
            case commands.Everyone():
                group = membership.everyone
            case _:
                self._give(publish)
                return
        if group is not None:
            group.post(
                internal.Deliver(_push(publish), publish.exclude, publish.receipt)
            )
        elif publish.receipt is not None:
            publish.receipt.pay()

    def sift(self, sift: Sift) -> None:
        """Deliver to those of a slice that pass the filter, then to the next slice.

        What is published meanwhile waits, so that sends arrive in their order.
        """
        publish, end = sift.publish, sift.start + SLICE
        if self.whole:
            end = len(sift.entries)
        self._hub.dispatcher.settle()
        if not sift.start:
            self._give_listeners(publish, sift.parcel)
        try:
            for entry in sift.entries[sift.start : end]:
                if self._passes(entry, publish):
                    sift.parcel.give(entry.outlet)
        except Exception:
            # A filter that raises fails its own send, not the hub.
            logger.exception("a filtered send failed")
            end = len(sift.entries)
        self.sifting = end < len(sift.entries)
        if self.sifting:
            self._hub.address.post(Sift(publish, sift.parcel, sift.entries, end))
        elif publish.receipt is not None:
            publish.receipt.pay()

    def _give(self, publish: commands.Publish) -> None:
        """Deliver directly, behind what groups still hold."""
        self._hub.dispatcher.settle()
        parcel = Parcel(_push(publish))
        for entry in self._roster.find(publish.target):
            if entry.connection_id not in publish.exclude:
                parcel.give(entry.outlet)
        if publish.receipt is not None:
            publish.receipt.pay()

    def _give_listeners(self, publish: commands.Publish, parcel: Parcel) -> None:
        """Let servers that listen to a group have it: filters are over connections."""
        if isinstance(publish.target, commands.ToGroup):
            for server_id, outlet in self._membership.listeners.of(publish.target.name):
                if server_id not in publish.exclude:
                    parcel.give(outlet)

    def _let_hear(self, publish: commands.Publish) -> None:
        heard = servers.Overheard(
            publish.target, publish.from_user, publish.payload, publish.metadata
        )
        overheard = self._membership.overheard
        if overheard is not None:
            overheard.post(internal.Deliver(heard, publish.exclude))

    def _passes(self, entry: Entry, publish: commands.Publish) -> bool:
        return (
            entry.connection_id in self._roster.connections
            and entry.connection_id not in publish.exclude
            and (publish.where is None or publish.where(entry))
        )


def _push(publish: commands.Publish) -> pushes.GroupMessage | pushes.ServerMessage:
    """Make what a client hears: from a group, or from the server."""
    target = publish.target
    if type(target) is commands.ToGroup:
        return pushes.GroupMessage(
            target.name,
            publish.from_user,
            publish.payload,
            publish.metadata,
            publish.ttl,
            publish.stream,
        )
    return pushes.ServerMessage(publish.payload, publish.metadata, publish.ttl)
