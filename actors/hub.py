"""One hub: keeps the roster, routes every command, starts and ends its children.

Knows who is where; does not know what a message looks like on any wire.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.connection import Connection
from hubbub.actors.group import Group
from hubbub.actors.messages import commands, events, internal, pushes
from hubbub.actors.policy.roster import Entry, Roster
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.parcel import Parcel
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.upstream import Configure, Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.handler import HandlerSpec
    from hubbub.actors.runtime.address import Address, Ref

logger = logging.getLogger(__name__)

SLICE = 500
"""Connections that a filtered send looks at before others get a turn."""


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


ToHub: TypeAlias = (
    commands.Command
    | internal.Admit
    | internal.Enter
    | internal.Gone
    | internal.Drain
    | HubSetup
    | Sift
    | Ended
    | Restarted
)


class Hub(LoopActor):
    """Routes commands to groups and connections."""

    registered = True

    def __init__(self, name: str, setup: HubSetup, id_prefix: str = "") -> None:
        super().__init__()
        self._name = name
        self._setup = setup
        self._id_prefix = id_prefix
        self._roster = Roster()
        self._groups: dict[str, Address] = {}
        self._everyone = self.spawn(Group, restart=Restart())
        self._upstream: Address = self.spawn(
            partial(Upstream, name, setup.handlers, self.address), restart=Restart()
        )
        self._drained: Ref[bool] | None = None

    def on_receive(self, message: ToHub) -> None:
        """Carry out a command, or hear from a child."""
        match message:
            case commands.Publish():
                self._publish(message)
            case internal.Admit():
                self._admit(message)
            case internal.Enter():
                self._enter(message)
            case internal.Gone(connection_id=connection_id):
                self._remove(connection_id)
            case commands.AddToGroup():
                self._add_to_group(message)
            case commands.RemoveFromGroup():
                self._remove_from_group(message)
            case commands.AddAllToGroups():
                for entry in self._matching(message):
                    for group in message.groups:
                        self._join(entry, group)
                _pay(message.receipt)
            case commands.RemoveAllFromGroups():
                for entry in self._matching(message):
                    for group in message.groups:
                        self._leave(entry, group)
                _pay(message.receipt)
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
            case Restarted(ref=ref):
                self._refill(ref)
            case Ended():
                pass  # a connection says Gone before, a group ends when we say so
            case _:
                assert_never(message)

    def _matching(
        self, command: commands.AddAllToGroups | commands.RemoveAllFromGroups
    ) -> list[Entry]:
        return self._roster.matching(commands.Everyone(), command.where)

    # Sends.

    def _publish(self, publish: commands.Publish) -> None:
        if publish.where is not None:
            entries = tuple(self._roster.find(publish.target))
            self._sift(Sift(publish, Parcel(_push(publish)), entries, 0))
            return
        match publish.target:
            case commands.ToGroup(name=name):
                group = self._groups.get(name)
                if group is None:
                    _pay(publish.receipt)
                    return
                push = pushes.GroupMessage(
                    name, publish.from_user, publish.payload, publish.metadata
                )
                group.post(internal.Deliver(push, publish.exclude, publish.receipt))
            case commands.Everyone():
                self._everyone.post(
                    internal.Deliver(_push(publish), publish.exclude, publish.receipt)
                )
            case commands.ToUser() | commands.ToConnection():
                self.dispatcher.settle()
                self._give(publish, Parcel(_push(publish)), publish.target)
                _pay(publish.receipt)

    def _give(
        self, publish: commands.Publish, parcel: Parcel, target: commands.Target
    ) -> None:
        for entry in self._roster.find(target):
            if entry.connection_id not in publish.exclude:
                parcel.give(entry.outlet)

    def _sift(self, sift: Sift) -> None:
        """Deliver to those of a slice that pass the filter, then to the next slice."""
        publish, entries, end = sift.publish, sift.entries, sift.start + SLICE
        self.dispatcher.settle()
        exclude, where = publish.exclude, publish.where
        for entry in entries[sift.start : end]:
            if (
                entry.connection_id in self._roster.connections
                and entry.connection_id not in exclude
                and (where is None or where(entry))
            ):
                sift.parcel.give(entry.outlet)
        if end < len(entries):
            self.address.post(Sift(publish, sift.parcel, entries, end))
        else:
            _pay(publish.receipt)

    # Who is here.

    def _admit(self, admit: internal.Admit) -> None:
        if self._drained is not None:
            admit.socket.reject(503, "The gateway is shutting down.")
            return
        connection_id = f"{self._id_prefix}{self.dispatcher.random.getrandbits(128):032x}"
        client = events.Client(self._name, connection_id, admit.applicant.user_id)
        self.spawn(
            partial(
                Connection,
                client,
                admit.applicant,
                admit.socket,
                self.address,
                self._upstream,
                self._setup.stash,
            )
        )

    def _enter(self, enter: internal.Enter) -> None:
        entry = Entry(
            enter.connection_id, enter.user_id, enter.outlet, enter.connection
        )
        self._roster.add(entry)
        self._everyone.post(internal.Join(entry.connection_id, entry.outlet))
        for group in enter.groups:
            self._join(entry, group)
        if self._drained is not None:
            self._end(entry, _DRAINING)

    def _remove(self, connection_id: str) -> Entry | None:
        entry = self._roster.connections.get(connection_id)
        if entry is not None:
            for group in tuple(entry.groups):
                self._leave(entry, group)
            self._roster.remove(connection_id)
            self._everyone.post(internal.Part(connection_id))
            if self._drained is not None and not self._roster.connections:
                self._drained.post(True)
        return entry

    def _join(
        self, entry: Entry, name: str, receipt: commands.Receipt | None = None
    ) -> None:
        if not self._roster.join(entry, name):
            _pay(receipt)
            return
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = self.spawn(Group, restart=Restart())
        group.post(internal.Join(entry.connection_id, entry.outlet, receipt))
        if self._wants_presence("joined", name):
            entry.connection.post(internal.JoinedGroup(name))

    def _leave(
        self, entry: Entry, name: str, receipt: commands.Receipt | None = None
    ) -> None:
        if not self._roster.leave(entry, name):
            _pay(receipt)
            return
        group = self._groups[name]
        group.post(internal.Part(entry.connection_id, receipt))
        if not self._roster.members(name):
            del self._groups[name]
            group.end()
        if self._wants_presence("left", name):
            entry.connection.post(internal.LeftGroup(name))

    def _wants_presence(self, event: str, group: str) -> bool:
        return any(spec.wants_presence(event, group) for spec in self._setup.handlers)

    def _add_to_group(self, command: commands.AddToGroup) -> None:
        entries = tuple(self._roster.find(command.target))
        if not entries:
            _pay_missing(command.receipt)
            return
        for entry in entries[:-1]:
            self._join(entry, command.group)
        self._join(entries[-1], command.group, command.receipt)

    def _remove_from_group(self, command: commands.RemoveFromGroup) -> None:
        entries = tuple(self._roster.find(command.target))
        if not entries:
            _pay_missing(command.receipt)
            return
        if command.group is not None:
            for entry in entries[:-1]:
                self._leave(entry, command.group)
            self._leave(entries[-1], command.group, command.receipt)
            return
        for entry in entries:
            for group in tuple(entry.groups):
                self._leave(entry, group)
        _pay(command.receipt)

    def _ask_connection(
        self, question: commands.Grant | commands.Revoke | commands.HasPermission
    ) -> None:
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
        end = internal.End(
            1000, "closed by the application server", notice, command.reason or ""
        )
        for entry in tuple(self._roster.find(command.target)):
            if entry.connection_id not in command.exclude:
                self._end(entry, end)
        _pay(command.receipt)

    def _end(self, entry: Entry, end: internal.End) -> None:
        """End a connection; it is out of the roster before this returns."""
        # What was published before the close belongs before the close frame.
        self.dispatcher.settle()
        self._remove(entry.connection_id)
        entry.connection.post(end)

    def _drain(self, answer: Ref[bool]) -> None:
        self._drained = answer
        if not self._roster.connections:
            answer.post(True)
            return
        for entry in tuple(self._roster.connections.values()):
            self._end(entry, _DRAINING)

    def _refill(self, ref: Address) -> None:
        """Give a restarted group its members again."""
        if ref == self._everyone:
            members = self._roster.connections.values()
        else:
            name = next((n for n, at in self._groups.items() if at == ref), None)
            if name is None:
                return
            members = tuple(self._roster.members(name))  # type: ignore[assignment]
        for entry in members:
            ref.post(internal.Join(entry.connection_id, entry.outlet))


_DRAINING = internal.End(
    1001, "the gateway is shutting down", "ServiceReload", "ServiceReload"
)


def _push(publish: commands.Publish) -> pushes.Push:
    """Make what a client hears: from a group, or from the server."""
    if isinstance(publish.target, commands.ToGroup):
        return pushes.GroupMessage(
            publish.target.name, publish.from_user, publish.payload, publish.metadata
        )
    return pushes.ServerMessage(publish.payload, publish.metadata)


def _pay(receipt: commands.Receipt | None) -> None:
    if receipt is not None:
        receipt.to.post(receipt.message)


def _pay_missing(receipt: commands.Receipt | None) -> None:
    if receipt is not None:
        receipt.to.post(
            receipt.message if receipt.missing is None else receipt.missing
        )
