"""Plays a mesh of three gateways on virtual time, by a seed, and checks what it promises.

A run has a few acts. In each, clients and servers come, go and talk while faults strike;
then everything is healed, the mesh must become whole, and what is owed must have come.
"""

from __future__ import annotations

import gc
import logging
import random
import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hubbub.actors.messages import commands
from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages.mesh import LinkState, Pace
from support import simulation_inside as inside
from support.simulation_clients import Client, Server
from support.simulation_codec import through_the_codec
from support.simulation_faults import Faults, Outages
from support.simulation_model import Model, Stay
from support.simulation_world import ANSWER_TIME, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from support.simulation_model import Message
    from support.simulation_world import Process

GROUPS: Final = ("red", "green", "blue")
USERS: Final = ("ann", "bob", "cat", "dan")
CLIENTS: Final = 8
SERVERS: Final = 3


class Result(NamedTuple):
    """What a run came to."""

    seed: int
    faults: tuple[str, ...]
    """Broken promises; none when all is well."""
    log: tuple[str, ...]
    deliveries: int

    def report(self, last: int = 60) -> str:
        """Tell what broke, how to replay it, and what happened before."""
        lines = [f"seed {self.seed}: {fault}" for fault in self.faults]
        log = self.log[-last:] if last else self.log
        again = f"replay with: make simulate SEED={self.seed}"
        return "\n".join((*lines, again, *log))


class Broken(Exception):  # noqa: N818 - a finding, not an error of the program
    """Nothing more can be learnt from this run."""


def play_all(seeds: Iterable[int]) -> Iterator[Result]:
    """Play many runs; each leaves its actors to be collected, but not while it runs."""
    gc.disable()
    try:
        for number, seed in enumerate(seeds, 1):
            yield play(seed)
            if number % 10 == 0:
                gc.collect()
    finally:
        gc.enable()


def keep_promises(seeds: Iterable[int]) -> None:
    """Assert that a mesh keeps its promises, whatever these seeds bring."""
    broken = [result.report() for result in play_all(seeds) if result.faults]
    assert not broken, "\n\n".join(broken)


def play(seed: int, *, tell: bool = False) -> Result:
    """Play one run to its end, or until something breaks.

    Args:
        seed: Which run.
        tell: Whether to tell what happened even when nothing broke.
    """
    result = _play(seed, tell=tell)
    if tell or not result.faults:
        return result
    # Once more, to write down what happens: it costs too much to do it always.
    again = _play(seed, tell=True)
    if again.faults == result.faults:
        return again
    faults = (*result.faults, "it did not happen again:", *again.faults)
    return again._replace(faults=faults)


def _play(seed: int, *, tell: bool) -> Result:
    simulation = Simulation(seed, tell=tell)
    world, model = simulation.world, simulation.model
    with Errors(world) as errors:
        try:
            simulation.play()
        except Broken:
            pass
        except Exception:  # noqa: BLE001 - whatever it is, its seed is a finding
            model.broken(traceback.format_exc())
        finally:
            world.end()
    log = tuple(map(_line, world.log))
    return Result(seed, (*model.faults, *errors.texts), log, model.deliveries)


def _line(entry: tuple[Any, ...]) -> str:
    time, *what = entry
    return f"{time:9.3f}  {' '.join(map(str, what))}"


