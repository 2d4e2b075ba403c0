"""Clients and attached servers of a simulated mesh, on fake sockets.

They ask and tell the model what they asked and what came; what may come, it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import events, internal, requests, servers
from hubbub.actors.messages import payload as payloads
from hubbub.transport.subprotocols.server_v1 import JSON_NAME
from support.fakes import EVERYTHING, JSON, FakeSocket
from support.simulation_model import Stay
from support.simulation_world import HUB

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.simulation_model import Message, Model
    from support.simulation_world import Process


class Journal(list[Any]):
    """A journal of a fake socket that tells what is written into it."""

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, entry: tuple[str, Any], /) -> None:
        self._tell(*entry)


class Hearer:
    """Who may be sent messages: a client, or a server that listens.

    Args:
        number: Tells them apart.
        process: The gateway it connects to.
        model: What is told of it all.
    """

    kind = ""
    user = ""

    def __init__(self, number: int, process: Process, model: Model) -> None:
        self.number = number
        self.process = process
        self.life = process.life
        self.since = model.now
        self.over = False
        self.stays: dict[str, list[Stay]] = {}
        """Its open stays, by group."""
        self.entry: dict[str, Stay] = {}
        """What a user's messages, and those to everyone, find it by."""
        self.owed: dict[Message, None] = {}
        self.seen: dict[int, None] = {}
        self.last: dict[tuple[str, str], int] = {}
        """The last message, by publisher and target."""
        self.detained = 0.0
        """When its requests last waited for the end of an event."""
        self.model = model

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def here(self) -> bool:
        """Whether it is connected, and nobody wants it away."""
        return not self.over and not self.process.leaving

    @property
    def connection_id(self) -> str:
        """Where a message to it alone goes; nobody sends one to a server."""
        return ""

    def is_at(self, process: Process) -> bool:
        return self.process is process and self.life == process.life


class Client(Hearer):
    """A client from its handshake to its end.

    Args:
        number: Tells clients apart.
        user: Its user id.
        process: The gateway it connects to.
        groups: Groups of its token.
        model: What is told of it all.
    """

    kind = "client"

    def __init__(
        self,
        number: int,
        user: str,
        process: Process,
        groups: tuple[str, ...],
        model: Model,
    ) -> None:
        super().__init__(number, process, model)
        self.user = user
        self.groups = groups
        self.connected: float | None = None
        self.closing = False
        """Whether someone wants it closed: from then on it need get nothing."""
        self.busy: dict[str, None] = {}
        """Groups where a command of somebody else's for it is under way."""
        self.pending: dict[int, tuple[float, Any]] = {}
        """Requests that were not acknowledged, by ack id: when, and what."""
        self._acks = 0
        self.socket = FakeSocket(JSON)
        self.socket.journal = Journal(self._heard)
        process.clients[self] = None
        applicant = internal.Applicant(user, EVERYTHING, groups, {}, {}, {}, (JSON,))
        process.gateway.post(internal.Admit(HUB, applicant, self.socket))

    @property
    def here(self) -> bool:
        """Whether it is connected, and nobody wants it away."""
        return super().here and self.connected is not None and not self.closing

    @property
    def connection_id(self) -> str:
        return self.socket.connection_id

    # What it does.

    def join(self, group: str, stay: Stay) -> None:
        self._ask(requests.JoinGroup(group, self._wait(("join", (stay, group)))))
        self.stays.setdefault(group, []).append(stay)

    def leave(self, group: str) -> None:
        stays = self.stays.get(group, [])
        for stay in stays:
            stay.leaving = True
        waits = self._wait(("leave", (group, tuple(stays))))
        self._ask(requests.LeaveGroup(group, waits))

    def publish(
        self, group: str, message: Message, *, no_echo: bool, acked: bool
    ) -> None:
        ack_id = self._wait(("publish", message)) if acked else None
        payload = payloads.Text(str(message.number))
        self._ask(requests.SendToGroup(group, payload, no_echo, ack_id))

    def send_event(self, number: int, asked: Any) -> None:
        waits = self._wait(("event", asked))
        self._ask(requests.SendEvent("say", payloads.Text(str(number)), waits))

    def disconnect(self) -> None:
        self.socket.leave()
        self.lost()

    def lost(self) -> None:
        """End; what comes now does not matter, and nothing is owed."""
        self.over = True
        self.process.clients.pop(self, None)
        self.model.forget(self)

    def _ask(self, request: requests.Request) -> None:
        self.socket.send(request)

    def _wait(self, what: tuple[str, Any]) -> int:
        self._acks += 1
        self.pending[self._acks] = (self.model.now, what)
        return self._acks

    # What it hears.

    def _heard(self, kind: str, what: Any) -> None:
        if self.over:
            return
        match kind, what:
            case "push", {"type": "message", "data": data}:
                self.model.heard(self, data, what.get("group"))
            case "push", {"type": "ack", "ackId": ack_id, "success": success}:
                self._acknowledged(ack_id, success, what)
            case "push", {"type": "system", "event": "connected"}:
                self.connected = self.model.now
                self.model.entered(self)
            case "closed" | "rejected", _:
                self.model.ended(self, kind, what)
                self.lost()

    def _acknowledged(self, ack_id: int, success: bool, ack: Any) -> None:
        pending = self.pending.pop(ack_id, None)
        if pending is None:
            self.model.broken(f"{self} got a second ack {ack_id}")
        else:
            self.model.acknowledged(self, pending[1], success, ack)


