"""Handles: one client connection, one user, one group, as a server deals with them.

They hold a name and nothing else; making one asks the gateway nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.sdk.server.orders import Orders, to_connection, to_group, to_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from hubbub.sdk.server.frames import Member


class ClientHandle:
    """One connection of a client, by its id.

    What is asked of a connection that is gone raises AckError (``NotFound``) where
    the gateway can tell; a message to it is lost without one.
    """

    def __init__(self, orders: Orders, connection_id: str) -> None:
        self._orders = orders
        self._target = to_connection(connection_id)
        self.connection_id = connection_id

    def __repr__(self) -> str:
        return f"<ClientHandle {self.connection_id}>"

    async def send(
        self,
        data: object,
        *,
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send it a message.

        Args:
            data: str is sent as text, bytes as binary, a payload as it is, anything
                else as JSON.
            ttl: Seconds the message may wait for a client that is away; 0 for no
                limit.
            metadata: Names and values that travel with it.

        Raises:
            AckError: The gateway refuses it.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: There was no connection, or no answer, in time.
        """
        await self._orders.publish(self._target, data, ttl=ttl, metadata=metadata)

    async def close(self, reason: str | None = None) -> None:
        """Close it; ``reason`` reaches the client. Raises what ``send`` does."""
        await self._orders.close(self._target, reason)

    async def exists(self) -> bool:
        """Ask whether it is connected. Raises what ``send`` does."""
        return await self._orders.exists(self._target)

    async def join(self, group: str) -> None:
        """Add it to a group. Raises what ``send`` does."""
        await self._orders.add(self._target, group)

    async def leave(self, group: str) -> None:
        """Remove it from a group. Raises what ``send`` does."""
        await self._orders.remove(self._target, group)

    async def leave_all(self) -> None:
        """Remove it from all groups. Raises what ``send`` does."""
        await self._orders.remove(self._target, None)

    async def grant(self, permission: str, group: str) -> None:
        """Let it use a group itself.

        Args:
            permission: ``sendToGroup`` or ``joinLeaveGroup``.
            group: The group's name.
        """
        await self._orders.permission("grant", self.connection_id, permission, group)

    async def revoke(self, permission: str, group: str) -> None:
        """Take back what ``grant`` gave; as there."""
        await self._orders.permission("revoke", self.connection_id, permission, group)

    async def has_permission(self, permission: str, group: str) -> bool:
        """Ask whether it may use a group; as ``grant``."""
        return await self._orders.permission(
            "hasPermission", self.connection_id, permission, group
        )


class UserHandle:
    """All connections of one user; what it does to a user who is away does nothing."""

    def __init__(self, orders: Orders, user_id: str) -> None:
        self._orders = orders
        self._target = to_user(user_id)
        self.user_id = user_id

    def __repr__(self) -> str:
        return f"<UserHandle {self.user_id}>"

    async def send(
        self,
        data: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send them a message.

        Args:
            data: As ``ClientHandle.send``, like what it raises.
            excluded: Ids of connections that do not get it.
            filter: An expression that a connection must pass.
            ttl: Seconds the message may wait for a client that is away.
            metadata: Names and values that travel with it.
        """
        await self._orders.publish(
            self._target,
            data,
            excluded=excluded,
            where=filter,
            ttl=ttl,
            metadata=metadata,
        )

    async def close(
        self, reason: str | None = None, *, excluded: Iterable[str] = ()
    ) -> None:
        """Close their connections but for the excluded ones."""
        await self._orders.close(self._target, reason, excluded)

    async def exists(self) -> bool:
        """Ask whether the user has a connection."""
        return await self._orders.exists(self._target)

    async def join(self, group: str) -> None:
        """Add the user's connections to a group."""
        await self._orders.add(self._target, group)

    async def leave(self, group: str) -> None:
        """Remove the user's connections from a group."""
        await self._orders.remove(self._target, group)

    async def leave_all(self) -> None:
        """Remove the user's connections from all groups."""
        await self._orders.remove(self._target, None)


class GroupHandle:
    """One group, and the connections in it."""

    def __init__(self, orders: Orders, group: str) -> None:
        self._orders = orders
        self._target = to_group(group)
        self.name = group

    def __repr__(self) -> str:
        return f"<GroupHandle {self.name}>"

    async def send(
        self,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Publish to the group; as ``WebPubSubServer.publish``."""
        await self._orders.publish(
            self._target,
            data,
            no_echo=no_echo,
            excluded=excluded,
            where=filter,
            ttl=ttl,
            metadata=metadata,
        )

    async def close(
        self, reason: str | None = None, *, excluded: Iterable[str] = ()
    ) -> None:
        """Close the connections in the group but for the excluded ones."""
        await self._orders.close(self._target, reason, excluded)

    async def exists(self) -> bool:
        """Ask whether there is a connection in the group."""
        return await self._orders.exists(self._target)

    async def add(self, connection_id: str) -> None:
        """Add a connection to the group."""
        await self._orders.add(to_connection(connection_id), self.name)

    async def remove(self, connection_id: str) -> None:
        """Remove a connection from the group."""
        await self._orders.remove(to_connection(connection_id), self.name)

    def connections(self, most: int | None = None) -> AsyncIterator[Member]:
        """Go through the connections in the group, in the order of their ids.

        Args:
            most: How many to give at most; None for all.
        """
        return self._orders.members(self.name, most)
