"""Commands that concern several gateways: who does what of one, and what it comes to.

A part of the hub: it runs in the hub's turns. It forwards, and gives back what is left
to do here; answers are put together by ``gather``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from hubbub.actors.gather import Gather, merging, paying, receipt_into, telling_any
from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import commands
from hubbub.actors.messages.internal import Permissive
from hubbub.actors.policy.interest import EVERYONE

if TYPE_CHECKING:
    from collections.abc import Collection

    from hubbub.actors.abroad import Abroad
    from hubbub.actors.directory import Directory, LinkRef
    from hubbub.actors.runtime.address import Ref

Change: TypeAlias = (
    commands.AddToGroup
    | commands.RemoveFromGroup
    | commands.AddAllToGroups
    | commands.RemoveAllFromGroups
    | commands.Close
)
Shareable: TypeAlias = Change | Permissive | commands.Exists | commands.Members


class Sharing:
    """Shares commands with the peers that they concern.

    Args:
        hub: The hub's name.
        directory: The links.
        abroad: What peers want, and which filters can cross.
    """

    def __init__(self, hub: str, directory: Directory, abroad: Abroad) -> None:
        self._hub = hub
        self._directory = directory
        self._abroad = abroad

    def has_moved(self, connection_id: str) -> bool:
        """Tell whether a connection that began here is at another gateway."""
        key = commands.ToConnection(connection_id)
        return bool(self._abroad.wanted.of(key)) and not self._abroad.has(connection_id)

    def share(self, command: Shareable) -> Shareable | None:
        """Forward what is others' part of a command.

        Returns:
            What is to be done here: the command itself where it concerns nobody else,
            None where it is another's alone.
        """
        match command:
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                owner = self._elsewhere(command.connection_id)
                return self._hand_over(command, command.answer, owner)
            case commands.Exists(target=commands.ToConnection(connection_id=who)):
                owner = self._elsewhere(who)
                return self._hand_over(command, command.answer, owner)
            case commands.Exists(target=target, answer=answer):
                return self._ask(command, self._wanting(target), telling_any(answer))
            case commands.Members(group=group, limit=limit, answer=answer):
                links = self._wanting(commands.ToGroup(group))
                return self._ask(command, links, merging(answer, limit))
            case (
                commands.AddAllToGroups(where=where)
                | commands.RemoveAllFromGroups(where=where)
            ):
                links = self._wanting(EVERYONE) if self._can_cross(where) else ()
                return self._change(command, links)
            case (
                commands.AddToGroup(target=target)
                | commands.RemoveFromGroup(target=target)
                | commands.Close(target=target)
            ):
                if isinstance(target, commands.ToConnection):
                    return self._change_one(command, target.connection_id)
                return self._change(command, self._wanting(target))

    def _wanting(self, target: commands.Target) -> Collection[LinkRef]:
        return self._abroad.wanted.of(target)

    def _can_cross(self, where: commands.Where | None) -> bool:
        return self._abroad.can_cross(where)

    def _elsewhere(self, connection_id: str) -> LinkRef | None:
        """Give the way to a connection's gateway; None if it is ours, or nobody's."""
        if self._abroad.has(connection_id):
            return None
        moved = tuple(self._wanting(commands.ToConnection(connection_id)))
        if moved:
            return moved[-1]  # the others have given it away, and not said so yet
        return self._directory.owner(connection_id)

    def _hand_over(
        self, command: Shareable, answer: Ref[Any], owner: LinkRef | None
    ) -> Shareable | None:
        if owner is None:
            return command
        owner.post(Ask(self._hub, command, answer))
        return None

    def _change_one(self, command: Change, connection_id: str) -> Change | None:
        owner = self._elsewhere(connection_id)
        if owner is None:
            return command
        if command.receipt is None:
            owner.post(Ask(self._hub, command, _UNHEARD))
        else:
            settle = Gather(1, paying(command.receipt))
            owner.post(Ask(self._hub, command, settle))
        return None

    def _change(self, command: Change, links: Collection[LinkRef]) -> Change:
        """Have all gateways do their part; the receipt is paid when all have."""
        if not links:
            return command
        receipt = command.receipt
        gather: Gather | _Unheard = _UNHEARD
        if receipt is not None:
            gather = Gather(len(links) + 1, paying(receipt))
        for link in links:
            link.post(Ask(self._hub, command, gather))
        if receipt is None:
            return command
        return msgspec.structs.replace(command, receipt=receipt_into(gather))

    def _ask(
        self,
        command: commands.Exists | commands.Members,
        links: Collection[LinkRef],
        then: Any,
    ) -> commands.Exists | commands.Members:
        if not links:
            return command
        gather = Gather(len(links) + 1, then)
        for link in links:
            link.post(Ask(self._hub, command, gather))
        return msgspec.structs.replace(command, answer=gather)


class _Unheard:
    """Takes answers that nobody waits for."""

    def post(self, value: object, /) -> None:
        """Drop it."""


_UNHEARD = _Unheard()
