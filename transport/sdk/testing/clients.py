"""Clients and servers for a test, closed when it ends, whatever became of its loop.

Loaded by every run of pytest, so it imports nothing that pytest has not loaded.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from hubbub.sdk.testing.gateway import EVERY_ROLE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

    from hubbub.sdk.client.client import WebPubSubClient
    from hubbub.sdk.server.server import WebPubSubServer
    from hubbub.sdk.testing.gateway import HubbubGateway

    Close = Callable[[], Coroutine[Any, Any, None]]

_LEAVE = 2.0
"""Seconds that closing may take after the test, for all of a loop together."""


class NewClient:
    """Makes connected clients of the gateway of a test.

    Args:
        gateway: The gateway.
    """

    def __init__(self, gateway: HubbubGateway) -> None:
        self._gateway = gateway
        self._clients: list[tuple[asyncio.AbstractEventLoop, WebPubSubClient]] = []

    async def __call__(
        self,
        hub: str = "chat",
        *,
        user: str | None = None,
        roles: Sequence[str] = EVERY_ROLE,
        groups: Sequence[str] = (),
        **options: Any,
    ) -> WebPubSubClient:
        """Connect a client, which comes back quickly when it is cut off.

        Args:
            hub: The hub.
            user: The user id; None for an anonymous client.
            roles: What it may do; unless given: join, leave and publish to any group.
            groups: Groups it is in from the start.
            options: Further arguments of WebPubSubClient.
        """
        import asyncio  # noqa: PLC0415 - see the top

        from hubbub.sdk import Backoff, WebPubSubClient  # noqa: PLC0415 - as above

        def url() -> str:
            return self._gateway.client_url(hub, user=user, roles=roles, groups=groups)

        options.setdefault("backoff", Backoff(first=0.02, most=1.0))
        client = WebPubSubClient(url, **options)
        await client.__aenter__()
        self._clients.append((asyncio.get_running_loop(), client))
        return client

    def close_all(self) -> None:
        """Close them all; those whose loop is closed are cut."""
        self._gateway.thaw()
        clients, self._clients = self._clients, []
        _close([(loop, client.close) for loop, client in clients])
        for loop, client in clients:
            if loop.is_closed():
                with contextlib.suppress(RuntimeError):  # what waits there, waits on
                    client.abort()


class NewServer:
    """Makes attached servers of the gateway of a test.

    Args:
        gateway: The gateway.
    """

    def __init__(self, gateway: HubbubGateway) -> None:
        self._gateway = gateway
        self._servers: list[tuple[asyncio.AbstractEventLoop, WebPubSubServer]] = []

    async def __call__(self, hub: str = "chat", **options: Any) -> WebPubSubServer:
        """Attach a server.

        Args:
            hub: The hub.
            options: Further arguments of WebPubSubServer.
        """
        import asyncio  # noqa: PLC0415 - see the top

        from hubbub.sdk.server.server import WebPubSubServer  # noqa: PLC0415 - as above

        server = WebPubSubServer(self._gateway.connection_string, hub, **options)
        await server.__aenter__()
        self._servers.append((asyncio.get_running_loop(), server))
        return server

    def close_all(self) -> None:
        """Close them all, where their loop can still do it."""
        self._gateway.thaw()
        servers, self._servers = self._servers, []

        async def leave(server: WebPubSubServer) -> None:
            await server.__aexit__(None, None, None)

        _close([(loop, partial(leave, server)) for loop, server in servers])


def _close(opened: list[tuple[asyncio.AbstractEventLoop, Close]]) -> None:
    """Close on each loop what lives there; a closed loop has cancelled its tasks."""
    for loop in {loop for loop, _ in opened}:
        if not loop.is_closed() and not loop.is_running():
            mine = [close for home, close in opened if home is loop]
            loop.run_until_complete(_in_time(mine))


async def _in_time(closes: list[Close]) -> None:
    import asyncio  # noqa: PLC0415 - see the top

    tasks = [asyncio.create_task(close()) for close in closes]
    _, late = await asyncio.wait(tasks, timeout=_LEAVE)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
