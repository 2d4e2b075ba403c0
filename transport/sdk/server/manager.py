"""The commands of the service's REST API, by the names its packages have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.sdk.server.orders import Orders, to_connection, to_group, to_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from hubbub.sdk.server.frames import Member


class Manager:
    """Commands over a server's own connection; names as ``WebPubSubServiceClient``.

    All of them wait for the gateway's answer. They raise AckError when it is no,
    ConnectionLost when the connection ended before it came, DeadlineError when it did
    not come in time, and ValueError for what can never be.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def __repr__(self) -> str:
        return "<Manager>"

    # Messages.

    async def send_to_all(
        self,
        message: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to every connection of the hub.

        Args:
            message: str is sent as text, bytes as binary, a payload as it is,
                anything else as JSON.
            excluded: Ids of connections that do not get it.
            filter: An expression that a connection must pass.
            ttl: Seconds the message may wait for a client that is away; 0 for no
                limit.
            metadata: Names and values that travel with it.
        """
        await self._orders.publish(
            {}, message, excluded=excluded, where=filter, ttl=ttl, metadata=metadata
        )

    async def send_to_group(
        self,
        group: str,
        message: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to a group; the rest as ``send_to_all``."""
        await self._orders.publish(
            to_group(group),
            message,
            excluded=excluded,
            where=filter,
            ttl=ttl,
            metadata=metadata,
        )

    async def send_to_user(
        self,
        user_id: str,
        message: object,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to all connections of a user; the rest as ``send_to_all``."""
        await self._orders.publish(
            to_user(user_id), message, where=filter, ttl=ttl, metadata=metadata
        )

    async def send_to_connection(
        self,
        connection_id: str,
        message: object,
        *,
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to one connection; the rest as ``send_to_all``."""
        target = to_connection(connection_id)
        await self._orders.publish(target, message, ttl=ttl, metadata=metadata)

    # Closing; ``reason`` reaches the client.

    async def close_connection(
        self, connection_id: str, *, reason: str | None = None
    ) -> None:
        """Close a connection."""
        await self._orders.close(to_connection(connection_id), reason)

    async def close_user_connections(
        self,
        user_id: str,
        *,
        excluded: Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Close the connections of a user but for the excluded ones."""
        await self._orders.close(to_user(user_id), reason, excluded)

    async def close_group_connections(
        self, group: str, *, excluded: Iterable[str] = (), reason: str | None = None
    ) -> None:
        """Close the connections in a group but for the excluded ones."""
        await self._orders.close(to_group(group), reason, excluded)

    async def close_all_connections(
        self, *, excluded: Iterable[str] = (), reason: str | None = None
    ) -> None:
        """Close every connection of the hub but for the excluded ones."""
        await self._orders.close({}, reason, excluded)

    # Who is there.

    async def connection_exists(self, connection_id: str) -> bool:
        """Ask whether a connection is there."""
        return await self._orders.exists(to_connection(connection_id))

    async def user_exists(self, user_id: str) -> bool:
        """Ask whether a user has a connection."""
        return await self._orders.exists(to_user(user_id))

    async def group_exists(self, group: str) -> bool:
        """Ask whether there is a connection in a group."""
        return await self._orders.exists(to_group(group))

    def list_connections(
        self, *, group: str, top: int | None = None
    ) -> AsyncIterator[Member]:
        """Go through the connections in a group, ``top`` of them at most."""
        return self._orders.members(group, top)

    # Membership.

    async def add_connection_to_group(self, group: str, connection_id: str) -> None:
        """Add a connection to a group."""
        await self._orders.add(to_connection(connection_id), group)

    async def add_user_to_group(self, group: str, user_id: str) -> None:
        """Add the connections that a user has now to a group."""
        await self._orders.add(to_user(user_id), group)

    async def add_connections_to_groups(
        self,
        groups: Iterable[str],
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
    ) -> None:
        """Add all connections, or those that pass a filter, to groups."""
        await self._orders.regroup("addAllToGroups", groups, filter)

    async def remove_connection_from_group(
        self, group: str, connection_id: str
    ) -> None:
        """Remove a connection from a group."""
        await self._orders.remove(to_connection(connection_id), group)

    async def remove_user_from_group(self, group: str, user_id: str) -> None:
        """Remove a user's connections from a group."""
        await self._orders.remove(to_user(user_id), group)

    async def remove_connection_from_all_groups(self, connection_id: str) -> None:
        """Remove a connection from all groups."""
        await self._orders.remove(to_connection(connection_id), None)

    async def remove_user_from_all_groups(self, user_id: str) -> None:
        """Remove a user's connections from all groups."""
        await self._orders.remove(to_user(user_id), None)

    async def remove_connections_from_groups(
        self,
        groups: Iterable[str],
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
    ) -> None:
        """Remove all connections, or those that pass a filter, from groups."""
        await self._orders.regroup("removeAllFromGroups", groups, filter)

    # Permissions: ``sendToGroup`` or ``joinLeaveGroup``, in the group of that name.

    async def grant_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> None:
        """Let a connection do something in a group."""
        await self._orders.permission("grant", connection_id, permission, target_name)

    async def revoke_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> None:
        """Let a connection do something in a group no more."""
        await self._orders.permission("revoke", connection_id, permission, target_name)

    async def has_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> bool:
        """Ask whether a connection may do something in a group."""
        return await self._orders.permission(
            "hasPermission", connection_id, permission, target_name
        )
