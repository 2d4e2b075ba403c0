"""Commands that have to wait for sessions that move, and follow those that have.

A part of the hub: it runs in the hub's turns. What a session wants must be known when
it moves, and whoever changes that is told once it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from hubbub.actors.gather import Gather, paying, receipt_into
from hubbub.actors.messages import commands, internal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hubbub.actors.policy.roster import Roster
    from hubbub.actors.runtime.address import Ref

Change: TypeAlias = (
    commands.AddToGroup
    | commands.RemoveFromGroup
    | commands.AddAllToGroups
    | commands.RemoveAllFromGroups
    | commands.Close
)


class _Parked(NamedTuple):
    """A command with the sessions that it is about and that were on the move."""

    message: Change | internal.Relayed
    change: Change
    sessions: tuple[str, ...]


class Parking:
    """Commands of one hub that wait.

    Args:
        hub: Takes them again.
        roster: Who is here.
        moving: Gives the ids of sessions that move.
    """

    def __init__(
        self,
        hub: Ref[internal.ToHubActor],
        roster: Roster,
        moving: Callable[[], Collection[str]],
    ) -> None:
        self._hub = hub
        self._roster = roster
        self._moving = moving
        self._parked: list[_Parked] = []

    def take(self, message: object) -> bool:
        """Keep a command that concerns a session that moves; False if it does not."""
        match message:
            case internal.Relayed(command=command):
                pass
            case _:
                command = message  # type: ignore[assignment] # looked at below
        match command:
            case (
                commands.AddToGroup()
                | commands.RemoveFromGroup()
                | commands.AddAllToGroups()
                | commands.RemoveAllFromGroups()
                | commands.Close()
            ):
                sessions = self._concerned(command)
            case _:
                return False
        if sessions:
            self._parked.append(_Parked(message, command, sessions))  # type: ignore[arg-type] # one of the two
        return bool(sessions)

    def release(self) -> None:
        """Let what waited try again, now that something has happened."""
        parked, self._parked = self._parked, []
        for one in parked:
            gone = [
                name for name in one.sessions if name not in self._roster.connections
            ]
            if gone and isinstance(one.message, internal.Relayed):
                self._follow(one, gone, one.message)
            else:
                self._hub.post(one.message)

    def _concerned(self, change: Change) -> tuple[str, ...]:
        moving = self._moving()
        match change:
            case (
                commands.AddAllToGroups(where=where)
                | commands.RemoveAllFromGroups(where=where)
            ):
                found = self._roster.matching(commands.Everyone(), where)
            case _:
                found = list(self._roster.find(change.target))
        return tuple(
            entry.connection_id for entry in found if entry.connection_id in moving
        )

    def _follow(
        self, parked: _Parked, gone: list[str], message: internal.Relayed
    ) -> None:
        """Carry out a peer's command on those here, and where the others went.

        The peer may not have asked their new gateway: it did not know of it.
        """
        change, receipt = parked.change, parked.change.receipt
        others = [one for name in gone for one in _for_session(change, name)]
        if receipt is not None:
            gather = Gather(len(others) + 1, paying(receipt))
            others = [
                msgspec.structs.replace(one, receipt=receipt_into(gather))
                for one in others
            ]
            change = msgspec.structs.replace(change, receipt=receipt_into(gather))
        for one in others:
            self._hub.post(one)
        self._hub.post(internal.Relayed(change, message.origin))


def _for_session(change: Change, name: str) -> list[Change]:
    """Give what a command means to one connection."""
    target = commands.ToConnection(name)
    match change:
        case commands.AddToGroup(group=group):
            return [commands.AddToGroup(target, group)]
        case commands.RemoveFromGroup(group=group):
            return [commands.RemoveFromGroup(target, group)]
        case commands.AddAllToGroups(groups=groups):
            return [commands.AddToGroup(target, group) for group in groups]
        case commands.RemoveAllFromGroups(groups=groups):
            return [commands.RemoveFromGroup(target, group) for group in groups]
        case commands.Close(exclude=exclude, reason=reason):
            return [] if name in exclude else [commands.Close(target, (), reason)]
