"""The verbs of a server that send: messages, commands, the URLs of clients."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hubbub.sdk.server.manager import Manager
from hubbub.sdk.server.orders import Orders, to_group
from hubbub.sdk.server.targets import ClientHandle, GroupHandle, UserHandle
from hubbub.transport.wire.audience import client_audience_url, client_url
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hubbub.transport.wire.connection_string import ConnectionString


class SendingServer:
    """What a server sends: part of WebPubSubServer.

    Args:
        place: Where the gateway is, and the key to it.
        hub: The hub's name.
        orders: Carries out commands there.
    """

    def __init__(self, place: ConnectionString, hub: str, orders: Orders) -> None:
        self.hub = hub
        self.manager = Manager(orders)
        """The commands of the REST API, by the names they have in its packages."""
        self._place = place
        self._orders = orders

    # Sending.

    async def publish(  # noqa: PLR0913 - keywords
        self,
        group: str,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> None:
        """Publish to a group, and wait until it is handed out.

        Args:
            group: The group's name.
            data: str is sent as text, bytes as binary, a payload as it is, anything
                else as JSON.
            no_echo: Whether not to hear it oneself.
            excluded: Ids of connections that do not get it.
            filter: An expression that a connection must pass.
            ttl: Seconds it may wait for a client that is away; 0 for no limit.
            metadata: Names and values that travel with it.
            timeout: Seconds to wait; None for the server's.

        Raises:
            AckError: The gateway refuses it.
            ConnectionLost: The connection ended before the answer came.
            DeadlineError: There was no connection, or no answer, in time.
            TooManyCallsError: Too many calls wait already.
            ClosedError: The server is closed.
            TypeError: JSON cannot say the data.
            ValueError: There can be no such group, data, filter, ttl or metadata.
        """
        await self._orders.publish(
            to_group(group),
            data,
            no_echo=no_echo,
            excluded=excluded,
            where=filter,
            ttl=ttl,
            metadata=metadata,
            timeout=timeout,
        )

    async def send_to_all(
        self,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the message to us
    ) -> None:
        """Send a message to every connection of the hub; the rest as ``publish``."""
        await self._orders.publish(
            {},
            data,
            no_echo=no_echo,
            excluded=excluded,
            where=filter,
            ttl=ttl,
            metadata=metadata,
            timeout=timeout,
        )

    def client(self, connection_id: str) -> ClientHandle:
        """Give a handle on one client connection."""
        return ClientHandle(self._orders, connection_id)

    def user(self, user_id: str) -> UserHandle:
        """Give a handle on the connections of a user."""
        return UserHandle(self._orders, user_id)

    def group(self, name: str) -> GroupHandle:
        """Give a handle on a group."""
        return GroupHandle(self._orders, name)

    def client_url(
        self,
        *,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        minutes: float = 60,
    ) -> str:
        """Sign a URL with which a client can connect to the hub.

        Args:
            user_id: Who the client is; None for an anonymous one.
            roles: What it may do (``webpubsub.sendToGroup``).
            groups: Groups it is in from the start.
            minutes: How long it may be used to connect.
        """
        endpoint = self._place.endpoint
        token = mint(
            self._place.access_key,
            audience=client_audience_url(endpoint, self.hub),
            now=time.time(),
            lifetime=minutes * 60,
            user_id=user_id,
            roles=roles,
            groups=groups,
        )
        return client_url(endpoint, self.hub, token)
