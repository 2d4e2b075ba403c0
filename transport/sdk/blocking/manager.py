"""The commands of the service's REST API, waiting for each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.sdk.blocking.targets import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hubbub.sdk.blocking.loop import BlockingLoop
    from hubbub.sdk.server.frames import Member
    from hubbub.sdk.server.manager import Manager


class BlockingManager:
    """Commands over a server's own connection; as ``Manager``, without await."""

    def __init__(self, loop: BlockingLoop, manager: Manager) -> None:
        self._run = loop.run
        self._manager = manager

    def __repr__(self) -> str:
        return "<BlockingManager>"

    # Messages.

    def send_to_all(
        self,
        message: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to every connection of the hub."""
        self._run(
            self._manager.send_to_all(
                message, excluded=excluded, filter=filter, ttl=ttl, metadata=metadata
            )
        )

    def send_to_group(
        self,
        group: str,
        message: object,
        *,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to a group."""
        self._run(
            self._manager.send_to_group(
                group,
                message,
                excluded=excluded,
                filter=filter,
                ttl=ttl,
                metadata=metadata,
            )
        )

    def send_to_user(
        self,
        user_id: str,
        message: object,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to all connections of a user."""
        self._run(
            self._manager.send_to_user(
                user_id, message, filter=filter, ttl=ttl, metadata=metadata
            )
        )

    def send_to_connection(
        self,
        connection_id: str,
        message: object,
        *,
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message to one connection."""
        self._run(
            self._manager.send_to_connection(
                connection_id, message, ttl=ttl, metadata=metadata
            )
        )

    # Closing; ``reason`` reaches the client.

    def close_connection(
        self, connection_id: str, *, reason: str | None = None
    ) -> None:
        """Close a connection."""
        self._run(self._manager.close_connection(connection_id, reason=reason))

    def close_user_connections(
        self,
        user_id: str,
        *,
        excluded: Iterable[str] = (),
        reason: str | None = None,
    ) -> None:
        """Close the connections of a user but for the excluded ones."""
        self._run(
            self._manager.close_user_connections(
                user_id, excluded=excluded, reason=reason
            )
        )

    def close_group_connections(
        self, group: str, *, excluded: Iterable[str] = (), reason: str | None = None
    ) -> None:
        """Close the connections in a group but for the excluded ones."""
        self._run(
            self._manager.close_group_connections(
                group, excluded=excluded, reason=reason
            )
        )

    def close_all_connections(
        self, *, excluded: Iterable[str] = (), reason: str | None = None
    ) -> None:
        """Close every connection of the hub but for the excluded ones."""
        self._run(self._manager.close_all_connections(excluded=excluded, reason=reason))

    # Who is there.

    def connection_exists(self, connection_id: str) -> bool:
        """Ask whether a connection is there."""
        return self._run(self._manager.connection_exists(connection_id))

    def user_exists(self, user_id: str) -> bool:
        """Ask whether a user has a connection."""
        return self._run(self._manager.user_exists(user_id))

    def group_exists(self, group: str) -> bool:
        """Ask whether there is a connection in a group."""
        return self._run(self._manager.group_exists(group))

    def list_connections(self, *, group: str, top: int | None = None) -> list[Member]:
        """List the connections in a group, ``top`` of them at most."""
        return self._run(listed(self._manager.list_connections(group=group, top=top)))

    # Membership.

    def add_connection_to_group(self, group: str, connection_id: str) -> None:
        """Add a connection to a group."""
        self._run(self._manager.add_connection_to_group(group, connection_id))

    def add_user_to_group(self, group: str, user_id: str) -> None:
        """Add the connections that a user has now to a group."""
        self._run(self._manager.add_user_to_group(group, user_id))

    def add_connections_to_groups(
        self,
        groups: Iterable[str],
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
    ) -> None:
        """Add all connections, or those that pass a filter, to groups."""
        self._run(self._manager.add_connections_to_groups(groups, filter=filter))

    def remove_connection_from_group(self, group: str, connection_id: str) -> None:
        """Remove a connection from a group."""
        self._run(self._manager.remove_connection_from_group(group, connection_id))

    def remove_user_from_group(self, group: str, user_id: str) -> None:
        """Remove a user's connections from a group."""
        self._run(self._manager.remove_user_from_group(group, user_id))

    def remove_connection_from_all_groups(self, connection_id: str) -> None:
        """Remove a connection from all groups."""
        self._run(self._manager.remove_connection_from_all_groups(connection_id))

    def remove_user_from_all_groups(self, user_id: str) -> None:
        """Remove a user's connections from all groups."""
        self._run(self._manager.remove_user_from_all_groups(user_id))

    def remove_connections_from_groups(
        self,
        groups: Iterable[str],
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
    ) -> None:
        """Remove all connections, or those that pass a filter, from groups."""
        self._run(self._manager.remove_connections_from_groups(groups, filter=filter))

    # Permissions: ``sendToGroup`` or ``joinLeaveGroup``, in the group of that name.

    def grant_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> None:
        """Let a connection do something in a group."""
        self._run(
            self._manager.grant_permission(
                permission, connection_id, target_name=target_name
            )
        )

    def revoke_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> None:
        """Let a connection do something in a group no more."""
        self._run(
            self._manager.revoke_permission(
                permission, connection_id, target_name=target_name
            )
        )

    def has_permission(
        self, permission: str, connection_id: str, *, target_name: str
    ) -> bool:
        """Ask whether a connection may do something in a group."""
        return self._run(
            self._manager.has_permission(
                permission, connection_id, target_name=target_name
            )
        )
