"""The hub as an event handler sees it: its methods become commands.

Knows commands, and how Python values become payloads; knows nothing of events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from hubbub.actors.messages import commands
from hubbub.actors.messages.payload import Binary, Json, Payload, Text
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.runtime.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.actors.messages.payload import Metadata
    from hubbub.actors.policy.permissions import Permission
    from hubbub.actors.runtime.address import Ref


T = TypeVar("T")


def payload_of(value: object) -> Payload:
    """Make a payload: a text of str, binary data of bytes, JSON of anything else.

    Raises:
        TypeError: JSON cannot hold it.
    """
    match value:
        case str():
            return Text(value)
        case bytes() | bytearray() | memoryview():
            return Binary(bytes(value))
        case _ if isinstance(value, Payload):
            return value
        case _:
            return Json(msgspec.json.encode(value))


class UnavailableError(Exception):
    """A question has no answer: a gateway that was asked did not say in time."""


class _Question(Generic[T]):
    """Takes the answer to a question, and lets the reply fail where there is none."""

    __slots__ = ("_reply",)

    def __init__(self, reply: Reply[T]) -> None:
        self._reply = reply

    def post(self, answer: T | commands.Unavailable, /) -> None:
        """Answer once; what comes later is dropped."""
        if not isinstance(answer, commands.Unavailable):
            self._reply.post(answer)
        elif not self._reply.done():
            error = UnavailableError(answer.reason)
            self._reply.set_exception((UnavailableError, error, None))


class HubFacade:
    """The hub as a handler sees it; every method may be called from any thread.

    Commands are sent without waiting. Questions give a ``Reply``: ``await`` it in an
    AsyncEventHandler, ``get()`` it in an EventHandler. It raises ``UnavailableError``
    when another gateway, which was asked, does not answer in time.
    """

    __slots__ = ("_hub", "name")

    def __init__(self, name: str, hub: Ref[commands.Command]) -> None:
        self.name = name
        self._hub = hub

    def publish(
        self,
        target: commands.Target,
        payload: object,
        *,
        exclude: Iterable[str] = (),
        where: str | commands.Where | None = None,
        metadata: Metadata | None = None,
        ttl: int = 0,
    ) -> None:
        """Send a message to everyone, a group, a user or a connection.

        Args:
            target: Who gets it.
            payload: A payload, or what ``payload_of`` makes one of.
            exclude: Ids of connections that do not get it.
            where: A filter that a connection must pass (``userId eq 'a'``).
            metadata: Names and values that travel with it.
            ttl: Seconds it may wait for a client that is away; 0 for no limit. Nothing
                is kept for such clients yet, so it has no effect yet.

        Raises:
            FilterError: The filter cannot be read.
        """
        self._hub.post(
            commands.Publish(
                target,
                payload_of(payload),
                metadata=metadata,
                ttl=ttl,
                exclude=tuple(exclude),
                where=compile_filter(where) if isinstance(where, str) else where,
            )
        )

    def close(
        self,
        target: commands.Target,
        reason: str | None = None,
        *,
        exclude: Iterable[str] = (),
    ) -> None:
        """Close the target's connections but for the excluded ones."""
        self._hub.post(commands.Close(target, tuple(exclude), reason))

    def add_to_group(
        self, target: commands.ToConnection | commands.ToUser, group: str
    ) -> None:
        """Make the target's connections members of a group."""
        self._hub.post(commands.AddToGroup(target, group))

    def remove_from_group(
        self, target: commands.ToConnection | commands.ToUser, group: str | None
    ) -> None:
        """End the target's membership of a group, or of all groups (None)."""
        self._hub.post(commands.RemoveFromGroup(target, group))

    def grant(
        self, connection_id: str, permission: Permission, group: str
    ) -> Reply[commands.Verdict]:
        """Allow a connection something in a group."""
        answer: Reply[commands.Verdict] = Reply()
        asked = _Question(answer)
        self._hub.post(commands.Grant(connection_id, permission, group, asked))
        return answer

    def revoke(
        self, connection_id: str, permission: Permission, group: str
    ) -> Reply[commands.Verdict]:
        """Forbid a connection something in a group."""
        answer: Reply[commands.Verdict] = Reply()
        asked = _Question(answer)
        self._hub.post(commands.Revoke(connection_id, permission, group, asked))
        return answer

    def exists(
        self, target: commands.ToConnection | commands.ToUser | commands.ToGroup
    ) -> Reply[bool]:
        """Ask whether a target has a connection."""
        answer: Reply[bool] = Reply()
        self._hub.post(commands.Exists(target, _Question(answer)))
        return answer
