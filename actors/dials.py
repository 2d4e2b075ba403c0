"""Where gateways may be: addresses that are knocked at until somebody greets.

A part of the mesh: it runs in the mesh's turns. Knows addresses and knocks; which
gateway is behind one it learns from the greeting, and whether that is up, from others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.actors.messages import mesh, peers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from hubbub.actors.runtime.dispatcher import Dispatcher
    from hubbub.actors.runtime.ports import Channel

logger = logging.getLogger(__name__)

MOST_LEARNED = 1000
"""Addresses that peers may tell of."""


class Dial:
    """One address, and who answered there last."""

    __slots__ = ("channel", "gateway", "number", "refused", "seed", "since", "trouble")

    def __init__(self, number: int, since: float, *, seed: bool) -> None:
        self.number = number
        self.since = since
        self.seed = seed
        self.gateway = ""
        self.channel: Channel | None = None
        self.refused = False
        self.trouble = ""

    def hang_up(self) -> None:
        """Close the way there: the link has its own."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None


class Dials:
    """Knocks at addresses.

    Args:
        setup: The wire, and how long an address that was heard of is tried.
        own: Gives what this gateway says when it knocks, with a number.
        dispatcher: Its clock and its random source.
    """

    def __init__(
        self,
        setup: mesh.MeshSetup,
        own: Callable[[int], peers.Knock],
        dispatcher: Dispatcher,
    ) -> None:
        self._wire = setup.wire
        self._pace = setup.pace
        self._own = own
        self._dispatcher = dispatcher
        self._dials: dict[str, Dial] = {}

    def seeds(self, endpoints: Iterable[str]) -> None:
        """Take these for the seeds, in place of those before."""
        wanted = dict.fromkeys(endpoints)
        for endpoint, dial in list(self._dials.items()):
            if dial.seed and endpoint not in wanted:
                dial.hang_up()
                del self._dials[endpoint]
        for endpoint in wanted:
            self._add(endpoint, seed=True)

    def learn(self, endpoints: Iterable[str]) -> None:
        """Hear from a peer where others are."""
        for endpoint in endpoints:
            if len(self._dials) < MOST_LEARNED:
                self._add(endpoint, seed=False)

    def knock(self, linked: Collection[str], here: Collection[str]) -> None:
        """Knock where nobody is known to be.

        Args:
            linked: Ids of gateways that have a link, this one among them.
            here: Addresses at which those gateways are.
        """
        now = self._dispatcher.now()
        for endpoint, dial in list(self._dials.items()):
            if endpoint in here or dial.gateway in linked:
                dial.hang_up()
                dial.since, dial.trouble, dial.refused = now, "", False
            elif not dial.seed and now - dial.since > self._pace.silence:
                dial.hang_up()
                del self._dials[endpoint]
            else:
                self._knock(endpoint, dial)

    def greeted(self, number: int, gateway: str) -> None:
        """Hear who is where we knocked."""
        for dial in self._dials.values():
            if dial.number == number:
                dial.gateway, dial.trouble, dial.refused = gateway, "", False

    def refused(self, number: int, reason: str) -> bool:
        """Hear that we are not wanted; False if we did not knock."""
        for endpoint, dial in self._dials.items():
            if dial.number == number:
                if dial.trouble != reason:
                    logger.warning("%s refuses to be a peer: %s", endpoint, reason)
                dial.refused, dial.trouble = True, reason
                return True
        return False

    def troubled(self, endpoint: str, reason: str) -> None:
        """Hear why an address cannot be reached."""
        dial = self._dials.get(endpoint)
        if dial is not None and dial.trouble != reason:
            dial.trouble = reason
            logger.warning("%s cannot be a peer: %s", endpoint, reason)

    def views(self) -> tuple[mesh.PeerView, ...]:
        """Show the addresses where nobody has greeted, or not any more."""
        refused, greeting = mesh.LinkState.REFUSED, mesh.LinkState.GREETING
        return tuple(
            mesh.PeerView(
                endpoint,
                state=refused if dial.refused else greeting,
                trouble=dial.trouble,
            )
            for endpoint, dial in self._dials.items()
            if dial.channel is not None or dial.trouble
        )

    def open(self, synced: Collection[str], here: Collection[str]) -> list[str]:
        """Give the addresses where nobody is who has told all that it wants."""
        return [
            endpoint
            for endpoint, dial in self._dials.items()
            if dial.gateway not in synced and endpoint not in here
        ]

    def close(self) -> None:
        """Knock no more."""
        for dial in self._dials.values():
            dial.hang_up()

    def _add(self, endpoint: str, *, seed: bool) -> None:
        known = self._dials.get(endpoint)
        if known is not None:
            known.seed = known.seed or seed
            return
        self._dials[endpoint] = Dial(
            self._dispatcher.random.getrandbits(63) | 1,
            self._dispatcher.now(),
            seed=seed,
        )

    def _knock(self, endpoint: str, dial: Dial) -> None:
        if dial.channel is None:
            try:
                dial.channel = self._wire.dial(endpoint)
            except ValueError as error:
                self.troubled(endpoint, str(error))
                return
        dial.channel.send(self._own(dial.number))
