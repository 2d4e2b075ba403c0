"""How a hub carries out commands: changes, questions, and ends of connections.

A part of the hub: it runs in the hub's turns. Publications are ``sends``'s affair, and
what peers have to do of a command is ``share``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from hubbub.actors.messages import commands, internal
from hubbub.actors.share import Shareable, Sharing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.actors.directory import Directory
    from hubbub.actors.membership import Membership
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor

Order: TypeAlias = Shareable
"""A command that is not a publication."""


class Orders:
    """Carries out commands on those who are here, and has peers do their part.

    Args:
        hub: The actor whose turns these are.
        name: The hub's name.
        directory: The links to peers.
        membership: Who is in which group.
    """

    def __init__(
        self, hub: LoopActor, name: str, directory: Directory, membership: Membership
    ) -> None:
        self._hub = hub
        self._membership = membership
        self._roster = membership.roster
        self._links = directory.links
        self._sharing = Sharing(name, directory, membership.abroad)

    def take(self, order: Order) -> None:
        """Carry out a command here and wherever else it has an effect."""
        share = self._sharing.share(order) if self._links else order
        if share is not None:
            self.carry_out(share)

    def carry_out(self, order: Order) -> None:
        """Do what a command wants of those who are here."""
        match order:
            case (
                commands.AddToGroup(target=commands.ToConnection(connection_id=name))
                | commands.RemoveFromGroup(
                    target=commands.ToConnection(connection_id=name)
                )
                | commands.Close(target=commands.ToConnection(connection_id=name))
            ) if self._sharing.has_moved(name):
                self._sharing.share(order)  # whoever asked us did not know yet
            case commands.AddToGroup() | commands.RemoveFromGroup():
                self._membership.change(order)
            case commands.AddAllToGroups() | commands.RemoveAllFromGroups():
                self._membership.change_all(order)
            case commands.Close():
                self._close(order)
            case commands.Exists(target=target, answer=answer):
                answer.post(bool(self._roster.find(target)))
            case commands.Members(group=group, after=after, limit=limit):
                order.answer.post(self._roster.page(group, after, limit))
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                self._ask_connection(order)
            case _:
                assert_never(order)

    @property
    def here(self) -> Mapping[str, Entry]:
        """The connections that are here, by id."""
        return self._roster.connections

    def end(self, entry: Entry, end: internal.End) -> None:
        """End a connection; it is out of the roster before this returns."""
        # What was published before the close belongs before the close frame.
        self._hub.dispatcher.settle()
        self._membership.remove(entry.connection_id)
        entry.connection.post(end)

    def _close(self, command: commands.Close) -> None:
        notice = "Application server closed the connection."
        if command.reason:
            notice = f"{notice} Reason: {command.reason}"
        cause = "closed by the application server"
        end = internal.End(1000, cause, notice, command.reason or "")
        for entry in tuple(self._roster.find(command.target)):
            if entry.connection_id not in command.exclude:
                self.end(entry, end)
        if command.receipt is not None:
            command.receipt.pay()

    def _ask_connection(self, question: internal.Permissive) -> None:
        entry = self._roster.connections.get(question.connection_id)
        if entry is None:
            question.answer.post(commands.Verdict(found=False, done=False))
        else:
            entry.connection.post(question)
