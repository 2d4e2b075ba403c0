"""The verbs of a server that declare what it hears and handles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from hubbub.actors.messages.servers import ServerRole
from hubbub.sdk.errors import AckError, ClosedError
from hubbub.sdk.server.handlers import (
    Handler,
    Registry,
    check_point,
    event_rule,
)
from hubbub.sdk.server.orders import to_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hubbub.sdk.server.declarations import Declarations, Declared
    from hubbub.sdk.server.listening import Listening

F = TypeVar("F", bound="Callable[[Any], Any]")

_HANDLE: Final = ("handle", None)


class DeclaringServer:
    """What a server declares: part of WebPubSubServer.

    Args:
        roles: What it may do.
        declarations: Tells the gateway.
        listening: Its functions that hear things.
        registry: Its functions that handle events.
    """

    def __init__(
        self,
        roles: tuple[str, ...],
        declarations: Declarations,
        listening: Listening,
        registry: Registry,
    ) -> None:
        self.roles = roles
        self._declarations = declarations
        self._listening = listening
        self._registry = registry
        self._draining = False
        if registry.supersede:
            self._needs(ServerRole.SUBSCRIBER)
            declarations.declare(_HANDLE, registry.frame)

    @property
    def lost(self) -> int:
        """How many messages were dropped because a function was too slow."""
        return self._listening.lost

    # Listening.

    def subscribe(self, group: str, on_message: Callable[[Any], Any]) -> Declared:
        """Give a function what is published to a group, in order.

        Args:
            group: The group's name.
            on_message: Takes a ``Message``.

        Returns:
            Await it to know that it is in force; nobody needs to.

        Raises:
            AckError: The server has not the role ``subscriber``.
            ValueError: There can be no such group.
        """
        self._needs(ServerRole.SUBSCRIBER)
        return self._listening.subscribe(to_group(group)["group"], on_message)

    def subscribe_all(self, on_message: Callable[[Any], Any]) -> Declared:
        """Give a function all that is published in the hub, as ``HubMessage``."""
        self._needs(ServerRole.SUBSCRIBER)
        return self._listening.subscribe(None, on_message)

    def unsubscribe(
        self, group: str, on_message: Callable[[Any], Any] | None = None
    ) -> Declared:
        """Give a function, or all that had it, a group's messages no more."""
        return self._listening.unsubscribe(to_group(group)["group"], on_message)

    def unsubscribe_all(
        self, on_message: Callable[[Any], Any] | None = None
    ) -> Declared:
        """Give a function, or all that had them, the hub's messages no more."""
        return self._listening.unsubscribe(None, on_message)

    def watch(
        self,
        on_presence: Callable[[Any], Any],
        *,
        connections: bool = True,
        groups: Iterable[str] = ("*",),
    ) -> Declared:
        """Tell a function who comes and goes, as ``Presence``, and any before no more.

        Args:
            on_presence: The function.
            connections: Whether it hears of connections of the hub.
            groups: Patterns of the groups of which it hears who joins and leaves.

        Raises:
            AckError: The server has not the role ``manager``.
            ValueError: A pattern cannot be read.
        """
        self._needs(ServerRole.MANAGER)
        return self._listening.watch(on_presence, connections, groups)

    def unwatch(self) -> Declared:
        """Tell nobody who comes and goes."""
        return self._listening.unwatch()

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
    ) -> Declared: ...

    def handle_event(
        self,
        name: str,
        handler: Callable[[Any], Any] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        groups: str | None = None,
    ) -> Declared | Callable[[F], F]:
        """Let a function handle an event; without one, be a decorator.

        Args:
            name: ``connect``, ``connected``, ``disconnected``, ``joined``, ``left``; an
                interception point, ``publish`` or ``subscribe``, when a client wants to
                publish to a group or to join one; or a pattern of user events' names
                (``order.*``; ``publish,`` for one that is called publish).
            handler: Takes the event, and returns an outcome or None for consent; for
                a user event it may return what is to be sent back.
            filter: An expression over the connection and the event; only events for
                which it holds are sent here.
            groups: A pattern of groups, for what is about a group.

        Returns:
            Await it to know that it is in force; or the decorator.

        Raises:
            AckError: The server has not the role ``subscriber``.
            ValueError: Pattern or filter cannot be read, or it cannot be told from
                another handler.
            ClosedError: The server takes no more events.
        """
        rule = event_rule(name, filter, groups)
        if handler is not None:
            return self._register(Handler(rule, handler))

        def decorate(function: F) -> F:
            self._register(Handler(rule, function))
            return function

        return decorate

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
    ) -> Declared: ...

    def handle_events(
        self,
        point: str,
        handler: Callable[[Any], Any] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the word of the service
        groups: str | None = None,
    ) -> Declared | Callable[[F], F]:
        """Let a function decide what clients may ``publish``, or ``subscribe`` to.

        As ``handle_event``, for those two alone; the function returns ``Allow``,
        ``Deny`` or None.

        Raises:
            ValueError: There is no such interception point, or as above.
        """
        check_point(point)
        if handler is None:
            return self.handle_event(point, filter=filter, groups=groups)
        return self.handle_event(point, handler, filter=filter, groups=groups)

    def _register(self, handler: Handler) -> Declared:
        self._needs(ServerRole.SUBSCRIBER)
        if self._draining:
            raise ClosedError("the server takes no more events")
        self._registry.add(handler)
        return self._declarations.declare(
            _HANDLE,
            self._registry.frame,
            lambda: self._registry.remove(handler),
        )

    def _retire(self) -> None:
        """Take no more events, on later connections either."""
        self._draining = True
        self._declarations.forget(_HANDLE)

    def _needs(self, role: ServerRole) -> None:
        if role not in self.roles:
            raise AckError("Forbidden", f"this takes the role {role}")
