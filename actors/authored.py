"""What classes of users' own are built with, and an actor that is nothing but theirs.

A constructor of an author's takes no argument: the hub it belongs to is handed over
while it is built, on the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec
import pykka

from hubbub.actors.facade import HubFacade
from hubbub.actors.runtime.actor import LoopActor

_hub_given: ContextVar[HubFacade] = ContextVar("hub of the actor being built")


def hub_given() -> HubFacade:
    """Give the hub of the actor that is being built.

    Raises:
        LookupError: None is: the class was called by hand.
    """
    return _hub_given.get()


class Build(msgspec.Struct, frozen=True):
    """Builds an actor for a hub; equal when what it calls is equal.

    Args:
        kind: The class, or anything that gives an instance when called.
    """

    kind: Callable[[], pykka.Actor]

    def __call__(self, hub: HubFacade) -> pykka.Actor:
        """Build an instance that talks back to this hub.

        Raises:
            TypeError: Its constructor does not call that of its base class.
        """
        token = _hub_given.set(hub)
        try:
            actor = self.kind()
        finally:
            _hub_given.reset(token)
        if not hasattr(actor, "hub"):
            kind = type(actor).__name__
            raise TypeError(f"{kind}.__init__ must call super().__init__()")
        return actor


class HubActor(LoopActor):
    """An actor of an author's own that lives as long as its hub.

    Override ``on_start`` and ``on_receive``; ``self.hub`` publishes and asks,
    ``self.after(seconds, message)`` sends a message to oneself later. Its turns must
    not block. When it fails it is built anew, after a pause.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hub = hub_given()

    def on_receive(self, message: Any) -> None:
        """Hear what was sent to this actor; nothing is, unless it does so itself."""


class ActorSpec(msgspec.Struct, frozen=True):
    """A further actor of a hub, as configured."""

    name: str
    """For logs."""
    factory: Callable[[HubFacade], pykka.Actor]
    """Builds an instance; called on the loop's thread, within a spawn."""
