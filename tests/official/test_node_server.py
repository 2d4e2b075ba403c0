"""A server in Node.js over json.server.hubbub.v1: ``tests/node/server.mjs``.

Forty lines and the ``ws`` package are all it has. Its clients are the official ones.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
from azure.messaging.webpubsubclient.aio import (
    WebPubSubClient,
    WebPubSubClientCredential,
)
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from websockets.exceptions import InvalidStatus

from support.official import NODE, SECONDS, Bystander

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import GatewayProcess

pytestmark = pytest.mark.node

SERVER = NODE / "server.mjs"
JSON = WebPubSubProtocolType.JSON
TEXT: Final = WebPubSubDataType.TEXT


@contextmanager
def serving(gateway: GatewayProcess, hub: str) -> Iterator[None]:
    """Run the server, attached and declared, until the end of the block."""
    place = {"CONNECTION_STRING": gateway.connection_string, "HUB": hub}
    process = subprocess.Popen(
        ["node", SERVER.name],
        cwd=NODE,
        env={**os.environ, **place},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        watchdog.cancel()
        yield
        assert process.poll() is None, "it ended by itself"
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


class Listener:
    """An official client, and the messages it hears."""

    def __init__(self, gateway: GatewayProcess, hub: str, user: str) -> None:
        url = gateway.client_url(hub, user, ["webpubsub.sendToGroup"])

        async def awaited_url() -> str:
            return url

        credential = WebPubSubClientCredential(awaited_url)
        self.official = WebPubSubClient(
            credential, protocol_type=JSON, message_retry_total=0
        )
        self._heard: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for kind in (CallbackType.GROUP_MESSAGE, CallbackType.SERVER_MESSAGE):
            await self.official.subscribe(kind, self._put)
        async with asyncio.timeout(SECONDS):
            await self.official.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(SECONDS):
            await self.official.close()

    async def _put(self, message: Any) -> None:
        await self._heard.put(message.data)

    async def heard(self) -> Any:
        async with asyncio.timeout(SECONDS):
            return await self._heard.get()


def test_it_is_short() -> None:
    assert len(SERVER.read_text().splitlines()) <= 40


async def test_it_decides_answers_moderates_and_publishes(
    gateway: GatewayProcess, hub: str
) -> None:
    with serving(gateway, hub):
        with pytest.raises(InvalidStatus) as refused:
            async with Bystander(gateway.client_url(hub)):
                pytest.fail("let in without a name")
        assert refused.value.response.status_code == 401
        assert refused.value.response.body == b"a name, please\n"
        async with Listener(gateway, hub, "alice") as alice:
            assert await alice.heard() == "alice is here"
            async with Listener(gateway, hub, "bob") as bob:
                assert [await alice.heard(), await bob.heard()] == ["bob is here"] * 2
                await alice.official.send_event("measure", "four", TEXT)
                assert await alice.heard() == {"event": "measure", "length": 4}
                await alice.official.send_to_group("lobby", "hello", TEXT)
                assert [await alice.heard(), await bob.heard()] == ["HELLO"] * 2
                with pytest.raises(SendMessageError) as denied:
                    await alice.official.send_to_group("lobby", "darn", TEXT)
                error = denied.value.error_detail
                assert error is not None
                assert error.name == "Forbidden"
                assert error.message == "mind your language"
                await bob.official.send_to_group("lobby", "bye", TEXT)
                assert [await alice.heard(), await bob.heard()] == ["BYE"] * 2
