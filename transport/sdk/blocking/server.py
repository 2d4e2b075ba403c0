"""A server for scripts: the verbs of WebPubSubServer, without await."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from hubbub.sdk.blocking.declaring import BlockingDeclaringServer
from hubbub.sdk.blocking.loop import BlockingLoop
from hubbub.sdk.blocking.manager import BlockingManager
from hubbub.sdk.blocking.targets import (
    BlockingClientHandle,
    BlockingGroupHandle,
    BlockingUserHandle,
)
from hubbub.sdk.server.server import EVERYTHING, WebPubSubServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType


class BlockingWebPubSubServer(BlockingDeclaringServer):
    """A server of one hub: ``with BlockingWebPubSubServer(...) as server:``.

    It runs in a thread of its own. Its verbs are those of WebPubSubServer, with the
    same arguments and exceptions; they wait until they are done. The functions it
    calls run in threads, and may use its verbs. They may also be async; then they
    must not.

    Args:
        connection_string: Where the gateway is, and the key to it.
        hub: The hub's name.
        roles: What the server may do, joined by ``+`` or as a list.
        options: Any other argument of WebPubSubServer.

    Raises:
        ValueError: An argument makes no sense.
    """

    def __init__(
        self,
        connection_string: str,
        hub: str,
        roles: str | Iterable[str] = EVERYTHING,
        **options: Any,
    ) -> None:
        server = WebPubSubServer(connection_string, hub, roles, **options)
        super().__init__(BlockingLoop(), server)
        self._closed = threading.Event()
        self.manager = BlockingManager(self._loop, server.manager)
        """The commands of the REST API, by the names they have in its packages."""

    def __repr__(self) -> str:
        return f"<Blocking{repr(self._server)[1:]}"

    @property
    def hub(self) -> str:
        """The hub's name."""
        return self._server.hub

    @property
    def server_id(self) -> str | None:
        """What the gateway calls this server."""
        return self._server.server_id

    @property
    def attached(self) -> bool:
        """Whether it is connected, with everything declared in force."""
        return self._server.attached

    @property
    def lost(self) -> int:
        """How many messages were dropped because a function was too slow."""
        return self._server.lost

    # Sending.

    def publish(  # noqa: PLR0913 - keywords
        self,
        group: str,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Publish to a group, and wait until it is handed out."""
        self._loop.run(
            self._server.publish(
                group,
                data,
                no_echo=no_echo,
                excluded=excluded,
                filter=filter,
                ttl=ttl,
                metadata=metadata,
                timeout=timeout,
            )
        )

    def send_to_all(
        self,
        data: object,
        *,
        no_echo: bool = False,
        excluded: Iterable[str] = (),
        filter: str | None = None,  # noqa: A002 - the word of the service
        ttl: int = 0,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send a message to every connection of the hub."""
        self._loop.run(
            self._server.send_to_all(
                data,
                no_echo=no_echo,
                excluded=excluded,
                filter=filter,
                ttl=ttl,
                metadata=metadata,
                timeout=timeout,
            )
        )

    def client(self, connection_id: str) -> BlockingClientHandle:
        """Give a handle on one client connection."""
        return BlockingClientHandle(self._loop, self._server.client(connection_id))

    def user(self, user_id: str) -> BlockingUserHandle:
        """Give a handle on the connections of a user."""
        return BlockingUserHandle(self._loop, self._server.user(user_id))

    def group(self, name: str) -> BlockingGroupHandle:
        """Give a handle on a group."""
        return BlockingGroupHandle(self._loop, self._server.group(name))

    def client_url(
        self,
        *,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        minutes: float = 60,
    ) -> str:
        """Sign a URL with which a client can connect to the hub."""
        return self._server.client_url(
            user_id=user_id, roles=roles, groups=groups, minutes=minutes
        )

    # Beginning and end.

    def start(self) -> None:
        """Connect, and declare everything."""
        self._loop.start()
        try:
            self._loop.run(self._server.start())
        except BaseException:
            self._end()
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is closed; Ctrl-C interrupts it.

        Args:
            timeout: Seconds to wait; None for no limit.

        Returns:
            Whether it is closed.
        """
        return self._closed.wait(timeout)

    def wait_attached(self, timeout: float = 10.0) -> None:
        """Wait until it is connected, with everything declared in force."""
        self._loop.run(self._server.wait_attached(timeout))

    def drain(self, timeout: float | None = None) -> None:
        """Take no more events, and wait until those under way are answered."""
        self._loop.run(self._server.drain(timeout))

    def close(self) -> None:
        """Drain, but in time, and detach for good; harmless when it is closed."""
        if self._closed.is_set():
            return
        try:
            if self._loop.is_running:
                self._loop.run(self._server.close())
        finally:
            self._end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._loop.stop()
        self._closed.set()
