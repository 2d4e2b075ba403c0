"""The end of a hub in order: clients, then events under way, then servers.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import commands, internal
from hubbub.actors.upstream_mail import Quiesce

if TYPE_CHECKING:
    from hubbub.actors.abroad import Abroad
    from hubbub.actors.attachments import Attachments
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.upstream_mail import ToUpstream

DRAINING: Final = internal.End(
    1001, "the gateway is shutting down", "ServiceReload", "ServiceReload"
)
"""How a connection ends in a drain."""

LINGER: Final = 1.0
"""Seconds that servers stay for the events of peers, which often drain as well."""


class Rested(msgspec.Struct, frozen=True):
    """The upstream has come to rest, a message of the hub to itself."""


class Lingered(msgspec.Struct, frozen=True):
    """Peers had their time, a message of the hub to itself."""


class Draining:
    """What a drain waits for.

    Args:
        hub: The actor whose timers these are.
        servers: The attached servers.
        abroad: The peers.
    """

    def __init__(self, hub: LoopActor, servers: Attachments, abroad: Abroad) -> None:
        self._hub = hub
        self._servers = servers
        self._abroad = abroad
        self._answer: Ref[bool] | None = None
        self._resting = self._rested = self._lingered = False

    @property
    def under_way(self) -> bool:
        """Whether it has begun: nobody is let in any more."""
        return self._answer is not None

    def begin(self, answer: Ref[bool]) -> None:
        """Note whom to tell; the hub ends its connections."""
        self._answer = answer

    def go_on(self, upstream: Ref[ToUpstream], *, clients: bool) -> None:
        """Once no client is left, let the upstream rest, then let servers go."""
        if self._answer is None or clients:
            return
        if not self._resting:
            self._resting = True
            self._quiesce(upstream)
        elif self._rested and not len(self._servers):
            self._answer.post(True)

    def rested(self) -> None:
        """Let servers go, but for the events that peers give them."""
        if self._abroad.links and len(self._servers) and not self._lingered:
            self._hub.after(LINGER, Lingered())
        else:
            self._rested = True
            self._servers.dismiss()

    def lingered(self, upstream: Ref[ToUpstream]) -> None:
        """Wait for what peers gave meanwhile."""
        self._lingered = True
        self._quiesce(upstream)

    def stop(self) -> None:
        """Send servers off also when it did not end in time."""
        if self._answer is not None:
            self._servers.dismiss()

    def _quiesce(self, upstream: Ref[ToUpstream]) -> None:
        upstream.post(Quiesce(commands.Receipt(self._hub.address, Rested())))
