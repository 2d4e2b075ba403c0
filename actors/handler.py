"""Event handlers as their authors write them, and how one is built for a hub.

Base classes turn deliveries into method calls and results into answers. They do not
choose who hears of what (``policy.routes``) and set no deadlines (``upstream``).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, assert_never

import msgspec
import pykka

from hubbub.actors.authored import hub_given
from hubbub.actors.facade import HubFacade
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import Route, event_name, failure
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.thread import ThreadActor

T = TypeVar("T")

Maybe: TypeAlias = T | Awaitable[T]
"""What a method may return that may be ``async def``."""

logger = logging.getLogger(__name__)


class EventHandler(ThreadActor):
    """Answers the events of one hub in a thread of its own; its methods may block.

    Override what you need. A constructor of your own takes no argument and calls
    ``super().__init__()`` first; ``self.hub`` is there from then on. An exception
    fails the event it came from, and nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hub = hub_given()

    def on_connect(self, event: events.Connect) -> events.Accept | events.Reject | None:
        """Decide on a client that wants to connect; None accepts it as it is."""

    def on_connected(self, event: events.Connected) -> None:
        """Hear that a client is connected."""

    def on_event(self, event: events.UserEvent) -> events.Respond | events.Fail | None:
        """Answer an event that a client sent; None succeeds without a message."""

    def on_disconnected(self, event: events.Disconnected) -> None:
        """Hear that a client is gone for good."""

    def on_joined(self, event: events.Joined) -> None:
        """Hear that a client joined a group."""

    def on_left(self, event: events.Left) -> None:
        """Hear that a client left a group."""

    def on_publish(
        self, event: events.Publish
    ) -> events.Allow | events.Deny | events.Fail | None:
        """Decide on what a client wants to publish to a group; None allows it."""

    def on_subscribe(
        self, event: events.Subscribe
    ) -> events.Allow | events.Deny | events.Fail | None:
        """Decide on a client that wants to join a group; None allows it."""

    def on_receive(self, message: events.Delivery) -> None:
        """Call the method of an event and post what it answers."""
        event = message.event
        try:
            outcome = _outcome(event, _call(self, event))
        except BaseException as error:  # noqa: BLE001 - else sys.exit() ends the gateway
            outcome = _failed(self, event, error)
        _answer(message, outcome)


class AsyncEventHandler(LoopActor):
    """Answers the events of one hub on the loop; its methods may be ``async def``.

    As EventHandler otherwise. Events of different connections are under way at the
    same time. A method must not block.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hub = hub_given()

    def on_connect(
        self, event: events.Connect
    ) -> Maybe[events.Accept | events.Reject | None]:
        """Decide on a client that wants to connect; None accepts it as it is."""

    def on_connected(self, event: events.Connected) -> Maybe[None]:
        """Hear that a client is connected."""

    def on_event(
        self, event: events.UserEvent
    ) -> Maybe[events.Respond | events.Fail | None]:
        """Answer an event that a client sent; None succeeds without a message."""

    def on_disconnected(self, event: events.Disconnected) -> Maybe[None]:
        """Hear that a client is gone for good."""

    def on_joined(self, event: events.Joined) -> Maybe[None]:
        """Hear that a client joined a group."""

    def on_left(self, event: events.Left) -> Maybe[None]:
        """Hear that a client left a group."""

    def on_publish(
        self, event: events.Publish
    ) -> Maybe[events.Allow | events.Deny | events.Fail | None]:
        """Decide on what a client wants to publish to a group; None allows it."""

    def on_subscribe(
        self, event: events.Subscribe
    ) -> Maybe[events.Allow | events.Deny | events.Fail | None]:
        """Decide on a client that wants to join a group; None allows it."""

    def on_receive(self, message: events.Delivery | Settled) -> None:
        """Call the method of an event, or post what it has answered at last."""
        match message:
            case events.Delivery(event=event):
                try:
                    result = _call(self, event)
                except Exception as error:  # noqa: BLE001 - fails this event alone
                    _answer(message, _failed(self, event, error))
                else:
                    self._settle(message, result)
            case Settled(delivery=delivery, outcome=outcome, error=error):
                if error is not None:
                    outcome = _failed(self, delivery.event, error)
                _answer(delivery, outcome)
            case _:
                assert_never(message)

    def _settle(self, delivery: events.Delivery, result: Maybe[Any]) -> None:
        if not inspect.isawaitable(result):
            _answer(delivery, _outcome(delivery.event, result))
            return
        self.pipe(
            _wait_for(result),
            to=lambda done: Settled(delivery, _outcome(delivery.event, done)),
            failed=lambda error: Settled(delivery, error=error),
        )


class Settled(msgspec.Struct, frozen=True):
    """A coroutine of a handler has ended, a message to oneself."""

    delivery: events.Delivery
    outcome: events.Outcome | None = None
    error: BaseException | None = None


class HandlerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One event handler of a hub, as configured; equal specs are the same handler."""

    name: str
    """For logs; holds no secret."""
    factory: Callable[[HubFacade], pykka.Actor]
    """Builds an instance; called on the loop's thread, within a spawn."""
    route: Route
    """Which events it takes."""
    timeout: float = 100.0
    """Seconds until an event fails."""
    workers: int = 1
    """Instances; a connection stays with one."""

    def matches(self, event: events.Event) -> bool:
        """Tell whether this handler takes the event."""
        return self.route.matches(event)

    def wants_presence(self, name: str, group: str) -> bool:
        """Tell whether this handler hears of ``joined`` or ``left`` for a group."""
        return self.route.wants_presence(name, group)

    def intercepts(self, name: str) -> bool:
        """Tell whether this handler is asked at ``publish`` or ``subscribe``."""
        return name in self.route.interceptions


def _call(handler: EventHandler | AsyncEventHandler, event: events.Event) -> Any:
    match event:
        case events.Connect():
            return handler.on_connect(event)
        case events.UserEvent():
            return handler.on_event(event)
        case events.Connected():
            return handler.on_connected(event)
        case events.Disconnected():
            return handler.on_disconnected(event)
        case events.Joined():
            return handler.on_joined(event)
        case events.Left():
            return handler.on_left(event)
        case events.Publish():
            return handler.on_publish(event)
        case events.Subscribe():
            return handler.on_subscribe(event)
        case _:
            assert_never(event)


def _outcome(event: events.Event, result: Any) -> events.Outcome | None:
    """Read None as consent; what a notice returns means nothing."""
    match event:
        case events.Connect():
            return events.Accept() if result is None else result
        case events.UserEvent():
            return events.Respond() if result is None else result
        case events.Publish() | events.Subscribe():
            return events.Allow() if result is None else result
        case _:
            return None


def _failed(
    handler: EventHandler | AsyncEventHandler, event: events.Event, error: BaseException
) -> events.Outcome | None:
    logger.error(
        "%s failed at %s of connection %s",
        type(handler).__name__,
        event_name(event),
        event.client.connection_id,
        exc_info=error,
    )
    return failure(event, "The event handler failed.")


def _answer(delivery: events.Delivery, outcome: events.Outcome | None) -> None:
    event = delivery.event
    delivery.reply_to.post(
        events.Answered(event.client.connection_id, event.event_id, outcome)
    )


async def _wait_for(result: Awaitable[T]) -> T:
    return await result
