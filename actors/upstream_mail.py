"""What an upstream is told besides events, and how it is set up."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import commands, events
from hubbub.actors.messages.servers import Rule
from hubbub.actors.runtime.address import Address, Ref
from hubbub.actors.runtime.supervision import Ended, Restarted
from hubbub.actors.seats import Key, ServerRef
from hubbub.actors.workers import Revive


class ServerSetup(msgspec.Struct, frozen=True):
    """How a hub treats its attached servers.

    Args:
        first: Whether they take precedence over configured handlers.
        required: Whether clients are refused while none takes ``connect``.
        timeout: Seconds until an event fails that a server has.
        grace: Seconds that events wait for a server when the last one has gone.
    """

    first: bool = True
    required: bool = False
    timeout: float = 100.0
    grace: float = 10.0


class Configure(msgspec.Struct, frozen=True):
    """Swap the handlers; one with an equal spec goes on undisturbed."""

    specs: tuple[HandlerSpec, ...]
    setup: ServerSetup = ServerSetup()


class Declare(msgspec.Struct, frozen=True):
    """A server takes these events from now on; the receipt misses too many rules.

    ``supersede`` as in ``servers.Handle``; ``remote`` tells that it is attached to
    another gateway.
    """

    server: ServerRef
    rules: tuple[Rule, ...]
    window: int
    receipt: commands.Receipt | None = None
    supersede: bool = False
    remote: bool = False


class Retire(msgspec.Struct, frozen=True):
    """A server wants no more events; pay once it has answered what it has."""

    server: ServerRef
    receipt: commands.Receipt | None = None


class Leave(msgspec.Struct, frozen=True):
    """A server is gone; what it had is given to another."""

    server: ServerRef


class Host(msgspec.Struct, frozen=True):
    """Give a server an event of another gateway's, which waits for the outcome.

    ``back`` is told instead when the server wants no more, and has not seen it.
    """

    server: Address
    delivery: events.Delivery
    back: Ref[events.Withdrawn]


class Recall(msgspec.Struct, frozen=True):
    """An event is taken back, by its own gateway or by the one of the server."""

    key: Key


class Quiesce(msgspec.Struct, frozen=True):
    """Pay once no event is under way, notices included."""

    receipt: commands.Receipt


class Expired(msgspec.Struct, frozen=True):
    """An event's time is up, a message to oneself.

    ``turn`` tells the time that is meant from one that was set for the event later.
    """

    key: Key
    turn: int


ToUpstream: TypeAlias = (
    events.Delivery
    | events.Answered
    | Declare
    | Retire
    | Leave
    | Host
    | Recall
    | Configure
    | Quiesce
    | Expired
    | Revive
    | Ended
    | Restarted
)
