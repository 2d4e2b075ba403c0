"""A hub on virtual time: fake sockets, a fake handler that a test answers for, probes.

The codecs are the real ones: what a fake socket records is what a client would read.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hubbub.actors.connection import Service
from hubbub.actors.gateway import Gateway
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.messages import (
    commands,
    events,
    internal,
    requests,
    returning,
    servers,
)
from hubbub.actors.messages import payload as payloads
from hubbub.actors.policy.routes import Route
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.transport.subprotocols import SIMPLE, SPOKEN, codec
from hubbub.transport.subprotocols.server_v1 import JSON_NAME, SERVER_SPOKEN
from support.virtual import VirtualLoop
from support.wire import ServerFrames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.messages.events import Outcome
    from hubbub.actors.runtime.address import Address, Ref
    from hubbub.actors.runtime.ports import AnyPush, Codec
    from hubbub.transport.wire.frames import Composer

M = TypeVar("M")

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
EVERYTHING = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


class Probe:
    """A reference that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def post(self, message: Any, /) -> None:
        self.heard.append(message)

    def expect(self, kind: type[M]) -> M:
        """Take the oldest message, which must be of this kind."""
        assert self.heard, f"no {kind.__name__} came"
        message = self.heard.pop(0)
        assert isinstance(message, kind), f"{message} is no {kind.__name__}"
        return message

    def expect_nothing(self) -> None:
        assert self.heard == []


class FakeOutlet:
    """Decodes what a client would read into the journal of its socket."""

    def __init__(self, socket: FakeSocket, subprotocol: str | None) -> None:
        composer: Composer = SIMPLE
        if subprotocol is not None:
            composer = SPOKEN.get(subprotocol, SPOKEN[JSON])
        if subprotocol in SERVER_SPOKEN:
            composer = SERVER_SPOKEN[subprotocol]
        self.codec: Codec = codec(composer, None)
        self.subprotocol = subprotocol
        self._socket = socket

    def append(self, block: bytes, count: int) -> None:
        frames = ServerFrames()
        frames.feed(block)
        messages = []
        while (frame := frames.next()) is not None:
            text = self.subprotocol is not None
            messages.append(json.loads(frame.data) if text else frame.data)
        assert frames.buffer == b"", "a block ends with a whole frame"
        assert len(messages) <= count, "a block says how many messages it holds"
        for message in messages:
            self._socket.journal.append(("push", message))

    def post(self, push: AnyPush, /) -> None:
        block = self.codec.encode(push)
        if block:
            self.append(block, 1)


class FakeSocket:
    """Door and socket of one client.

    Args:
        subprotocol: What is negotiated; None for a simple client.
        refusal: Why the handshake cannot be finished, if so.
    """

    def __init__(
        self, subprotocol: str | None = JSON, refusal: events.Reject | None = None
    ) -> None:
        self.journal: list[tuple[str, Any]] = []
        self.outlet = FakeOutlet(self, subprotocol)
        self.connection: Ref[Any] | None = None
        self.label = ""
        self.chosen: list[str | None] = []
        self.refusal = refusal
        self.gone = False

    # The ports.

    def attach(self, connection: Ref[Any], label: str) -> None:
        self.connection = connection
        self.label = label

    def accept(self, subprotocol: str | None) -> FakeSocket | events.Reject:
        self.chosen.append(subprotocol)
        if self.refusal is not None:
            return self.refusal
        self.journal.append(("accepted", subprotocol))
        return self

    def reject(self, status: int, reason: str) -> None:
        self.journal.append(("rejected", (status, reason)))

    def lose(self, reason: str) -> None:
        self.gone = True
        self.journal.append(("lost", reason))

    def token(self, connection_id: str) -> str:
        return f"token of {connection_id}"

    def displace(self) -> None:
        self.gone = True
        self.connection = None
        self.journal.append(("displaced", None))

    def close(self, code: int, reason: str) -> None:
        self.gone = True
        self.journal.append(("closed", (code, reason)))

    def pause(self) -> None:
        self.journal.append(("paused", None))

    def resume(self) -> None:
        self.journal.append(("resumed", None))

    # What a test does and sees.

    def send(self, *messages: requests.Request | servers.ServerRequest) -> None:
        """Post what a session would have read."""
        assert self.connection is not None, "nobody is attached"
        for message in messages:
            self.gone |= isinstance(message, requests.SocketClosed | requests.Broken)
            self.connection.post(message)

    def cut(self) -> None:
        """Lose the socket, as a client does that may come back."""
        self.send(requests.SocketClosed(1006, "the connection was lost"))

    def leave(self) -> None:
        self.send(requests.SocketClosed(1000, "", final=True))

    @property
    def connection_id(self) -> str:
        return self.label.rpartition("/")[2]

    def all(self, kind: str) -> list[Any]:
        return [what for event, what in self.journal if event == kind]

    @property
    def inbox(self) -> list[Any]:
        """Every message, decoded."""
        return self.all("push")

    @property
    def data(self) -> list[Any]:
        """The data of every message from a group or a server."""
        if self.outlet.subprotocol is None:
            return self.inbox
        return [m["data"] for m in self.inbox if m["type"] == "message"]

    @property
    def acks(self) -> list[Any]:
        """``(ackId, True)`` or ``(ackId, name of the error)``."""
        return [
            (m["ackId"], m["success"] or m["error"]["name"])
            for m in self.inbox
            if m["type"] == "ack"
        ]

    @property
    def order(self) -> list[Any]:
        """Data and ack ids in the order in which they came."""
        names = {"message": "data", "ack": "ackId"}
        return [m[names[m["type"]]] for m in self.inbox if m["type"] in names]


