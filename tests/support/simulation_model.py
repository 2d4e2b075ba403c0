"""What a mesh promises, kept beside what it does.

The model is told what was asked and what came, and writes down each broken promise. It
knows no actor: only clients, servers, messages, and when which processes were parted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.simulation_clients import Client, Hearer, Server
    from support.simulation_faults import Outages
    from support.simulation_world import Process, World


class Stay:
    """One membership of a client, from the wish to join to the end.

    Between the wish and the ack it may get messages; from then on it must.
    """

    __slots__ = ("known", "late", "leaving", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.known: float | None = None
        """When the join was acknowledged."""
        self.late = False
        """Whether a peer may not know of it: its time to know it was over."""
        self.leaving = False


class Message:
    """A publication, and who must get it."""

    __slots__ = ("author", "life", "number", "origin", "owed", "target", "time")

    def __init__(
        self,
        number: int,
        origin: Process,
        author: Client | None,
        target: commands.Target,
        time: float,
    ) -> None:
        self.number = number
        self.origin = origin
        self.life = origin.life
        self.author = author
        self.target = target
        self.time = time
        self.owed: dict[Hearer, None] = {}

    @property
    def publisher(self) -> str:
        """Name the client, or the gateway that somebody's REST calls go to."""
        return f"rest {self.origin.number}" if self.author is None else str(self.author)

    def waits_behind_event(self) -> bool:
        """Tell whether its author's gateway may still have to wait with it."""
        pending = () if self.author is None else self.author.pending.values()
        return any(kind == "event" for _, (kind, _) in pending)

    def __str__(self) -> str:
        return f"message {self.number} of {self.publisher} to {name_of(self.target)}"


class Asked:
    """An event of a client's, who was given it, and what came of it."""

    __slots__ = ("answers", "client", "given", "lost_servers", "number", "time")

    def __init__(self, number: int, client: Client, time: float) -> None:
        self.number = number
        self.client = client
        self.time = time
        self.given: list[tuple[int, Server]] = []
        self.answers = 0
        self.lost_servers = 0


