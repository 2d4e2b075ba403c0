"""How a link stands: what is told of it, to the log and to those who inspect the mesh.

A part of the link: it runs in the link's turns. It decides nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.actors.messages import mesh

if TYPE_CHECKING:
    from hubbub.actors.epoch import Epoch

logger = logging.getLogger(__name__)


class Counters:
    """What is counted of the peers at one endpoint, over epochs and processes."""

    __slots__ = ("epoch", "lost", "received", "relayed", "resent")

    def __init__(self) -> None:
        self.epoch = self.relayed = self.received = self.resent = self.lost = 0


class Standing:
    """What one link has come to.

    Args:
        peer: The peer's id.
        endpoint: Where it is.
        counters: What is counted there.
        now: When the link began.
    """

    __slots__ = ("_endpoint", "_peer", "_state", "counters", "met", "since", "trouble")

    def __init__(
        self, peer: str, endpoint: str, counters: Counters, now: float
    ) -> None:
        self._peer = peer
        self._endpoint = endpoint
        self._state = mesh.LinkState.GREETING
        self.counters = counters
        self.met = False
        """Whether it has ever been up."""
        self.since = now
        """When it last came up or went down."""
        self.trouble = ""
        """Why it is not up, if that is known."""

    def rise(self, now: float) -> None:
        """Tell that the link is up."""
        self._state, self.trouble = mesh.LinkState.UP, ""
        self.met, self.since = True, now
        self.counters.epoch += 1
        text = "peer %s at %s is linked, epoch %d"
        logger.info(text, self._peer, self._endpoint, self.counters.epoch)

    def fall(self, reason: str, lost: int, now: float) -> None:
        """Tell that the link is up no more, and what the peer did not get."""
        self._state, self.trouble = mesh.LinkState.GREETING, reason
        self.since = now
        self.counters.lost += lost
        level = logging.WARNING if lost else logging.INFO
        text = "peer %s at %s is gone: %s; %d messages lost"
        logger.log(level, text, self._peer, self._endpoint, reason, lost)

    def refused(self, reason: str) -> None:
        """Tell that the peer does not want us."""
        self._state, self.trouble = mesh.LinkState.REFUSED, reason

    def view(self, epoch: Epoch | None, now: float) -> mesh.PeerView:
        """Show it."""
        counters = self.counters
        return mesh.PeerView(
            self._endpoint,
            self._peer,
            self._state,
            counters.epoch,
            0.0 if epoch is None else now - self.since,
            now - (self.since if epoch is None else epoch.heard),
            0 if epoch is None else epoch.outbox.unacknowledged,
            counters.relayed,
            counters.received,
            counters.resent,
            counters.lost,
            self.trouble,
        )