class FakeServer(FakeSocket):
    """An attached server; its inbox holds JSON frames of the server protocol."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(JSON_NAME)
        self._stage = stage

    def ask(self, *messages: servers.ServerRequest) -> None:
        """Send requests and let the loop come to rest."""
        self.send(*messages)
        self._stage.settle()

    def handle(self, *rules: servers.Rule, window: int = 1000) -> None:
        """Declare which events this server takes."""
        self.ask(servers.Handle(rules, window))

    def frames(self, kind: str) -> list[Any]:
        return [frame for frame in self.inbox if frame["type"] == kind]

    @property
    def events(self) -> list[Any]:
        return self.frames("event")

    @property
    def results(self) -> list[Any]:
        """``(id, value)``, or ``(id, name of the error)``."""
        return [
            (frame.get("id"), frame.get("name", frame.get("value")))
            for frame in self.inbox
            if frame["type"] in {"result", "error"}
        ]

    def answer(self, outcome: Outcome | None = None, number: int = -1) -> None:
        """Answer an event by its place among those that came."""
        self.ask(servers.Answer(self.events[number]["eventId"], outcome))


class Desk:
    """The handler of a hub, answered by the test; connects are accepted meanwhile."""

    def __init__(self) -> None:
        self.deliveries: list[events.Delivery] = []
        self.accepts = True

    def take(self, delivery: events.Delivery) -> None:
        match delivery.event:
            case events.UserEvent():
                self.deliveries.append(delivery)
            case events.Connect() if not self.accepts:
                self.deliveries.append(delivery)
            case events.Connect():
                self.deliveries.append(delivery)
                self.reply(delivery, events.Accept())
            case _:
                self.deliveries.append(delivery)
                self.reply(delivery, None)

    def reply(self, delivery: events.Delivery, outcome: events.Outcome | None) -> None:
        event = delivery.event
        delivery.reply_to.post(
            events.Answered(event.client.connection_id, event.event_id, outcome)
        )

    def answer(self, outcome: events.Outcome | None, event: str | None = None) -> None:
        """Answer the last event that waits (of a name)."""
        self.reply(self.last(event), outcome)

    def last(self, event: str | None = None) -> events.Delivery:
        return next(
            delivery
            for delivery in reversed(self.deliveries)
            if isinstance(delivery.event, events.Blocking)
            and (event is None or getattr(delivery.event, "event", "") == event)
        )

    def told(self, kind: type[M]) -> list[M]:
        """Give the events of a kind, oldest first."""
        found = [delivery.event for delivery in self.deliveries]
        return [event for event in found if isinstance(event, kind)]


class DeskActor(LoopActor):
    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def on_receive(self, message: events.Delivery) -> None:
        self._desk.take(message)


class Stage:
    """A gateway with a hub ``chat`` on virtual time."""

    def __init__(
        self,
        *,
        handler: bool = True,
        stash: int = 100,
        seed: int = 1,
        name: str = "g",
        **more: Any,
    ) -> None:
        self.loop = VirtualLoop()
        self.dispatcher = Dispatcher(self.loop, chance=random.Random(seed))
        self.desk = Desk()
        route = Route(
            user_events="*",
            system_events=frozenset({"connect", "connected", "disconnected"}),
            presence_events=frozenset({"joined", "left"}),
            presence_groups=("watched",),
        )
        spec = HandlerSpec(
            name="desk", factory=lambda _: DeskActor(self.desk), route=route
        )
        setup = HubSetup((spec,) if handler else (), Service(stash), **more)
        self.gateway: Address = supervision.spawn(
            self.dispatcher, lambda: Gateway(lambda _: setup, name)
        )

    # Inside the tree, for tests that break it.

    def hub(self, name: str = "chat") -> Address:
        return self._actor(self.gateway)._hubs[name]  # type: ignore[no-any-return] # the tree is untyped from outside

    def group(self, name: str, hub: str = "chat") -> Address:
        return self._actor(self.hub(hub))._membership.groups.get(name)  # type: ignore[no-any-return] # as above

    @staticmethod
    def _actor(address: Address) -> Any:
        actor = address._actor_weakref()
        assert actor is not None
        return actor

    # What happens.

    def settle(self) -> None:
        self.loop.settle()

    def knock(
        self,
        socket: FakeSocket,
        user: str | None = None,
        *,
        hub: str = "chat",
        roles: Sequence[str] = EVERYTHING,
        groups: Sequence[str] = (),
        subprotocols: Sequence[str] = (JSON,),
    ) -> FakeSocket:
        """Put a client at the door without turning the loop."""
        applicant = internal.Applicant(
            user, tuple(roles), tuple(groups), {}, {}, {}, tuple(subprotocols)
        )
        self.gateway.post(internal.Admit(hub, applicant, socket))
        return socket

    def join(
        self,
        user: str | None = None,
        *,
        hub: str = "chat",
        roles: Sequence[str] = EVERYTHING,
        groups: Sequence[str] = (),
        subprotocol: str | None = JSON,
    ) -> FakeSocket:
        """Let a client in; its journal begins after its ``connected`` message."""
        socket = self.knock(
            FakeSocket(subprotocol), user, hub=hub, roles=roles, groups=groups
        )
        self.settle()
        assert socket.all("accepted"), socket.journal
        socket.journal.clear()
        return socket

    def serve(
        self,
        *rules: servers.Rule,
        roles: Sequence[str] = tuple(servers.ServerRole),
        window: int = 1000,
    ) -> FakeServer:
        """Attach a server that takes some events."""
        server = FakeServer(self)
        self.gateway.post(internal.AdmitServer("chat", tuple(roles), server))
        self.settle()
        if rules:
            server.handle(*rules, window=window)
        return server

    def command(self, *orders: commands.Command, hub: str = "chat") -> None:
        """Send commands without turning the loop."""
        for order in orders:
            self.gateway.post(commands.ForHub(hub, order))

    def do(self, *orders: commands.Command, hub: str = "chat") -> None:
        """Send commands and let the loop come to rest."""
        self.command(*orders, hub=hub)
        self.settle()

    def recover(
        self, connection_id: str, *, hub: str = "chat", subprotocol: str = RELIABLE
    ) -> FakeSocket:
        """Put a client at the door that wants its session back."""
        socket = FakeSocket(subprotocol)
        self.gateway.post(returning.Recover(hub, connection_id, socket))
        return socket

    def exists(
        self, target: commands.ToConnection | commands.ToUser | commands.ToGroup
    ) -> bool:
        probe = Probe()
        self.do(commands.Exists(target, probe))
        return probe.expect(bool)


def hub_on_virtual_time(
    *, handler: bool = True, stash: int = 100, seed: int = 1, **more: Any
) -> Stage:
    """Start a gateway whose time and turns a test decides."""
    return Stage(handler=handler, stash=stash, seed=seed, **more)


def publish(target: commands.Target, text: str, **fields: Any) -> commands.Publish:
    return commands.Publish(target, payloads.Text(text), **fields)


def say(
    group: str, text: str, ack_id: int | None = None, **fields: Any
) -> requests.SendToGroup:
    """Make a client's publication of a text."""
    request = requests.SendToGroup(group, payloads.Text(text), ack_id=ack_id)
    return msgspec.structs.replace(request, **fields)
