"""Whom a gateway meets, and whom it turns away: from a greeting to a link's place.

A part of the mesh: it runs in the mesh's turns.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from hubbub.actors.messages import mesh, peers
from hubbub.actors.policy.acceptance import fault

if TYPE_CHECKING:
    from hubbub.actors.runtime.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

MOST_COMPLAINTS: Final = 1000
"""Addresses whose faults are remembered, so that each is told once."""


class Reception:
    """Checks who greets.

    Args:
        setup: The wire and the name of the cluster.
        gateway: Our id.
        dispatcher: Its clock and timers.
    """

    def __init__(
        self, setup: mesh.MeshSetup, gateway: str, dispatcher: Dispatcher
    ) -> None:
        self._setup = setup
        self._gateway = gateway
        self._dispatcher = dispatcher
        self._complaints: dict[str, str] = {}

    def knock(self, number: int) -> peers.Knock:
        """Give what we say when we knock."""
        setup = self._setup
        return peers.Knock(
            peers.VERSION, setup.cluster, self._gateway, setup.wire.endpoint, number
        )

    def hello(self) -> peers.Hello:
        """Give what we say when we greet; the nonce is the link's."""
        setup = self._setup
        return peers.Hello(
            peers.VERSION, setup.cluster, self._gateway, setup.wire.endpoint, 0
        )

    def is_ourselves(self, greeting: peers.Knock | peers.Hello) -> bool:
        """Tell whether a seed has led us to our own address."""
        own = self._setup.wire.endpoint
        return greeting.gateway == self._gateway and greeting.endpoint == own

    def admits(self, greeting: peers.Knock | peers.Hello) -> bool:
        """Tell whether somebody may be a peer; else tell it why not."""
        reason = fault(greeting, self._setup.cluster, self._gateway)
        if reason is not None:
            self.refuse(greeting, reason)
        return reason is None

    def refuse(self, greeting: peers.Knock | peers.Hello, reason: str) -> None:
        """Tell somebody, and the log, why it cannot be a peer."""
        number = (
            greeting.number if isinstance(greeting, peers.Knock) else greeting.nonce
        )
        self.complain(greeting.endpoint, reason)
        if self.can_dial(greeting.endpoint):
            channel = self._setup.wire.dial(greeting.endpoint)
            channel.send(peers.Refusal(greeting.gateway, number, reason))
            # Not at once: what was sent must get through.
            self._dispatcher.call_later(self._setup.pace.heartbeat, channel.close)

    def can_dial(self, endpoint: str) -> bool:
        """Tell whether the wire goes to who greets; if not, the log says why."""
        try:
            self._setup.wire.dial(endpoint).close()
        except ValueError as error:
            self.complain(endpoint, f"it cannot be answered: {error}")
            return False
        return True

    def complain(self, endpoint: str, reason: str) -> None:
        """Say once what is wrong with a would-be peer."""
        if self._complaints.get(endpoint) != reason:
            if len(self._complaints) >= MOST_COMPLAINTS:
                self._complaints.clear()
            self._complaints[endpoint] = reason
            logger.warning("%s is refused as a peer: %s", endpoint, reason)
