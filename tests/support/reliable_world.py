"""Gateways, guests, publishers: what a state machine plays reliable sessions with."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hubbub.actors.messages import commands, events, internal, mesh, requests
from hubbub.actors.messages.payload import Text
from hubbub.actors.policy.retention import Bounds
from support.fakes import FakeSocket, Probe, publish, say
from support.moves_stage import MovesStage
from support.reliable_model import TRANSIT, Guest, Note, Wish

if TYPE_CHECKING:
    from support.mesh_stage import Node

BOUNDS = Bounds(messages=20, patience=8.0, window=30.0)
EVERYONE = commands.Everyone()
MOVED_IN = 4.0
"""Seconds after which a gateway that drains may have failed to hand something over."""
HURRY = 50.0
"""Seconds after which handlers are made to answer, well before their time is up."""


class World:
    """All that a machine acts upon, and what it knows of it."""

    def __init__(self) -> None:
        self.stage = MovesStage("", BOUNDS)
        self.open: list[Node] = []
        """Gateways that let clients in, and publish."""
        self.draining: dict[Node, tuple[Probe, float]] = {}
        self.guests: list[Guest] = []
        self.crashes = 0
        self._coming: dict[Node, Probe] = {}
        self._wishes: list[Wish] = []
        self._orders: list[tuple[Guest, bool | None, Probe]] = []
        self._past: list[str] = []
        self._recent: dict[str, tuple[Note, str]] = {}
        """What may come to anybody of that user, or to all."""
        self._said = 0

    def begin(self, size: int, homes: tuple[int, ...]) -> None:
        for name in "abc"[:size]:
            self.stage.add(name)
        self.stage.pass_by(3)
        self.open = list(self.stage.nodes)
        for user, home in zip(("alice", "bob"), homes, strict=True):
            self.guests.append(self.let_in(user, self.open[home % size]))

    def let_in(self, user: str, node: Node) -> Guest:
        """Let a client in whose session is a new one."""
        since = self.stage.loop.now - TRANSIT
        client = self.stage.enter(node, user, ["g"])
        guest = Guest(self.stage, BOUNDS, user, client, node)
        waiting = {note.text for wish in self._wishes for note in wish.notes}
        for note, origin in self._recent.values():
            if note.at > since or note.text in waiting:  # it may still come
                guest.note(origin, note.text, required=False)
        return guest

    # Messages.

    def publish(self, node: Node, kind: str, guest: Guest) -> None:
        """Publish to a group that all are in, or to another, to all, or to one."""
        text = self._text(f"{node.name[-1]} {kind}")
        target: commands.Target = EVERYONE
        concerned = self.guests
        match kind:
            case "g":
                target = commands.ToGroup("g")
            case "h":
                target = commands.ToGroup("h")
            case "user":
                target, concerned = commands.ToUser(guest.user), [guest]
            case "one":
                target = commands.ToConnection(guest.client.connection_id)
                concerned = [guest]
        for one in concerned:
            # A gateway that drains may have said goodbye to its peers.
            sure = node not in self.draining and (kind != "h" or one.is_in_h is True)
            note = self._note(one, f"{node.name} {kind}", text, required=sure)
            note.allowed = kind != "h" or one.is_in_h is not False
        node.command(publish(target, text))

    def say(self, guest: Guest) -> None:
        """Let a client publish with an ack id."""
        text = self._text(guest.user)
        request = say("g", text, ack_id=self._said)
        self._wish(guest, request, text, self.guests)

    def ask(self, guest: Guest) -> None:
        """Let a client ask the handler, which answers later."""
        text = self._text(f"event of {guest.user}")
        request = requests.SendEvent(text, Text(text), self._said)
        self._wish(guest, request, text, [guest])

    def _wish(
        self,
        guest: Guest,
        request: requests.SendToGroup | requests.SendEvent,
        text: str,
        concerned: list[Guest],
    ) -> None:
        origin = f"said {text}"
        notes = [self._note(one, origin, text, required=False) for one in concerned]
        now = self.stage.loop.now
        wish = Wish(guest, request, notes, guest.client.socket, now)
        self._wishes.append(wish)
        wish.ask()

    def answer(self) -> None:
        """Answer what handlers were asked, by the name of the event."""
        for wish in self._wishes:  # it, or what waited behind it, is said only now
            for note in wish.notes:
                note.at = self.stage.loop.now
        for node in self.stage.nodes:
            desk = self.stage.desk(node)
            for delivery in tuple(desk.deliveries):
                if isinstance(delivery.event, events.UserEvent):
                    desk.deliveries.remove(delivery)
                    self._past.append(delivery.event.event)
                    desk.reply(delivery, events.Respond(delivery.event.payload))

    def _note(self, guest: Guest, origin: str, text: str, *, required: bool) -> Note:
        note = guest.note(origin, text, required=required)
        if not origin.endswith((" one", " h")) and "event" not in origin:
            self._recent[note.text] = note, origin
        return note

    def _text(self, kind: str) -> str:
        self._said += 1
        return f"{kind} {self._said}"

    # Commands.

    def change(self, node: Node, guest: Guest, *, joins: bool) -> None:
        """Have a client join or leave the other group, one change at a time."""
        if any(order[0] is guest for order in self._orders):
            return
        target, done = commands.ToConnection(guest.client.connection_id), Probe()
        kind = commands.AddToGroup if joins else commands.RemoveFromGroup
        guest.is_in_h = None
        guest.forgo(" h")
        guest.allow(" h")
        self._orders.append((guest, joins, done))
        node.command(kind(target, "h", commands.Receipt(done, "done", "missing")))

    def close(self, node: Node, guest: Guest) -> None:
        """Have a session closed."""
        target, done = commands.ToConnection(guest.client.connection_id), Probe()
        guest.may_end()
        self._orders.append((guest, None, done))
        receipt = commands.Receipt(done, "done", "missing")
        node.command(commands.Close(target, receipt=receipt))

    # Gateways.

    def drain(self, node: Node, *, shaky: bool) -> None:
        """Let a gateway end in order; it waits only so long for links that shake."""
        drained = Probe()
        self.open.remove(node)
        self.draining[node] = drained, self.stage.loop.now
        for guest in self.guests:
            guest.drained(node, self.open)
            if shaky or not guest.is_settled:
                guest.forgo(node.name)
                guest.forgo("said")
        node.gateway.post(internal.Drain(drained))

    def crash(self, node: Node) -> None:
        self.open.remove(node)
        self.crashes += 1
        self._insist()
        for wish in self._wishes:
            if wish.guest.home is node:
                wish.socket = FakeSocket()  # what else was sent is not read
        for guest in self.guests:
            guest.crashed(node)
            guest.forgo("said")
        self._forget(node)

    def add(self) -> None:
        node = self.stage.add(chr(ord("a") + self.stage.started))
        settled = self._coming[node] = Probe()
        node.gateway.post(mesh.Settle(settled))

    def _forget(self, node: Node) -> None:
        node.crash()
        self.stage.nodes.remove(node)

    # What comes of it.

    def look(self) -> None:
        """See what has become of everything, and judge it."""
        for node, settled in tuple(self._coming.items()):
            if settled.heard and len(node.ups()) == len(self.stage.nodes) - 1:
                del self._coming[node]
                self.open.append(node)
        for node, (drained, since) in tuple(self.draining.items()):
            if self.stage.loop.now - since > MOVED_IN:
                for guest in self.guests:
                    guest.overdue(node)
            if drained.heard:
                del self.draining[node]
                self._forget(node)
        self._hear()
        if any(self.stage.loop.now - wish.since > HURRY for wish in self._wishes):
            self.answer()
        for number, guest in enumerate(self.guests):
            guest.look()
            if guest.over:
                node = self.open[number % len(self.open)]
                self.guests[number] = self.let_in(guest.user, node)
        self._insist()

    def _hear(self) -> None:
        """Take receipts of commands."""
        for order in tuple(self._orders):
            guest, joins, done = order
            if done.heard == ["done"]:
                if joins is None:
                    guest.must_end()
                else:
                    guest.is_in_h = joins
            if done.heard:
                self._orders.remove(order)

    def _insist(self) -> None:
        """Take acks, and ask again after a return for what was not acknowledged."""
        for wish in tuple(self._wishes):
            guest = wish.guest
            if wish.is_acknowledged:
                for note in wish.notes:
                    note.required = True
            elif guest in self.guests:
                if guest.is_heard and wish.socket is not guest.client.socket:
                    wish.socket = guest.client.socket
                    wish.ask()
                continue
            self._wishes.remove(wish)

    def rest(self) -> None:
        """Let everything come to rest; then nothing may be missing."""
        self.stage.pass_by(5)
        for _ in range(60):
            self.answer()
            self.look()
            for guest in self.guests:
                if guest.is_heard:
                    guest.acknowledge(0)
                elif guest.door is None and not guest.is_there:
                    guest.knock(self.open[0])
            self.stage.pass_by(1)
            calm = not self.draining and not self.stage.moving
            if calm and all(guest.is_there for guest in self.guests):
                break
        self.stage.pass_by(3)
        self.answer()
        self.stage.pass_by(1)
        self.look()
        for guest in self.guests:
            assert guest.is_there
            guest.check()
        self.stage.pass_by(15)
        self.stage.check_calm()
        self._check_handlers()

    def _check_handlers(self) -> None:
        """Handlers hear of everything once, and of an end only if there was one."""
        repeated = [name for name, times in Counter(self._past).items() if times > 1]
        assert repeated == [], "an event was told twice"
        ended = Counter(
            event.client.connection_id
            for desk in self.stage.desks.values()
            for event in desk.told(events.Disconnected)
        )
        for name, times in ended.items():
            assert times == 1, f"the end of {name} was told {times} times"
        alive = {guest.client.connection_id for guest in self.guests}
        assert not alive & set(ended), "the end of a session was told that goes on"
        if not self.crashes:
            begun = {
                event.client.connection_id
                for desk in self.stage.desks.values()
                for event in desk.told(events.Connected)
            }
            assert begun - alive == set(ended), "an end was not told"