class Simulation:
    """One run.

    Args:
        seed: All that is random comes from it.
        tell: Whether to write down what happens.
    """

    def __init__(self, seed: int, *, tell: bool) -> None:
        self.chance = chance = random.Random(f"{seed}/scenario")
        self.mood = chance.choices(("calm", "gentle", "rough"), (1, 3, 4))[0]
        delays = chance.choice(((0.0, 0.0), (0.0, 0.02), (0.001, 0.2)))
        knowing = chance.choice((1.0, 6.0))
        pace = Pace(
            heartbeat=1.0,
            silence=5.0,
            stall=chance.choice((2.0, 4.0)),
            knowing=knowing,
            answer=knowing + 2.0,
            queue_bytes=chance.choice((1000, 16 << 20)),
        )
        passing = through_the_codec(seed)
        self.world = world = World(seed, pace, delays, passing, tell=tell)
        self.outages = Outages(world.loop.time, pace, delays[1])
        self.model = Model(world, self.outages)
        self.faults = Faults(world, self.outages, chance)
        self.waiting: dict[Paid, None] = {}
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
            (self.exists, 2),
            (self.close, 1),
            (self.connect, 4),
            (self.disconnect, 2),
            (self.attach, 2),
            (self.detach, 1),
        ):
            self._actions += [action] * weight

    def play(self) -> None:
        """Play all acts, and the end."""
        world = self.world
        world.note("mood", self.mood, "delays", self.world.network.delays, world.pace)
        first, *others = world.processes
        first.start(others if self.chance.random() < 0.5 else [])
        for process in others:
            process.start([first])
        self.become_whole()
        for process in world.processes:
            self._publish(process, commands.Everyone())  # starts its hub
        world.loop.advance(self.outages.recovery)
        # All begin alike, and so does whoever takes the place of one.
        before = inside.census(first)
        for _ in range(5):
            self.connect()
        self.attach()
        world.loop.advance(1.0)
        for number in range(2 if self.mood == "rough" else 1):
            self.act(number)
        self.finish(before)

    def act(self, number: int) -> None:
        """Let things happen, then heal everything and check."""
        chance, world = self.chance, self.world
        world.note("act", number + 1)
        for _ in range(chance.randrange(20, 50)):
            world.loop.advance(chance.expovariate(8.0))
            if self.mood != "calm" and chance.random() < 0.08:
                self.faults.strike(rough=self.mood == "rough")
            else:
                chance.choice(self._actions)()
            if self.model.faults:
                raise Broken
        self.heal()
        # Until everyone has noticed what there was to notice.
        world.loop.advance(self.outages.slack)
        self.become_whole()
        self.come_to_rest()
        self.agree()

    # What happens.

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
        client = Client(self._numbers, user, process, self.model)
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
        if client is None or self._is_held_up(client.process):
            return
        no_echo, acked = self.chance.random() < 0.2, self.chance.random() < 0.5
        target = commands.ToGroup(group)
        message = self.model.message(
            client.process, target, client, echo=not no_echo
        )
        client.publish(group, message, no_echo=no_echo, acked=acked)

    def command(self) -> None:
        """Publish as a REST call does, to a user, a connection or everyone."""
        process, client = self._process(), self._client()
        if process is None or client is None or self._is_held_up(process):
            return
        target: commands.Target = commands.ToUser(client.user)
        kind = self.chance.random()
        if kind < 0.4:
            target = commands.ToConnection(client.connection_id)
        elif kind < 0.6:
            target = commands.Everyone()
        self._publish(process, target)

    def command_group(self) -> None:
        process = self._process()
        if process is not None and not self._is_held_up(process):
            self._publish(process, commands.ToGroup(self.chance.choice(GROUPS)))

    def _publish(self, process: Process, target: commands.Target) -> Message:
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
        server = Server(
            self._numbers, process, self.model, lambda: self.chance.uniform(0.0, 0.3)
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
        if any(stay.known is None or stay.leaving for stay in client.stays.get(group, ())):
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
        if client.here and not self.outages.parted(process, place, before):
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
            before = self.world.now - recovery
            parted = any(
                self.outages.parted(process, one, before)
                for one in self.world.processes
            )
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

    def _is_held_up(self, process: Process) -> bool:
        """Tell whether clients of a gateway are not read, because a peer is behind."""
        return process.dispatcher is not None and process.dispatcher.congested

    def _paid(
        self, process: Process, what: str, then: Callable[[Any], None] | None = None
    ) -> Paid:
        paid = Paid(self, process, what, then)
        self.waiting[paid] = None
        return paid

    # The end of an act.

    def heal(self) -> None:
        """End all faults; let processes that leave do so, and come back."""
        self.world.note("all is healed")
        self.faults.end_all()
        for _ in range(40):
            if all(one.up and not one.leaving for one in self.world.processes):
                return
            self.world.loop.advance(0.25)
            self.faults.end_all()
        self._break("a process cannot leave, or not come back")

    def become_whole(self) -> None:
        """Wait until every gateway sees every other."""
        world = self.world
        most = world.pace.silence + 2 * self.outages.recovery
        end = world.now + most
        while not all(self._sees_all(process) for process in world.processes):
            if world.now >= end:
                self._break("the mesh does not become whole")
            world.loop.advance(0.25)
        world.note("the mesh is whole")

    def _sees_all(self, process: Process) -> bool:
        view = process.view()
        if view is None:
            return False
        up = {peer.gateway for peer in view.peers if peer.state is LinkState.UP}
        others = {one.gateway_id for one in self.world.processes if one is not process}
        return others == up

    def come_to_rest(self) -> None:
        """Wait until everything is answered, and what was lost would have come again."""
        world = self.world
        world.loop.advance(self.outages.recovery)
        end = world.now + ANSWER_TIME + 2 * world.pace.answer
        while self._waits() and world.now < end:
            world.loop.advance(0.5)
        self.model.check_owed()
        self.model.check_answered()
        self._check_paid()
        if self.model.faults:
            raise Broken

    def _waits(self) -> bool:
        model = self.model
        return (
            any(client.pending for client in model.clients)
            or any(one.retiring or one.ready is None for one in model.servers)
            or any(paid.is_alive for paid in self.waiting)
        )

    def _check_paid(self) -> None:
        for paid in self.waiting:
            if paid.is_alive:
                self.model.broken(f"{paid.process} never answered {paid.what}")
        self.waiting.clear()

    def agree(self) -> None:
        """Check that all gateways agree about who is where, from within and without."""
        world, model = self.world, self.model
        self._resolve()
        for text in inside.disagreements(world):
            model.broken(text)
        for client in model.clients:
            inside_groups = inside.groups_of(client)
            groups = sorted(client.stays)
            if sorted(inside_groups) != groups:
                text = f"{client} should be in {groups}, is in {inside_groups}"
                model.broken(text)
        for process in world.processes:
            for group in GROUPS:
                self._publish(process, commands.ToGroup(group))
            for user in USERS:
                self._publish(process, commands.ToUser(user))
            self._publish(process, commands.Everyone())
        world.loop.advance(self.outages.slack)
        model.check_owed()
        self._check_paid()
        for process in world.processes:
            if self._is_held_up(process):
                model.broken(f"{process} holds up its clients for nothing")
        if model.faults:
            raise Broken

    def _resolve(self) -> None:
        """Look who is in a group where an answer got lost: nobody else can know."""
        for client in self.model.clients:
            for group in client.busy:
                client.stays.pop(group, None)
                if group in inside.groups_of(client):
                    stay = Stay(0.0)
                    stay.known = 0.0
                    client.stays[group] = [stay]
            client.busy.clear()

    def finish(self, before: inside.Census) -> None:
        """Let everybody go; nothing must be left of them."""
        world, model = self.world, self.model
        for client in tuple(model.clients):
            client.disconnect()
        for server in tuple(model.servers):
            server.leave()
        world.loop.advance(self.outages.recovery)
        for text in inside.disagreements(world):
            model.broken(text)
        for process in world.processes:
            for text in inside.leftovers(process, before):
                model.broken(text)

    def _break(self, text: str) -> None:
        self.model.broken(text)
        raise Broken


class Paid:
    """Takes the answer to a command; a reference."""

    def __init__(
        self,
        simulation: Simulation,
        process: Process,
        what: str,
        then: Callable[[Any], None] | None,
    ) -> None:
        self.process = process
        self.what = what
        self._life = process.life
        self._simulation = simulation
        self._then = then
        self._answered = False

    @property
    def is_alive(self) -> bool:
        """Whether its answer is still to come."""
        return not self._answered and self.process.life == self._life

    def post(self, value: Any, /) -> None:
        simulation = self._simulation
        simulation.world.note(self.process, "answers", self.what, value)
        if self._answered:
            simulation.model.broken(f"{self.process} answered {self.what} twice")
        self._answered = True
        if self._then is not None:
            self._then(value)


class Errors(logging.Handler):
    """Collects what actors log as errors during a run: none of it may happen."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []
        self._world = world
        self._logger = logging.getLogger("hubbub.actors")
        self._level = self._logger.level

    def __enter__(self) -> Errors:
        self._logger.setLevel(logging.INFO if self._world.tell else logging.ERROR)
        self._logger.addHandler(self)
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        self._logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        self._world.note("log:", record.getMessage())
        if record.levelno >= logging.ERROR:
            self.texts.append(logging.Formatter().format(record))
