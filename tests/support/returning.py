"""A reliable client of bare frames, that goes away and comes back to its session."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from support.gateway import KEY
from support.official import SECONDS, Bystander

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.gateway import Reachable

RELIABLE = "json.reliable.webpubsub.azure.v1"
ISSUER = "https://webpubsub.azure.com"
ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
UNRECOVERABLE = 1008


class Returning(Bystander):
    """A client whose session outlives its socket.

    It acknowledges nothing by itself, and may be another's way back.
    """

    def __init__(self, url: str, subprotocol: str = RELIABLE) -> None:
        super().__init__(url, subprotocol)
        self._address = url.partition("?")[0]

    @property
    def token(self) -> str:
        token: str = self.connected["reconnectionToken"]
        return token

    def way_back(self, *, token: str | None = None, at: str = "") -> str:
        """Make the URL of its return.

        Args:
            token: Another reconnection token than its own.
            at: Another place than where it was.
        """
        return way_back(at or self._address, self.id, token or self.token)

    def back(self, at: str = "") -> Returning:
        """Make the client that comes back to the session."""
        return Returning(self.way_back(at=at))

    async def cut(self) -> None:
        """Go away without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def acknowledge(self, sequence_id: object) -> None:
        ack = {"type": "sequenceAck", "sequenceId": sequence_id}
        await self.socket.send(json.dumps(ack))

    async def numbered(self, count: int) -> list[tuple[int, Any]]:
        """Give the next messages: sequence ids and data."""
        pushes = [await self.push() for _ in range(count)]
        return [(push["sequenceId"], push["data"]) for push in pushes]

    async def still(self) -> None:
        """Check that nothing is on its way to this client."""
        await self.socket.send('{"type":"ping"}')
        assert await self.push() == {"type": "pong"}


def member(
    gateway: Reachable, hub: str, *groups: str, user: str = "alice"
) -> Returning:
    """Make a client that is in groups, and may join and publish."""
    return Returning(gateway.client_url(hub, user, ROLES, groups))


def way_back(address: str, connection_id: str, token: str) -> str:
    """Make the URL of a return, without any access token."""
    query = {"awps_connection_id": connection_id, "awps_reconnection_token": token}
    return f"{address}?{urlencode(query)}"


def sign(
    connection_id: str, *, key: str = KEY, seconds: float = 3600.0, **claims: Any
) -> str:
    """Make a reconnection token by hand, so that it may be wrong."""
    now = int(time.time())
    content = {
        "aud": connection_id,
        "iss": ISSUER,
        "iat": now,
        "nbf": now,
        "exp": now + int(seconds),
    }
    return jwt.encode({**content, **claims}, key, algorithm="HS256")


async def lost(url: str, offers: Sequence[str] = (RELIABLE,)) -> tuple[int, str]:
    """Come back in vain: let in, then closed; gives code and reason."""
    names = [Subprotocol(name) for name in offers]
    async with (
        asyncio.timeout(SECONDS),
        connect(url, subprotocols=names, compression=None, proxy=None) as socket,
    ):
        try:
            frame = await socket.recv()
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise AssertionError("cut without a close frame") from closed
            return closed.rcvd.code, closed.rcvd.reason
    raise AssertionError(f"not closed but received: {frame!r}")


async def gone(service: Any, connection_id: str) -> None:
    """Wait until the service knows of no such connection."""
    async with asyncio.timeout(SECONDS):
        while await service.connection_exists(connection_id):
            pass


def address_of(gateway: Reachable, hub: str) -> str:
    """Give where clients of a hub connect, without a query."""
    return gateway.client_url(hub).partition("?")[0]