class Server(Hearer):
    """An attached server that answers every event after a while.

    Args:
        number: Tells servers apart.
        process: The gateway it attaches to.
        group: What it listens to; None for nothing.
        model: What is told of it all.
        pause: Gives the seconds until it answers an event.
    """

    kind = "server"

    def __init__(
        self,
        number: int,
        process: Process,
        group: str | None,
        model: Model,
        pause: Callable[[], float],
    ) -> None:
        super().__init__(number, process, model)
        self.ready: float | None = None
        """Since when it takes events, as it knows it."""
        self.retiring = False
        self._group = group
        self._pause = pause
        self.socket = FakeSocket(JSON_NAME)
        self.socket.journal = Journal(self._heard)
        process.servers[self] = None
        roles = tuple(servers.ServerRole)
        process.gateway.post(internal.AdmitServer(HUB, roles, self.socket))

    def retire(self) -> None:
        """Ask for no more events; leave when there are none."""
        self.retiring = True
        self.socket.send(servers.Retire(2))

    def leave(self) -> None:
        self.socket.leave()
        self.lost()

    def lost(self) -> None:
        self.over = True
        self.process.servers.pop(self, None)
        self.model.server_left(self)

    def _heard(self, kind: str, what: Any) -> None:
        if self.over:
            return
        match kind, what:
            case "push", {"type": "welcome"}:
                rules = (servers.Rule("event"),)
                self.socket.send(servers.Handle(rules, 100, 1))
                if self._group is not None:
                    self.stays[self._group] = [Stay(self.model.now)]
                    self.socket.send(servers.Listen(self._group, 3))
            case "push", {"type": "result", "id": 1}:
                self.ready = self.model.now
                self.model.note(self, "takes events")
            case "push", {"type": "result", "id": 2}:
                self.leave()
            case "push", {"type": "result", "id": 3} if self._group is not None:
                self.model.listens(self, self._group)
            case "push", {"type": "message", "data": data, "group": group}:
                self.model.heard(self, data, group)
            case "push", {"type": "event", "eventId": number, "data": data}:
                self.model.given(self, data, what.get("attempt", 1))
                self.model.later(self._pause(), self._answer, number, data)
            case "closed" | "rejected", _:
                self.model.ended(self, kind, what)
                self.lost()

    def _answer(self, number: int, data: str) -> None:
        if not self.over:
            respond = events.Respond(payloads.Text(f"answer {data}"))
            self.socket.send(servers.Answer(number, respond))
