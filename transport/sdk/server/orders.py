"""What a server may ask of its gateway, as frames; checked before they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from hubbub.actors.messages.commands import Permission
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.sdk.messages import payload_of
from hubbub.sdk.server.frames import Map, Member, Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.server.session import Value

MOST_TTL: Final = 300
_PAGE: Final = 200
_PERMISSIONS: Final = tuple(map(str, Permission))


class Caller(Protocol):
    """Sends a request and gives its answer."""

    async def call(
        self,
        frame: Map,
        payload: Payload | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> Value:
        """Send a request and give its answer."""


class Orders:
    """Carries out commands at a gateway.

    Args:
        caller: The server's connections.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def publish(  # noqa: PLR0913 - keywords
        self,
        target: Map,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        where: str | None = None,
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> None:
        """Send a message to a target."""
        if not 0 <= ttl <= MOST_TTL:
            raise ValueError(f"ttl must be from 0 to {MOST_TTL} seconds")
        frame = {"type": "publish", **target}
        if no_echo:
            frame["noEcho"] = True
        if listed := _listed(excluded):
            frame["excluded"] = listed
        if where:
            frame["filter"] = checked_filter(where)
        if ttl:
            frame["ttlSeconds"] = ttl
        if metadata:
            fault = metadata_fault(metadata.items())
            if fault is not None:
                raise ValueError(fault)
            frame["metadata"] = dict(metadata)
        await self._caller.call(frame, payload_of(data), timeout)

    async def close(
        self, target: Map, reason: str | None, excluded: Iterable[str] = ()
    ) -> None:
        """Close a target's connections."""
        frame: Map = {"type": "close", **target}
        if reason is not None:
            frame["reason"] = reason
        if listed := _listed(excluded):
            frame["excluded"] = listed
        await self._caller.call(frame)

    async def exists(self, target: Map) -> bool:
        """Ask whether a target has a connection."""
        return bool(await self._caller.call({"type": "exists", **target}))

    async def add(self, member: Map, group: str) -> None:
        """Add a user's connections, or one, to a group."""
        await self._caller.call({"type": "addToGroup", **member, **to_group(group)})

    async def remove(self, member: Map, group: str | None) -> None:
        """Remove a user's connections, or one, from a group or from all."""
        frame = {"type": "removeFromGroup", **member}
        if group is not None:
            frame |= to_group(group)
        await self._caller.call(frame)

    async def regroup(
        self, kind: str, groups: Iterable[str], where: str | None
    ) -> None:
        """Add all connections that pass a filter to groups, or remove them."""
        names = [to_group(group)["group"] for group in _listed(groups)]
        if not names:
            raise ValueError("there is no group to add to or remove from")
        frame: Map = {"type": kind, "groups": names}
        if where:
            frame["filter"] = checked_filter(where)
        await self._caller.call(frame)

    async def permission(
        self, kind: str, connection_id: str, permission: str, group: str
    ) -> bool:
        """Grant or revoke a permission, or ask for it."""
        if permission not in _PERMISSIONS:
            raise ValueError(f"a permission is one of {', '.join(_PERMISSIONS)}")
        frame: Map = {"type": kind, "permission": str(permission)}
        frame |= {**to_connection(connection_id), **to_group(group)}
        return bool(await self._caller.call(frame))

    async def members(self, group: str, most: int | None) -> AsyncIterator[Member]:
        """Give the connections in a group, page by page."""
        frame: Map = {"type": "members", **to_group(group)}
        left, more, after = most, True, ""
        while more and left != 0:
            limit = _PAGE if left is None else min(left, _PAGE)
            answer = await self._caller.call({**frame, "after": after, "limit": limit})
            if not isinstance(answer, Page) or not answer.members:
                return
            for member in answer.members:
                yield member
            more, after = answer.more, answer.members[-1].connection_id
            left = None if left is None else left - len(answer.members)


def to_group(name: str) -> Map:
    """Name a group as a target.

    Raises:
        ValueError: There can be no such group.
    """
    if not is_group_name(name):
        raise ValueError("a group's name has 1 to 1024 characters, not all blank")
    return {"group": name}


def to_user(user_id: str) -> Map:
    """Name a user as a target.

    Raises:
        ValueError: There can be no such user.
    """
    if not user_id:
        raise ValueError("the id of a user is not empty")
    return {"userId": user_id}


def to_connection(connection_id: str) -> Map:
    """Name a connection as a target.

    Raises:
        ValueError: There can be no such connection.
    """
    if not connection_id:
        raise ValueError("the id of a connection is not empty")
    return {"connectionId": connection_id}


def checked_filter(text: str) -> str:
    """Check a filter over connections.

    Raises:
        ValueError: It cannot be read.
    """
    compile_filter(text)
    return text


def _listed(names: Iterable[str]) -> list[Any]:
    if isinstance(names, str):
        raise TypeError("this takes a list of names, not one text")
    return list(names)
