"""Handles on a client, a user and a group whose verbs wait for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from hubbub.sdk.blocking.loop import BlockingLoop
    from hubbub.sdk.server.frames import Member
    from hubbub.sdk.server.targets import ClientHandle, GroupHandle, UserHandle


async def listed(members: AsyncIterator[Member]) -> list[Member]:
    """Go through members to the end."""
    return [member async for member in members]


class BlockingClientHandle:
    """One connection of a client; as ``ClientHandle``, without await."""

    def __init__(self, loop: BlockingLoop, handle: ClientHandle) -> None:
        self._run = loop.run
        self._handle = handle
        self.connection_id = handle.connection_id

    def __repr__(self) -> str:
        return f"<BlockingClientHandle {self.connection_id}>"

    def send(
        self,
        data: object,
        *,
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send it a message."""
        self._run(self._handle.send(data, ttl=ttl, metadata=metadata))

    def close(self, reason: str | None = None) -> None:
        """Close it; ``reason`` reaches the client."""
        self._run(self._handle.close(reason))

    def exists(self) -> bool:
        """Ask whether it is connected."""
        return self._run(self._handle.exists())

    def join(self, group: str) -> None:
        """Add it to a group."""
        self._run(self._handle.join(group))

    def leave(self, group: str) -> None:
        """Remove it from a group."""
        self._run(self._handle.leave(group))

    def leave_all(self) -> None:
        """Remove it from all groups."""
        self._run(self._handle.leave_all())

    def grant(self, permission: str, group: str) -> None:
        """Let it use a group itself: ``sendToGroup`` or ``joinLeaveGroup``."""
        self._run(self._handle.grant(permission, group))

    def revoke(self, permission: str, group: str) -> None:
        """Take back what ``grant`` gave."""
        self._run(self._handle.revoke(permission, group))

    def has_permission(self, permission: str, group: str) -> bool:
        """Ask whether it may use a group."""
        return self._run(self._handle.has_permission(permission, group))


class BlockingUserHandle:
    """All connections of one user; as ``UserHandle``, without await."""

    def __init__(self, loop: BlockingLoop, handle: UserHandle) -> None:
        self._run = loop.run
        self._handle = handle
        self.user_id = handle.user_id

    def __repr__(self) -> str:
        return f"<BlockingUserHandle {self.user_id}>"

    def send(
        self,
        data: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send them a message."""
        self._run(
            self._handle.send(
                data, excluded=excluded, filter=filter, ttl=ttl, metadata=metadata
            )
        )

    def close(self, reason: str | None = None, *, excluded: Iterable[str] = ()) -> None:
        """Close their connections but for the excluded ones."""
        self._run(self._handle.close(reason, excluded=excluded))

    def exists(self) -> bool:
        """Ask whether the user has a connection."""
        return self._run(self._handle.exists())

    def join(self, group: str) -> None:
        """Add the user's connections to a group."""
        self._run(self._handle.join(group))

    def leave(self, group: str) -> None:
        """Remove the user's connections from a group."""
        self._run(self._handle.leave(group))

    def leave_all(self) -> None:
        """Remove the user's connections from all groups."""
        self._run(self._handle.leave_all())


class BlockingGroupHandle:
    """One group; as ``GroupHandle``, without await."""

    def __init__(self, loop: BlockingLoop, handle: GroupHandle) -> None:
        self._run = loop.run
        self._handle = handle
        self.name = handle.name

    def __repr__(self) -> str:
        return f"<BlockingGroupHandle {self.name}>"

    def send(
        self,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Publish to the group."""
        self._run(
            self._handle.send(
                data,
                no_echo=no_echo,
                excluded=excluded,
                filter=filter,
                ttl=ttl,
                metadata=metadata,
            )
        )

    def close(self, reason: str | None = None, *, excluded: Iterable[str] = ()) -> None:
        """Close the connections in the group but for the excluded ones."""
        self._run(self._handle.close(reason, excluded=excluded))

    def exists(self) -> bool:
        """Ask whether there is a connection in the group."""
        return self._run(self._handle.exists())

    def add(self, connection_id: str) -> None:
        """Add a connection to the group."""
        self._run(self._handle.add(connection_id))

    def remove(self, connection_id: str) -> None:
        """Remove a connection from the group."""
        self._run(self._handle.remove(connection_id))

    def connections(self, most: int | None = None) -> list[Member]:
        """List the connections in the group, in the order of their ids."""
        return self._run(listed(self._handle.connections(most)))
