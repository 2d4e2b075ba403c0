"""Official Python clients with their default, reliable protocol, and what they hear."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from azure.messaging.webpubsubclient import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncClient
from azure.messaging.webpubsubclient.aio import (
    WebPubSubClientCredential as AsyncCredential,
)
from azure.messaging.webpubsubclient.models import CallbackType

from support.storm import Heard

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 20.0
LOST_WAKE_UP: Final = 3.0
"""The sync client sleeps so long when an answer comes before it waits for it."""


class Listener(Protocol):
    """A client, and what it has told its application.

    Args:
        url: Gives where to connect to, with a token.
        heard: Called with how much it has heard.
    """

    heard: list[Heard]
    connected: list[str]
    """The connection ids that it was told."""
    disconnected: list[str | None]
    """The reasons that it was told."""
    client: Any

    def __init__(self, url: Callable[[], str], heard: Callable[[int], None]) -> None:
        """Make the client, not open yet."""

    async def join(self, group: str) -> None:
        """Join a group."""

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Say goodbye."""


class SyncListener(Listener):
    """The sync client; each callback comes in a thread of its own."""

    def __init__(self, url: Callable[[], str], heard: Callable[[int], None]) -> None:
        self.heard: list[Heard] = []
        self.connected: list[str] = []
        self.disconnected: list[str | None] = []
        self._note = heard
        self._loop = asyncio.get_running_loop()
        self.client = WebPubSubClient(
            WebPubSubClientCredential(url),
            start_timeout=LOST_WAKE_UP,
            ack_timeout=LOST_WAKE_UP,
        )
        self.client.subscribe(CallbackType.GROUP_MESSAGE, self._message)
        self.client.subscribe(CallbackType.CONNECTED, self._connected)
        self.client.subscribe(CallbackType.DISCONNECTED, self._disconnected)

    def _message(self, message: Any) -> None:
        said = message.data
        self.heard.append(Heard(message.sequence_id, said["x"], said["n"]))
        self._loop.call_soon_threadsafe(self._note, len(self.heard))

    def _connected(self, hello: Any) -> None:
        self.connected.append(hello.connection_id)

    def _disconnected(self, goodbye: Any) -> None:
        self.disconnected.append(goodbye.message)

    async def join(self, group: str) -> None:
        """Join a group."""
        await asyncio.to_thread(self.client.join_group, group)

    async def open(self) -> None:
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(self.client.open)

    async def close(self) -> None:
        async with asyncio.timeout(SECONDS):
            await asyncio.to_thread(self.client.close)


class AsyncListener(Listener):
    """The aio client."""

    def __init__(self, url: Callable[[], str], heard: Callable[[int], None]) -> None:
        async def awaited() -> str:
            return url()

        self.heard: list[Heard] = []
        self.connected: list[str] = []
        self.disconnected: list[str | None] = []
        self._note = heard
        self.client = AsyncClient(AsyncCredential(awaited))

    async def _message(self, message: Any) -> None:
        said = message.data
        self.heard.append(Heard(message.sequence_id, said["x"], said["n"]))
        self._note(len(self.heard))

    async def _connected(self, hello: Any) -> None:
        self.connected.append(hello.connection_id)

    async def _disconnected(self, goodbye: Any) -> None:
        self.disconnected.append(goodbye.message)

    async def join(self, group: str) -> None:
        """Join a group."""
        await self.client.join_group(group)

    async def open(self) -> None:
        subscribe = self.client.subscribe
        await subscribe(CallbackType.GROUP_MESSAGE, self._message)
        await subscribe(CallbackType.CONNECTED, self._connected)
        await subscribe(CallbackType.DISCONNECTED, self._disconnected)
        async with asyncio.timeout(SECONDS):
            await self.client.open()

    async def close(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self.client.close()
