"""What tests of attached servers share: servers of hubs of their own, their clients."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import WebPubSubClient, WebPubSubServer

if TYPE_CHECKING:
    from hubbub.sdk.client.inbox import Inbox
    from hubbub.sdk.client.states import State
    from support.gateway import GatewayProcess

SECONDS = 5.0
MEMBER = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
hubs = (f"sdk{number}" for number in itertools.count())

protocols = pytest.mark.parametrize("protocol", ["cbor", "json"])


def serve(gateway: GatewayProcess, **options: Any) -> WebPubSubServer:
    """Make a server of a hub of its own."""
    return WebPubSubServer(gateway.connection_string, next(hubs), **options)


def client(server: WebPubSubServer, user: str | None = None) -> WebPubSubClient:
    return WebPubSubClient(server.client_url(user_id=user, roles=MEMBER))


async def data(client: WebPubSubClient) -> Any:
    return (await client.next(SECONDS)).data


async def ended(states: Inbox[State]) -> str:
    """Wait until a client is closed by the gateway; give the reason."""
    async with asyncio.timeout(SECONDS):
        async for state in states:
            if "reason" in state.__struct_fields__:
                return str(state)
    raise AssertionError("the client ended")
