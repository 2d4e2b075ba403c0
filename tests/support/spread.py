"""Clients, servers and callers of REST at the gateways of a cluster."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from hubbub.sdk import WebPubSubServer
from support.bare_server import ANYTHING, JSON, BareServer
from support.official import Bystander

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.cluster import Cluster

TEXT = "text/plain"
NOBODY = "no-connection-has-this-id"


class Spread(AsyncExitStack):
    """Those who take part in a test, each at a gateway, all gone at its end."""

    def __init__(self, cluster: Cluster, hub: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.hub = hub

    async def arrive(
        self,
        place: int,
        user: str | None = None,
        *groups: str,
        roles: Sequence[str] = ANYTHING,
        query: str = "",
    ) -> Bystander:
        """Connect a client of bare frames."""
        url = self.cluster[place].client_url(self.hub, user, roles, groups)
        return await self.enter_async_context(Bystander(url + query))

    async def arrive_simple(self, place: int, user: str | None = None) -> Bystander:
        url = self.cluster[place].client_url(self.hub, user)
        return await self.enter_async_context(Bystander(url, None))

    async def trio(
        self, *groups: str, roles: Sequence[str] = ANYTHING
    ) -> tuple[Bystander, Bystander, Bystander]:
        """Connect alice, bob and carol, each at a gateway of her or his own."""
        alice, bob, carol = [
            await self.arrive(place, user, *groups, roles=roles)
            for place, user in enumerate(("alice", "bob", "carol"))
        ]
        return alice, bob, carol

    async def rest(self, place: int) -> Any:
        """Make the official service client."""
        text = self.cluster[place].connection_string
        client = WebPubSubServiceClient.from_connection_string(text, self.hub)
        return await self.enter_async_context(client)

    def server(self, place: int, **options: Any) -> WebPubSubServer:
        """Make a server, to be started."""
        text = self.cluster[place].connection_string
        return WebPubSubServer(text, self.hub, **options)

    async def manager(self, place: int, kind: str) -> Any:
        """Make whoever gives orders, ``rest`` or a ``server``: the methods are one."""
        if kind == "rest":
            return await self.rest(place)
        server = await self.enter_async_context(self.server(place))
        return server.manager

    async def bare(self, place: int, protocol: str = JSON) -> BareServer:
        """Attach a server of bare frames."""
        server = BareServer(self.cluster[place], self.hub, protocol)
        return await self.enter_async_context(server)
