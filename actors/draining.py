"""The end of a hub in order: clients, then events under way, then servers.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import commands, internal
from hubbub.actors.upstream_mail import Quiesce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hubbub.actors.attachments import Attachments
    from hubbub.actors.offers import Offers
    from hubbub.actors.orders import Orders
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.upstream_mail import ToUpstream

DRAINING: Final = internal.End(
    1001, "the gateway is shutting down", "ServiceReload", "ServiceReload"
)
"""How a connection ends in a drain."""

PATIENCE: Final = 5.0
"""Seconds in which one session at least must move, or all that are left end."""

LINGER: Final = 1.0
"""Seconds that servers stay for the events of peers, which often drain as well."""


class OfDraining(msgspec.Struct, frozen=True):
    """What a hub that drains tells itself."""


class Rested(OfDraining, frozen=True):
    """The upstream has come to rest."""


class Lingered(OfDraining, frozen=True):
    """Peers had their time to give events to servers."""


class Declined(OfDraining, frozen=True):
    """No peer takes a session."""

    connection_id: str


class Stayed(OfDraining, frozen=True):
    """A session has not moved after all."""

    connection_id: str


class Stranded(OfDraining, frozen=True):
    """Time to see whether sessions still move.

    Args:
        left: How many there were.
    """

    left: int


class Draining:
    """What a drain waits for.

    Args:
        hub: The actor whose timers these are.
        servers: The attached servers.
        orders: Ends connections.
        offers: Finds gateways for sessions that can move.
        is_leaving: Tells whether a session is on its way elsewhere already.
    """

    def __init__(
        self,
        hub: LoopActor,
        servers: Attachments,
        orders: Orders,
        offers: Offers,
        is_leaving: Callable[[str], bool],
    ) -> None:
        self._is_leaving = is_leaving
        self._hub = hub
        self._servers = servers
        self._orders = orders
        self._offers = offers
        self._answer: Ref[bool] | None = None
        self._resting = self._rested = self._lingered = False

    @property
    def under_way(self) -> bool:
        """Whether it has begun: nobody is let in any more."""
        return self._answer is not None

    def begin(self, answer: Ref[bool], entries: Iterable[Entry]) -> None:
        """End all connections, but for sessions that a peer may take."""
        self._answer = answer
        for entry in tuple(entries):
            self.pass_on(entry)
        self._offers.go_on(self._orders.here)
        self._be_patient()

    def _be_patient(self) -> None:
        self._hub.after(PATIENCE, Stranded(len(self._orders.here)))

    def pass_on(self, entry: Entry) -> None:
        """Let a peer take a session, or end it."""
        if not self._offers.take(entry):
            self.end(entry)

    def end(self, entry: Entry) -> None:
        """End a connection."""
        self._orders.end(entry, DRAINING)

    def hear(self, message: OfDraining, upstream: Ref[ToUpstream]) -> None:
        """Go on as the hub reminded itself."""
        if not self.under_way:
            return
        here = self._orders.here
        match message:
            case Stayed(connection_id=connection_id):
                if (entry := here.get(connection_id)) is not None:
                    self.pass_on(entry)
            case Declined(connection_id=connection_id) if not self._is_leaving(
                connection_id
            ):
                if (entry := here.get(connection_id)) is not None:
                    self.end(entry)
            case Declined():
                pass  # a client came for it meanwhile; if it stays, that is told
            case Stranded(left=left) if len(here) < left:
                self._be_patient()
            case Stranded():
                for entry in tuple(here.values()):
                    self.end(entry)
            case Rested():
                self._rest()
            case Lingered():
                self._lingered = True
                self._quiesce(upstream)
            case _:
                raise AssertionError(f"{type(message).__name__} has no meaning here")

    def go_on(self, upstream: Ref[ToUpstream], *, clients: bool) -> None:
        """Once no client is left, let the upstream rest, then let servers go."""
        if self._answer is None:
            return
        self._offers.go_on(self._orders.here)
        if clients:
            return
        if not self._resting:
            self._resting = True
            self._quiesce(upstream)
        elif self._rested and not len(self._servers):
            self._answer.post(True)

    def _rest(self) -> None:
        """Let servers go, but for the events that peers give them."""
        if self._offers.links and len(self._servers) and not self._lingered:
            self._hub.after(LINGER, Lingered())
        else:
            self._rested = True
            self._servers.dismiss()

    def stop(self) -> None:
        """Send servers off also when it did not end in time."""
        if self._answer is not None:
            self._servers.dismiss()

    def _quiesce(self, upstream: Ref[ToUpstream]) -> None:
        upstream.post(Quiesce(commands.Receipt(self._hub.address, Rested())))
