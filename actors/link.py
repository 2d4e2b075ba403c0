"""The bond to one peer: greeting, signs of life, numbered batches both ways, its end.

Knows no bytes, and nothing of what a message means to a hub (``link_inbox``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors import link_mail
from hubbub.actors.epoch import Epoch
from hubbub.actors.link_calls import Ask, Calls
from hubbub.actors.link_inbox import Inbox
from hubbub.actors.messages import commands, counting, internal, mesh, peers
from hubbub.actors.outbox import Outbox
from hubbub.actors.policy.greeting import Greeting, Step
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.standing import Standing

if TYPE_CHECKING:
    from hubbub.actors.directory import Directory
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Channel
    from hubbub.actors.standing import Counters

logger = logging.getLogger(__name__)

ACK_SECONDS = 0.05
"""Longest time until the sender of a batch hears that it was taken."""


class Link(LoopActor):
    """One peer gateway, over its epochs.

    Args:
        hello: What this gateway says of itself.
        peer: The peer's id.
        endpoint: Where it is.
        channel: The way there.
        directory: Where what it wants is written.
        parent: The mesh.
        pace: Times and bounds.
        counters: What is counted at its endpoint.
    """

    registered = True

    def __init__(  # noqa: PLR0913, PLR0917 - what a link is made of
        self,
        hello: peers.Hello,
        peer: str,
        endpoint: str,
        channel: Channel,
        directory: Directory,
        parent: Ref[link_mail.FromLink],
        pace: mesh.Pace,
        counters: Counters,
    ) -> None:
        super().__init__()
        self._own = hello
        self._peer = peer
        self._endpoint = endpoint
        self._channel = channel
        self._directory = directory
        self._mesh = parent
        self._pace = pace
        self._calls = Calls(peer, self.dispatcher.now)
        self._inbox = Inbox(directory, self.address)
        self._greeting = Greeting(lambda: self.dispatcher.random.getrandbits(63) | 1)
        self._epoch: Epoch | None = None
        self._introducing = 0
        self._acknowledging = self._leaving = False
        self._standing = Standing(peer, endpoint, counters, self.dispatcher.now())
        self._counters = counters

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Link {self._peer}"

    def on_start(self) -> None:
        """Greet the peer."""
        self._greet()
        self.after(self._pace.heartbeat, link_mail.Tick())

    def on_receive(self, message: link_mail.ToLink) -> None:
        """Take a packet of the peer's, or what is to go to it."""
        match message:
            case peers.Relay():
                self._relay(message)
            case peers.Batch():
                self._batch(message)
            case peers.Heartbeat():
                self._beat(message)
            case peers.Hello(nonce=nonce, echo=echo):
                self._step(self._greeting.hear(nonce, echo))
            case peers.Knock(number=number):
                self._greet(number)
            case peers.Malformed(tag=tag, reason=reason):
                if self._greeting.fits(tag):
                    self._down(f"what it sent cannot be read: {reason}")
            case peers.Refusal(number=number, reason=reason):
                if self._epoch is None and number == self._greeting.offer.own:
                    self._standing.refused(reason)
            case peers.Trouble(reason=reason):
                self._standing.trouble = reason
                if self._epoch is not None:
                    self._directory.miss(self.address)
            case link_mail.Announce(message=announced, receipt=receipt):
                self._announce(announced, receipt)
            case Ask():
                self._ask(message)
            case link_mail.Introduced():
                self._introduced()
            case link_mail.Tick():
                self._tick()
            case link_mail.Acknowledge():
                self._acknowledge()
            case link_mail.Leave():
                self._leave()
            case link_mail.End(reason=reason):
                self._down(reason)
                # What is posted to a link that hubs believe to be up is still answered.
                self.after(self._pace.heartbeat, link_mail.Depart())
            case link_mail.Depart():
                self.stop()
            case link_mail.View(answer=answer):
                answer.post(self._standing.view(self._epoch, self.dispatcher.now()))
            case _:
                self._put(message)

    # What goes to the peer.

    def _relay(self, relay: peers.Relay) -> None:
        """Pass on a publication; one that was under way when the link fell is lost."""
        if self._epoch is None:
            self._counters.lost += 1
        else:
            self._counters.relayed += 1
            self._epoch.outbox.put(relay)

    def _put(self, message: peers.Message) -> None:
        """Send to a peer that is there; one that comes will hear all that holds."""
        if self._epoch is not None:
            self._epoch.outbox.put(message)

    def _announce(self, message: peers.Message, receipt: commands.Receipt) -> None:
        if self._epoch is None:
            receipt.pay()
        else:
            self._epoch.outbox.put(message, receipt)

    def _ask(self, ask: Ask) -> None:
        if self._epoch is None:
            ask.answer.post(self._calls.gone)
        else:
            self._epoch.outbox.put(self._calls.begin(ask, self._pace.answer))

    # The greeting.

    def _greet(self, knock: int = 0) -> None:
        own, theirs = self._greeting.offer
        hello = msgspec.structs.replace(self._own, nonce=own, echo=theirs, knock=knock)
        self._channel.send(hello)

    def _step(self, step: Step) -> None:
        match step:
            case Step.GREET:
                self._greet()
            case Step.PROVE:
                if self._epoch is not None:
                    self._epoch.outbox.beat()
            case Step.RISE:
                self._up()
            case Step.RENEW:
                self._end("it begins anew")
                self._up()
            case Step.IGNORE:
                pass

    def _up(self) -> None:
        pace, now = self._pace, self.dispatcher.now()
        outbox = Outbox(
            self._channel,
            self._own.gateway,
            self._greeting.current.theirs,
            self.dispatcher,
            pace.queue_bytes,
        )
        self._epoch = Epoch(outbox, pace, now)
        self._directory.links[self._peer] = self.address
        outbox.beat()
        self._standing.rise(now)
        # The hubs say what they want, the mesh who else is here.
        self._introducing = 1 + len(self._directory.hubs)
        for hub in self._directory.hubs.values():
            hub.post(internal.Greet(self.address))
        self._mesh.post(link_mail.Up(self._peer))

    def _introduced(self) -> None:
        self._introducing -= 1
        if self._introducing == 0:
            self._put(peers.Complete())

    # What comes from the peer.

    def _current(self, tag: int) -> Epoch | None:
        """Give the epoch that a tag belongs to; hearing it may be what begins it."""
        self._step(self._greeting.tagged(tag))
        if not self._greeting.fits(tag):
            return None
        self._standing.trouble = ""  # whatever it was, the peer is heard again
        self._directory.unreachable.pop(self.address, None)
        return self._epoch

    def _beat(self, beat: peers.Heartbeat) -> None:
        epoch = self._current(beat.tag)
        if epoch is None:
            return
        self._counters.resent += epoch.beat(beat, self.dispatcher.now())
        if self._leaving and not epoch.outbox.unacknowledged:
            self.stop()

    def _batch(self, batch: peers.Batch) -> None:
        epoch = self._current(batch.tag)
        if epoch is None:
            return
        for message in epoch.batch(batch, self.dispatcher.now()):
            self._take(message)
        if epoch.outbox.owed and not self._acknowledging:
            self._acknowledging = True
            self.after(ACK_SECONDS, link_mail.Acknowledge())

    def _acknowledge(self) -> None:
        self._acknowledging = False
        if self._epoch is not None:
            self._epoch.acknowledge()

    def _take(self, message: peers.Message) -> None:
        match message:
            case peers.Relay():
                self._counters.received += 1
                self._inbox.take(message)
            case peers.Return():
                self._calls.end(message)
            case peers.Complete():
                self._mesh.post(link_mail.Synced(self._peer))
            case peers.Acquaintances() | counting.Inquire() | counting.Counted():
                self._mesh.post(link_mail.FromPeer(self._peer, message))
            case peers.Goodbye():
                self._acknowledge()
                self._down("it said goodbye", in_order=True)
                self._mesh.post(link_mail.Lapsed(self._peer))
            case _:
                self._inbox.take(message)

    # Time, and the end.

    def _tick(self) -> None:
        self.after(self._pace.heartbeat, link_mail.Tick())
        epoch, pace, now = self._epoch, self._pace, self.dispatcher.now()
        if epoch is None:
            self._greet()
            standing = self._standing
            patience = pace.remembered if standing.met else pace.silence
            if now - standing.since > patience:
                self._mesh.post(link_mail.Lapsed(self._peer))
            return
        self._calls.expire()
        late = epoch.outbox.pay_late(now - pace.knowing)
        if late:
            logger.warning("peer %s has not confirmed %d joins", self._peer, late)
        fault = epoch.fault(now)
        if fault is not None:
            self._down(fault)
        else:
            epoch.outbox.beat()

    def _down(self, reason: str, *, in_order: bool = False) -> None:
        self._greeting.fall()
        self._end(reason, in_order=in_order)

    def _end(self, reason: str, *, in_order: bool = False) -> None:
        """End the epoch: what the peer does not have is lost, and counted."""
        epoch = self._epoch
        if epoch is None:
            return
        self._epoch = None
        self._directory.lose(self._peer, self.address)
        unsaid = epoch.outbox.close()
        lost = 0 if in_order else unsaid
        self._standing.fall(reason, lost, self.dispatcher.now())
        self._calls.close()

    def _leave(self) -> None:
        """Leave in order: once the peer has taken all, or does not in time."""
        if self._epoch is None:
            self.stop()
            return
        self._leaving = True
        self._epoch.outbox.put(peers.Goodbye())
        self.after(self._pace.knowing, link_mail.Depart())

    def on_stop(self) -> None:
        """Leave nobody waiting."""
        self._down("this gateway ends the link")
        self._channel.close()

    def on_broken(self) -> None:
        """Leave nobody waiting; the peer is greeted anew."""
        self._down("the link failed")
        self._channel.close()