class Model:
    """Everything that was asked and came.

    Args:
        world: Clock, log and processes.
        outages: When which processes were parted, or may count each other as gone.
    """

    def __init__(self, world: World, outages: Outages) -> None:
        self._world = world
        self._outages = outages
        self.clients: list[Client] = []
        self.servers: list[Server] = []
        self.messages: dict[int, Message] = {}
        self.asked: dict[int, Asked] = {}
        self.faults: list[str] = []
        """Broken promises."""
        self.deliveries = 0
        self._numbers = 0
        self._late: dict[tuple[int, int, str], float] = {}

    @property
    def now(self) -> float:
        return self._world.now

    def note(self, *what: Any) -> None:
        self._world.note(*what)

    def later(self, seconds: float, what: Callable[..., None], *args: Any) -> None:
        self._world.loop.call_later(seconds, what, *args)

    def broken(self, text: str) -> None:
        """Write down a broken promise."""
        self.note("BROKEN:", text)
        self.faults.append(text)

    # Publications.

    def message(
        self,
        origin: Process,
        target: commands.Target,
        author: Client | None = None,
        *,
        echo: bool = True,
    ) -> Message:
        """Make a message, owed to all who must get it if it is published now."""
        self._numbers += 1
        now = self.now
        message = Message(self._numbers, origin, author, target, now)
        self.messages[message.number] = message
        for hearer in (*self.clients, *self.servers):
            spared = hearer is author and not echo
            if not spared and self._must(hearer, message):
                message.owed[hearer] = None
                hearer.owed[message] = None
        self.note(message.origin, "publishes", message, "for", _names(message.owed))
        return message

    def _must(self, hearer: Hearer, message: Message) -> bool:
        """Tell whether somebody must get what is published now."""
        if not hearer.here:
            return False
        match message.target:
            case commands.ToGroup(name=group):
                stays = hearer.stays.get(group, [])
            case commands.ToUser(user_id=user):
                stays = [hearer.entry["user"]] if user == hearer.user else []
            case commands.ToConnection(connection_id=connection_id):
                return connection_id == hearer.connection_id
            case _:
                stays = [hearer.entry["everyone"]] if hearer.entry else []
        return any(self._counts(stay, hearer, message) for stay in stays)

    def _counts(self, stay: Stay, hearer: Hearer, message: Message) -> bool:
        """Tell whether a stay is known where a message comes from."""
        if stay.known is None or stay.leaving:
            return False
        if not stay.late or hearer.is_at(message.origin):
            return True
        return self._settled(hearer, message.origin, stay.known)

    def _settled(self, hearer: Hearer, origin: Process, since: float) -> bool:
        """Tell whether news of somebody's has got to a process by all means."""
        if self.now - since < self._outages.recovery:
            return False
        before = self.now - self._outages.recovery
        return not self._outages.parted(hearer.process, origin, before)

    def heard(self, hearer: Hearer, data: str, group: str | None) -> None:
        """Hear that somebody got a message."""
        if data.startswith("answer "):
            self._answered(hearer, int(data[7:]))
            return
        self.deliveries += 1
        message = self.messages[int(data)]
        self.note(hearer, "gets", message)
        if message.number in hearer.seen:
            self.broken(f"{hearer} got {message} twice")
        hearer.seen[message.number] = None
        hearer.owed.pop(message, None)
        message.owed.pop(hearer, None)
        lane = (message.publisher, name_of(message.target))
        if hearer.last.get(lane, 0) > message.number:
            self.broken(f"{hearer} got {message} after {hearer.last[lane]}")
        hearer.last[lane] = message.number
        self._is_meant(hearer, message, group)

    def _is_meant(self, hearer: Hearer, message: Message, group: str | None) -> None:
        """Check that a message was for who got it."""
        match message.target:
            case commands.ToGroup(name=name):
                meant = name == group and bool(hearer.stays.get(name))
            case commands.ToUser(user_id=user):
                meant = user == hearer.user
            case commands.ToConnection(connection_id=connection_id):
                meant = connection_id == hearer.connection_id
            case _:
                meant = True
        if not meant:
            self.broken(f"{hearer} got {message}, which is not for it")

    def overdue(self, hearer: Hearer, message: Message) -> bool:
        """Tell whether nothing excuses that somebody has not got a message."""
        if hearer.is_at(message.origin) and message.life == hearer.life:
            return True
        process = hearer.process
        return not self._outages.excuse(message.origin, process, message.time)

    def check_owed(self) -> None:
        """Check, once all is quiet, that everyone got what it must."""
        for hearer in (*self.clients, *self.servers):
            for message in tuple(hearer.owed):
                if self.overdue(hearer, message):
                    self.broken(f"{hearer} never got {message}")
                del hearer.owed[message]
                message.owed.pop(hearer, None)

    def release(self, hearer: Hearer, group: str | None = None) -> None:
        """Owe somebody nothing more (of a group): it has left, or is about to."""
        for message in tuple(hearer.owed):
            target = message.target
            if group is None or target == commands.ToGroup(group):
                self._check_late(hearer, message)
                del hearer.owed[message]
                message.owed.pop(hearer, None)

    def _check_late(self, hearer: Hearer, message: Message) -> None:
        """Check that what somebody who leaves has not got could still be on its way."""
        outages = self._outages
        if self.now - message.time < outages.slack or hearer.process.loop.stopped:
            return
        if not message.origin.running or message.origin.life != message.life:
            return
        if message.waits_behind_event():
            return
        if not outages.parted(hearer.process, message.origin, message.time):
            self.broken(f"{hearer} has not got {message} for long")

    # Acknowledgements.

    def acknowledged(
        self,
        client: Client,
        what: tuple[str, Any],
        success: bool,
        ack: Any,
    ) -> None:
        """Hear the ack of a client's request."""
        kind, value = what
        self.note(client, "hears", kind, "success" if success else "failure")
        match kind:
            case "event":
                client.detained = self.now
                self._event_over(value, success)
            case _ if not success:
                self.broken(f"{client}: {kind} failed: {ack}")
            case "join":
                stay, group = value
                self._check_prompt(client, stay)
                self.known(client, group, stay)
            case "leave":
                group, stays = value
                self.left(client, group, stays)
            case "publish":
                if client in value.owed:
                    self.broken(f"{client}: the ack of {value} precedes its echo")

    def listens(self, server: Server, group: str) -> None:
        """Hear that a server listens: that is like a join."""
        self.note(server, "listens to", group)
        (stay,) = server.stays[group]
        self._check_prompt(server, stay)
        self.known(server, group, stay)

    def _check_prompt(self, client: Hearer, stay: Stay) -> None:
        """Check that a join did not wait longer for peers than it may."""
        if max(client.detained, client.process.detained) >= stay.since:
            return  # it waited for something else
        waited, outages = self.now - stay.since, self._outages
        parted = self.is_parted(client.process, stay.since)
        if waited > (outages.patience if parted else outages.promptness):
            self.broken(f"{client} waited {waited:.1f} s until it was in")

    def is_parted(self, process: Process, since: float) -> bool:
        """Tell whether a process was parted from any other since then.

        Or whether one is about to leave: it may not say goodbye to who has just come.
        """
        return any(
            other.leaving or self._outages.parted(process, other, since)
            for other in self._world.processes
        )

    def entered(self, client: Client) -> None:
        """Hear that a client is connected: now peers know of it, as after a join."""
        self.note(client, "is connected, with groups", *client.groups)
        arrival = Stay(client.since)
        self._check_prompt(client, arrival)
        for key in ("user", "everyone"):
            client.entry[key] = Stay(client.since)
            name = f"user {client.user}" if key == "user" else key
            self.known(client, name, client.entry[key])
        for group in client.groups:
            stay = Stay(client.since)
            client.stays[group] = [stay]
            self.known(client, group, stay)

    def known(self, client: Hearer, key: str, stay: Stay) -> None:
        """Hear that a stay is known everywhere, or that the time for it is over."""
        stay.known = self.now
        place = (client.process.number, client.process.life, key)
        stay.late = self.now - stay.since > self._outages.knowing
        if stay.late:
            self._late[place] = self.now
        elif place in self._late:
            # Nobody waits again for who did not confirm the first of them.
            since = self._late[place]
            stay.late = self.is_parted(client.process, since)

    def left(self, client: Client, group: str, stays: tuple[Stay, ...]) -> None:
        """Hear that stays are over: from now on nothing may come."""
        open_ = [stay for stay in client.stays.get(group, ()) if stay not in stays]
        client.stays[group] = open_
        if not open_:
            client.stays.pop(group, None)

    # Events.

    def ask(self, client: Client) -> Asked:
        self._numbers += 1
        asked = self.asked[self._numbers] = Asked(self._numbers, client, self.now)
        self.note(client, "sends event", asked.number)
        return asked

    def given(self, server: Server, data: str, attempt: int) -> None:
        """Hear that a server was given an event."""
        asked = self.asked[int(data)]
        self.note(server, "is given event", asked.number, "attempt", attempt)
        before = [one for one, _ in asked.given]
        if attempt in before:
            self.broken(f"event {asked.number} was given twice as attempt {attempt}")
        asked.given.append((attempt, server))
        last = max(attempt, *before, 0)
        for number, one in asked.given:
            if number != last and not self._may_count_as_lost(asked, one):
                self.broken(f"event {asked.number} was given again without need")

    def _may_count_as_lost(self, asked: Asked, server: Server) -> bool:
        near = asked.client.process
        return server.over or self._outages.excuse(near, server.process, self.now)

    def _answered(self, client: Hearer, number: int) -> None:
        asked = self.asked[number]
        asked.answers += 1
        if asked.client is not client:
            self.broken(f"{client} got the answer to another's event {number}")
        if asked.answers > 1:
            self.broken(f"event {number} was answered twice")

    def _event_over(self, asked: Asked, success: bool) -> None:
        if success:
            if asked.answers != 1:
                self.broken(f"event {asked.number} succeeded without its answer")
        elif self._could_succeed(asked):
            self.broken(f"event {asked.number} failed although a server was there")

    def _could_succeed(self, asked: Asked) -> bool:
        """Tell whether an event must have succeeded."""
        process = asked.client.process
        if asked.lost_servers > 1:
            return False
        for server in self.servers:
            ready, place = server.ready, server.process
            if server.over or server.retiring or ready is None:
                continue
            if asked.time - ready < self._outages.recovery and place is not process:
                continue
            if not self.is_parted(process, asked.time - self._outages.recovery):
                return True
        return False

    def server_left(self, server: Server) -> None:
        """Hear that a server is gone: what it had, others are given."""
        self.note(server, "is gone")
        self.servers.remove(server)
        self._forget_owed(server)
        for asked in self.asked.values():
            if asked.given and asked.given[-1][1] is server:
                asked.lost_servers += 1

    # Ends.

    def forget(self, client: Client) -> None:
        """Expect nothing of a client that is gone."""
        self.note(client, "is gone")
        if client in self.clients:
            self.clients.remove(client)
        self._forget_owed(client)
        self._forget_stashed(client)
        client.pending.clear()

    def _forget_owed(self, hearer: Hearer) -> None:
        for message in hearer.owed:
            del message.owed[hearer]
        hearer.owed.clear()

    def _forget_stashed(self, client: Client) -> None:
        """Expect nothing that may have waited behind an event when its author went."""
        events = [
            since for since, (kind, _) in client.pending.values() if kind == "event"
        ]
        if not events:
            return
        for message in self.messages.values():
            if message.author is client and message.time >= events[0]:
                for other in message.owed:
                    del other.owed[message]
                message.owed.clear()

    def ended(self, who: Client | Server, kind: str, what: Any) -> None:
        """Hear that the service ended a session."""
        self.note(who, "is", kind, what)
        process = who.process
        expected = process.leaving or getattr(who, "closing", False)
        if not expected:
            self.broken(f"{who} at {process} was {kind}: {what}")

    def check_answered(self) -> None:
        """Check, once all is quiet, that every request was answered."""
        for client in self.clients:
            for _, (kind, _) in client.pending.values():
                self.broken(f"{client} never got the ack of its {kind}")
            client.pending.clear()
            if client.connected is None:
                self.broken(f"{client} was never let in")
        for server in self.servers:
            if server.ready is None:
                self.broken(f"{server} was never told that it takes events")
            if server.retiring:
                self.broken(f"{server} cannot retire")


def name_of(target: commands.Target) -> str:
    """Name a target in a line of the log."""
    match target:
        case commands.ToGroup(name=name):
            return f"group {name}"
        case commands.ToUser(user_id=user):
            return f"user {user}"
        case commands.ToConnection(connection_id=connection_id):
            return f"connection {connection_id[:3]}..{connection_id[-4:]}"
        case commands.Everyone():
            return "everyone"


def _names(hearers: dict[Hearer, None]) -> str:
    return ", ".join(str(hearer.number) for hearer in hearers) or "nobody"
