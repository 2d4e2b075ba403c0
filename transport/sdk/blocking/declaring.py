"""The verbs of a blocking server that declare what it hears and handles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from hubbub.sdk.server.handlers import check_point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hubbub.sdk.blocking.loop import BlockingLoop
    from hubbub.sdk.server.declarations import Declared
    from hubbub.sdk.server.server import WebPubSubServer

F = TypeVar("F", bound="Callable[[Any], Any]")


class BlockingDeclaringServer:
    """What a server declares: part of BlockingWebPubSubServer.

    Args:
        loop: Runs the server.
        server: The server.
    """

    def __init__(self, loop: BlockingLoop, server: WebPubSubServer) -> None:
        self._loop = loop
        self._server = server

    # Listening.

    def subscribe(self, group: str, on_message: Callable[[Any], Any]) -> None:
        """Give a function what is published to a group, in order."""
        self._declare(lambda: self._server.subscribe(group, on_message))

    def subscribe_all(self, on_message: Callable[[Any], Any]) -> None:
        """Give a function all that is published in the hub, as ``HubMessage``."""
        self._declare(lambda: self._server.subscribe_all(on_message))

    def unsubscribe(
        self, group: str, on_message: Callable[[Any], Any] | None = None
    ) -> None:
        """Give a function, or all that had it, a group's messages no more."""
        self._declare(lambda: self._server.unsubscribe(group, on_message))

    def unsubscribe_all(self, on_message: Callable[[Any], Any] | None = None) -> None:
        """Give a function, or all that had them, the hub's messages no more."""
        self._declare(lambda: self._server.unsubscribe_all(on_message))

    def watch(
        self,
        on_presence: Callable[[Any], Any],
        *,
        connections: bool = True,
        groups: Iterable[str] = ("*",),
    ) -> None:
        """Tell a function who comes and goes, and any before no more."""
        server, patterns = self._server, tuple(groups)
        self._declare(
            lambda: server.watch(on_presence, connections=connections, groups=patterns)
        )

    def unwatch(self) -> None:
        """Tell nobody who comes and goes."""
        self._declare(self._server.unwatch)

    # Handling events.

    @overload
    def handle_event(
        self, name: str, *, filter: str | None = None, groups: str | None = None
    ) -> Callable[[F], F]: ...

    @overload
    def handle_event(
        self,
        name: str,
        handler: Callable[[Any], Any],
        *,
        filter: str | None = None,
        groups: str | None = None,
    ) -> None: ...

    def handle_event(
        self,
        name: str,
        handler: Callable[[Any], Any] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        groups: str | None = None,
    ) -> Callable[[F], F] | None:
        """Let a function handle an event; without one, be a decorator."""
        server = self._server

        def decorate(function: F) -> F:
            self._declare(
                lambda: server.handle_event(
                    name, function, filter=filter, groups=groups
                )
            )
            return function

        if handler is None:
            return decorate
        decorate(handler)
        return None

    @overload
    def handle_events(
        self, point: str, *, filter: str | None = None, groups: str | None = None
    ) -> Callable[[F], F]: ...

    @overload
    def handle_events(
        self,
        point: str,
        handler: Callable[[Any], Any],
        *,
        filter: str | None = None,
        groups: str | None = None,
    ) -> None: ...

    def handle_events(
        self,
        point: str,
        handler: Callable[[Any], Any] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        groups: str | None = None,
    ) -> Callable[[F], F] | None:
        """Let a function decide what clients may ``publish`` or ``subscribe`` to."""
        check_point(point)
        if handler is None:
            return self.handle_event(point, filter=filter, groups=groups)
        return self.handle_event(point, handler, filter=filter, groups=groups)

    def _declare(self, say: Callable[[], Declared]) -> None:
        if self._loop.is_running:
            self._loop.run(_in_force(say))
        else:
            say()


async def _in_force(say: Callable[[], Declared]) -> None:
    await say()
