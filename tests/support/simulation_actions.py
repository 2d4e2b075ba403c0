"""What happens in a simulated mesh: clients, servers and REST calls, by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.messages import commands
from hubbub.actors.messages import payload as payloads
from support.simulation_clients import Client, Server
from support.simulation_model import Model, Stay

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from support.simulation_faults import Outages
    from support.simulation_model import Message
    from support.simulation_world import Process, World

GROUPS: Final = ("red", "green", "blue")
USERS: Final = ("ann", "bob", "cat", "dan")
CLIENTS: Final = 8
SERVERS: Final = 3


class Actions:
    """Does one thing after the other, and tells the model.

    Args:
        world: Where it happens.
        outages: When which processes were parted.
        model: Is told what is asked.
        chance: Decides.
    """

    def __init__(
        self, world: World, outages: Outages, model: Model, chance: random.Random
    ) -> None:
        self.world = world
        self.outages = outages
        self.model = model
        self.chance = chance
        self.waiting: dict[Paid, None] = {}
        """Answers to commands that are still to come."""
        self._numbers = 0
        self._actions: list[Callable[[], None]] = []
        for action, weight in (
            (self.join, 8),
            (self.leave, 4),
            (self.publish, 16),
            (self.command, 6),
            (self.command_group, 5),
            (self.event, 6),
            (self.add, 2),
            (self.remove, 1),
            (self.exists, 4),
            (self.close, 1),
            (self.connect, 4),
            (self.disconnect, 2),
            (self.attach, 2),
            (self.detach, 1),
        ):
            self._actions += [action] * weight

    def act(self) -> None:
        """Let something happen."""
        self.chance.choice(self._actions)()

    def clients(self) -> list[Client]:
        return [client for client in self.model.clients if client.here]

    def _client(self) -> Client | None:
        clients = [one for one in self.clients() if not one.process.leaving]
        return self.chance.choice(clients) if clients else None

    def _process(self) -> Process | None:
        ready = [one for one in self.world.running if not one.leaving]
        return self.chance.choice(ready) if ready else None

    def connect(self) -> None:
        process = self._process()
        if process is None or len(self.model.clients) >= CLIENTS:
            return
        self._numbers += 1
        user = self.chance.choice(USERS)
        groups = tuple(self.chance.sample(GROUPS, self.chance.choice((0, 0, 1, 2))))
        client = Client(self._numbers, user, process, groups, self.model)
        self.model.clients.append(client)
        self.world.note(client, "of", user, "connects to", process)

    def disconnect(self) -> None:
        client = self._client()
        if client is not None:
            self.world.note(client, "disconnects")
            client.disconnect()

    def join(self) -> None:
        client, group = self._client(), self.chance.choice(GROUPS)
        if client is None or group in client.busy:
            return
        if all(stay.leaving for stay in client.stays.get(group, ())):
            self.world.note(client, "joins", group)
            client.join(group, Stay(self.world.now))

    def leave(self) -> None:
        client = self._client()
        if client is None:
            return
        groups = [group for group in client.stays if group not in client.busy]
        if groups:
            group = self.chance.choice(groups)
            self.world.note(client, "leaves", group)
            self.model.release(client, group)
            client.leave(group)

    def publish(self) -> None:
        client, group = self._client(), self.chance.choice(GROUPS)
        if client is None or is_held_up(client.process):
            return
        no_echo, acked = self.chance.random() < 0.2, self.chance.random() < 0.5
        target = commands.ToGroup(group)
        message = self.model.message(client.process, target, client, echo=not no_echo)
        client.publish(group, message, no_echo=no_echo, acked=acked)

    def command(self) -> None:
        """Publish as a REST call does, to a user, a connection or everyone."""
        process, client = self._process(), self._client()
        if process is None or client is None or is_held_up(process):
            return
        target: commands.Target = commands.ToUser(client.user)
        kind = self.chance.random()
        if kind < 0.4:
            target = commands.ToConnection(client.connection_id)
        elif kind < 0.6:
            target = commands.Everyone()
        self.publish_by_rest(process, target)

    def command_group(self) -> None:
        process = self._process()
        if process is not None and not is_held_up(process):
            self.publish_by_rest(process, commands.ToGroup(self.chance.choice(GROUPS)))

    def publish_to_all_groups(self, process: Process) -> None:
        for group in GROUPS:
            self.publish_by_rest(process, commands.ToGroup(group))

    def publish_by_rest(self, process: Process, target: commands.Target) -> Message:
        message = self.model.message(process, target)
        receipt = commands.Receipt(self._paid(process, "a publication"), "done")
        payload = payloads.Text(str(message.number))
        process.ask(commands.Publish(target, payload, receipt=receipt))
        return message

    def event(self) -> None:
        client = self._client()
        if client is not None:
            asked = self.model.ask(client)
            client.send_event(asked.number, asked)

    def attach(self) -> None:
        process = self._process()
        if process is None or len(self.model.servers) >= SERVERS:
            return
        self._numbers += 1
        group = self.chance.choice((*GROUPS, None))
        server = Server(
            self._numbers,
            process,
            group,
            self.model,
            lambda: self.chance.uniform(0.0, 0.3),
        )
        self.model.servers.append(server)
        self.world.note(server, "attaches to", process)

    def detach(self) -> None:
        servers = [
            one
            for one in self.model.servers
            if one.ready is not None and not one.retiring
        ]
        if len(servers) < 2:
            return
        server = self.chance.choice(servers)
        if self.chance.random() < 0.5:
            self.world.note(server, "retires")
            server.retire()
        else:
            self.world.note(server, "leaves")
            server.leave()

    # Commands about others' clients.

    def _someone(self) -> tuple[Process, Client, str] | None:
        process, client = self._process(), self._client()
        group = self.chance.choice(GROUPS)
        if process is None or client is None or group in client.busy:
            return None
        if any(
            stay.known is None or stay.leaving for stay in client.stays.get(group, ())
        ):
            return None
        return process, client, group

    def add(self) -> None:
        chosen = self._someone()
        if chosen is None or chosen[2] in chosen[1].stays:
            return
        process, client, group = chosen
        stay = Stay(self.world.now)
        client.stays[group], client.busy[group] = [stay], None
        self.world.note(process, "adds", client, "to", group)

        def done(value: Any) -> None:
            match value:
                case "done":
                    client.busy.pop(group, None)
                    self.model.known(client, group, stay)
                case _:
                    self._doubt(process, client, f"adding it: {value}")

        self._change(process, commands.AddToGroup, client, group, done)

    def remove(self) -> None:
        chosen = self._someone()
        if chosen is None or chosen[2] not in chosen[1].stays:
            return
        process, client, group = chosen
        stays = tuple(client.stays[group])
        for stay in stays:
            stay.leaving = True
        client.busy[group] = None
        self.model.release(client, group)
        self.world.note(process, "removes", client, "from", group)

        def done(value: Any) -> None:
            match value:
                case "done":
                    client.busy.pop(group, None)
                    self.model.left(client, group, stays)
                case _:
                    self._doubt(process, client, f"removing it: {value}")

        self._change(process, commands.RemoveFromGroup, client, group, done)

    def _change(
        self,
        process: Process,
        command: type[commands.AddToGroup | commands.RemoveFromGroup],
        client: Client,
        group: str,
        done: Callable[[Any], None],
    ) -> None:
        paid = self._paid(process, f"a change of {client} in {group}", done)
        receipt = commands.Receipt(paid, "done", "missing")
        target = commands.ToConnection(client.connection_id)
        process.ask(command(target, group, receipt))

    def _doubt(self, process: Process, client: Client, what: str) -> None:
        """Check that nobody could know whether a change has been, or will be, made."""
        now, place = self.world.now, client.process
        before = now - self.outages.recovery
        parted = process.leaving or self.outages.parted(process, place, before)
        if client.here and not parted:
            self.model.broken(f"{client} was there and not parted, but {what}")

    def exists(self) -> None:
        process, client = self._process(), self._client()
        if process is None or client is None:
            return
        target: Any = commands.ToConnection(client.connection_id)
        if self.chance.random() < 0.5:
            target = commands.ToUser(client.user)
        known = client.connected or 0.0
        recovery = self.outages.recovery
        near = client.is_at(process) and not isinstance(target, commands.ToUser)
        settled = near or self.world.now - known > recovery

        def done(value: Any) -> None:
            parted = self.model.is_parted(process, self.world.now - recovery)
            if client.here and settled and not parted and value is not True:
                self.model.broken(f"{client} exists, but {process} says {value}")

        process.ask(commands.Exists(target, self._paid(process, "a question", done)))

    def close(self) -> None:
        process, client = self._process(), self._client()
        if process is None or client is None or self.chance.random() < 0.5:
            return
        client.closing = True
        self.model.release(client)
        self.world.note(process, "closes", client)
        receipt = commands.Receipt(self._paid(process, "a close"), "done")
        target = commands.ToConnection(client.connection_id)
        process.ask(commands.Close(target, receipt=receipt))

    def _paid(
        self, process: Process, what: str, then: Callable[[Any], None] | None = None
    ) -> Paid:
        paid = Paid(self, process, what, then)
        self.waiting[paid] = None
        return paid


class Paid:
    """Takes the answer to a command; a reference."""

    def __init__(
        self,
        actions: Actions,
        process: Process,
        what: str,
        then: Callable[[Any], None] | None,
    ) -> None:
        self.process = process
        self.what = what
        self._life = process.life
        self._since = actions.world.now
        self._actions = actions
        self._then = then
        self._answered = False

    @property
    def is_alive(self) -> bool:
        """Whether its answer is still to come."""
        return not self._answered and self.process.life == self._life

    def post(self, value: Any, /) -> None:
        model = self._actions.model
        model.note(self.process, "answers", self.what, value)
        if self._answered:
            model.broken(f"{self.process} answered {self.what} twice")
        self._answered = True
        self._check_prompt()
        if self._then is not None:
            self._then(value)

    def _check_prompt(self) -> None:
        """Check that it did not wait for others longer than it may."""
        actions, process = self._actions, self.process
        waited = actions.world.now - self._since
        if process.detained < self._since and waited > actions.outages.asking:
            actions.model.broken(f"{process} took {waited:.1f} s for {self.what}")


def is_held_up(process: Process) -> bool:
    """Tell whether clients of a gateway are not read, because a peer is behind."""
    return process.dispatcher is not None and process.dispatcher.congested
