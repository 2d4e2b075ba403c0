"""One epoch of a link, while it lasts: batches both ways, and signs of life.

A part of the link: it runs in the link's turns. Knows numbers, not what they number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.policy.sequence import Arrival, Received

if TYPE_CHECKING:
    from hubbub.actors.messages import mesh, peers
    from hubbub.actors.outbox import Outbox


class Epoch:
    """What both sides have of each other's batches.

    Args:
        outbox: What goes to the peer.
        pace: Times and bounds.
        now: When it began.
    """

    __slots__ = ("_complained", "_pace", "_received", "heard", "outbox", "since")

    def __init__(self, outbox: Outbox, pace: mesh.Pace, now: float) -> None:
        self.outbox = outbox
        self.since = now
        self.heard = now
        """When the peer last gave a sign of life."""
        self._pace = pace
        self._received = Received()
        self._complained = -1

    def beat(self, beat: peers.Heartbeat, now: float) -> int:
        """Take a sign of life; gives how many batches were sent again."""
        outbox = self.outbox
        self.heard = now
        outbox.acknowledge(beat.received)
        resent = outbox.resend() if beat.missing else 0
        if beat.sent > self._received.number:
            outbox.beat(missing=True)
        return resent

    def batch(self, batch: peers.Batch, now: float) -> tuple[peers.Message, ...]:
        """Take a batch; gives its messages if it is the next, else nothing."""
        outbox = self.outbox
        self.heard = now
        outbox.acknowledge(batch.received)
        match self._received.take(batch.number):
            case Arrival.NEXT:
                outbox.take(batch.number, prompt=batch.prompt)
                return batch.messages
            case Arrival.SEEN:
                outbox.owed += 1  # the peer has not heard that we have it
            case Arrival.EARLY if self._complained != self._received.number:
                # Once for each gap: the answer is all that is missing.
                self._complained = self._received.number
                outbox.beat(missing=True)
            case Arrival.EARLY:
                pass  # if that got lost as well, the next sign of life says so
        return ()

    def acknowledge(self) -> None:
        """Say what was taken, if the peer does not know."""
        if self.outbox.owed:
            self.outbox.beat()

    def fault(self, now: float) -> str | None:
        """Say why the epoch is to end, if it is."""
        silent = now - self.heard
        if silent > self._pace.silence:
            return f"it was silent for {silent:.0f} seconds"
        if self.outbox.is_stuck(now - self._pace.stall):
            return "it does not keep up"
        return None
