"""One hub: routes every command, starts and ends its children.

Knows who is where; does not know what a message looks like on any wire.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.connection import Connection
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.membership import Membership
from hubbub.actors.messages import commands, events, internal, pushes
from hubbub.actors.policy.roster import Entry
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.parcel import Parcel
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.upstream import Configure, Quiesce, Upstream

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address, Ref

logger = logging.getLogger(__name__)

SLICE = 500
"""Connections that a filtered send looks at before others get a turn."""

_DRAINING = internal.End(
    1001, "the gateway is shutting down", "ServiceReload", "ServiceReload"
)


class HubSetup(msgspec.Struct, frozen=True):
    """What a hub is started with: its handlers, and the bound of a client's stash."""

    handlers: tuple[HandlerSpec, ...] = ()
    stash: int = 100


class Sift(msgspec.Struct, frozen=True):
    """The rest of a filtered send, a message to oneself."""

    publish: commands.Publish
    parcel: Parcel
    entries: Sequence[Entry]
    start: int


ToHub: TypeAlias = internal.ToHubActor | HubSetup | Sift | Ended | Restarted


class Hub(LoopActor):
    """Routes commands to groups and connections.

    Args:
        name: The hub's name, lower case.
        setup: Handlers and bounds.
        id_prefix: Begins connection ids: the gateway they live at.
    """

    registered = True

    def __init__(self, name: str, setup: HubSetup, id_prefix: str = "") -> None:
        super().__init__()
        self._name = name
        self._setup = setup
        self._id_prefix = id_prefix
        self._membership = Membership(self, self._wants_presence)
        self._roster = self._membership.roster
        self._upstream = self.spawn(
            lambda: Upstream(name, self._setup.handlers, self.address),
            restart=Restart(),
        )
        self._drained: Ref[bool] | None = None
        self._connections: dict[Address, None] = {}
        self._sifting = False
        self._behind: deque[commands.Publish | commands.Close] = deque()

    def on_receive(self, message: ToHub) -> None:
        """Carry out a command, or hear from a child."""
        match message:
            case commands.Publish():
                self._publish(message)
            case internal.Admit():
                self._admit(message)
            case internal.Enter():
                self._enter(message)
            case internal.Gone(connection_id=connection_id, connection=connection):
                self._remove(connection_id)
                connection.post(internal.Farewell())
            case commands.AddToGroup() | commands.RemoveFromGroup():
                self._change(message)
            case commands.AddAllToGroups() | commands.RemoveAllFromGroups():
                self._change_all(message)
            case commands.Close() if self._sifting:
                self._behind.append(message)
            case commands.Close():
                self._close(message)
            case commands.Exists(target=target, answer=answer):
                answer.post(bool(self._roster.find(target)))
            case commands.Members(group=group, after=after, limit=limit):
                message.answer.post(self._roster.page(group, after, limit))
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                self._ask_connection(message)
            case Sift():
                self._sift(message)
            case HubSetup():
                self._setup = message
                self._upstream.post(Configure(message.handlers))
            case internal.Drain(answer=answer):
                self._drain(answer)
            case Ended(ref=ref):
                # A connection has said Gone before, a group ends when we say so.
                if ref in self._connections:
                    del self._connections[ref]
                    self._count_down()
            case Restarted():
                pass  # a group is refilled, the upstream reconfigured, when built
            case _:
                assert_never(message)

    # Sends.

    def _publish(self, publish: commands.Publish) -> None:
        if self._sifting:
            self._behind.append(publish)
            return
        if publish.where is not None:
            entries = tuple(self._roster.find(publish.target))
            self._sift(Sift(publish, Parcel(_push(publish)), entries, 0))
            return
        match publish.target:
            case commands.ToGroup(name=name):
                group = self._membership.groups.get(name)
            case commands.Everyone():
                group = self._membership.everyone
            case _:
                self._give(publish)
                return
        if group is not None:
            group.post(
                internal.Deliver(_push(publish), publish.exclude, publish.receipt)
            )
        elif publish.receipt is not None:
            publish.receipt.pay()

    def _give(self, publish: commands.Publish) -> None:
        """Deliver directly, behind what groups still hold."""
        self.dispatcher.settle()
        parcel = Parcel(_push(publish))
        for entry in self._roster.find(publish.target):
            if entry.connection_id not in publish.exclude:
                parcel.give(entry.outlet)
        if publish.receipt is not None:
            publish.receipt.pay()

    def _sift(self, sift: Sift) -> None:
        """Deliver to those of a slice that pass the filter, then to the next slice.

        What is published meanwhile waits, so that sends arrive in their order.
        """
        publish, end = sift.publish, sift.start + SLICE
        self.dispatcher.settle()
        try:
            for entry in sift.entries[sift.start : end]:
                if self._passes(entry, publish):
                    sift.parcel.give(entry.outlet)
        except Exception:
            # A filter that raises fails its own send, not the hub.
            logger.exception("a filtered send in hub %s failed", self._name)
            end = len(sift.entries)
        if end < len(sift.entries):
            self._sifting = True
            self.address.post(Sift(publish, sift.parcel, sift.entries, end))
            return
        self._sifting = False
        if publish.receipt is not None:
            publish.receipt.pay()
        while self._behind and not self._sifting:
            self.on_receive(self._behind.popleft())

    def _passes(self, entry: Entry, publish: commands.Publish) -> bool:
        return (
            entry.connection_id in self._roster.connections
            and entry.connection_id not in publish.exclude
            and (publish.where is None or publish.where(entry))
        )

    # Who is here.

    def _admit(self, admit: internal.Admit) -> None:
        if self._drained is not None:
            admit.door.reject(503, "The gateway is shutting down.")
            return
        number = self.dispatcher.random.getrandbits(104)
        client = events.Client(
            self._name, f"{self._id_prefix}{number:026x}", admit.applicant.user_id
        )
        hub, upstream, stash = self.address, self._upstream, self._setup.stash
        connection = self.spawn(lambda: Connection(client, admit, hub, upstream, stash))
        self._connections[connection] = None

    def _enter(self, enter: internal.Enter) -> None:
        entry = Entry(
            enter.connection_id, enter.user_id, enter.outlet, enter.connection
        )
        self._membership.enter(entry, enter.groups)
        if self._drained is not None:
            self._end(entry, _DRAINING)

    def _remove(self, connection_id: str) -> None:
        self._membership.remove(connection_id)

    def _wants_presence(self, event: str, group: str) -> bool:
        return any(spec.wants_presence(event, group) for spec in self._setup.handlers)

    def _change(self, command: commands.AddToGroup | commands.RemoveFromGroup) -> None:
        """Change memberships of a target; the last one's group pays the receipt."""
        entries, receipt = tuple(self._roster.find(command.target)), command.receipt
        for number, entry in enumerate(entries, 1):
            last = receipt if number == len(entries) else None
            match command:
                case commands.AddToGroup(group=group):
                    self._membership.join(entry, group, last)
                case commands.RemoveFromGroup(group=str() as group):
                    self._membership.leave(entry, group, last)
                case _:
                    self._membership.leave_all(entry)
                    if last is not None:
                        last.pay()
        if not entries and receipt is not None:
            receipt.pay(found=False)

    def _change_all(
        self, command: commands.AddAllToGroups | commands.RemoveAllFromGroups
    ) -> None:
        joins = isinstance(command, commands.AddAllToGroups)
        change = self._membership.join if joins else self._membership.leave
        try:
            found = self._roster.matching(commands.Everyone(), command.where)
        except Exception:
            logger.exception("a filter in hub %s failed", self._name)
            found = []
        for entry in found:
            for group in command.groups:
                change(entry, group)
        if command.receipt is not None:
            command.receipt.pay()

    def _ask_connection(self, question: internal.Permissive) -> None:
        entry = self._roster.connections.get(question.connection_id)
        if entry is None:
            question.answer.post(commands.Verdict(found=False, done=False))
        else:
            entry.connection.post(question)

    # Ends.

    def _close(self, command: commands.Close) -> None:
        notice = "Application server closed the connection."
        if command.reason:
            notice = f"{notice} Reason: {command.reason}"
        cause = "closed by the application server"
        end = internal.End(1000, cause, notice, command.reason or "")
        for entry in tuple(self._roster.find(command.target)):
            if entry.connection_id not in command.exclude:
                self._end(entry, end)
        if command.receipt is not None:
            command.receipt.pay()

    def _end(self, entry: Entry, end: internal.End) -> None:
        """End a connection; it is out of the roster before this returns."""
        # What was published before the close belongs before the close frame.
        self.dispatcher.settle()
        self._remove(entry.connection_id)
        entry.connection.post(end)

    def _drain(self, answer: Ref[bool]) -> None:
        """End every connection; answer when handlers have heard of all the ends."""
        self._drained = answer
        for entry in tuple(self._roster.connections.values()):
            self._end(entry, _DRAINING)
        self._count_down()

    def _count_down(self) -> None:
        """Ask the upstream to come to rest once no connection is left."""
        if self._drained is not None and not self._connections:
            self._upstream.post(Quiesce(self._drained))


def _push(publish: commands.Publish) -> pushes.GroupMessage | pushes.ServerMessage:
    """Make what a client hears: from a group, or from the server."""
    target = publish.target
    if type(target) is commands.ToGroup:
        return pushes.GroupMessage(
            target.name, publish.from_user, publish.payload, publish.metadata
        )
    return pushes.ServerMessage(publish.payload, publish.metadata)
