"""Processes of a simulated mesh: whole gateways that share a clock and a network.

A process can be stopped and continued, it can crash, leave in order and come back at
the same endpoint with a new id. What it is asked and what it comes to, others know.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pykka

from hubbub.actors.gateway import Gateway
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.messages import commands, internal
from hubbub.actors.messages.mesh import Inspect, MeshSetup, MeshView, Pace
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.upstream_mail import ServerSetup
from support.loopback import SCHEME, LoopbackNetwork
from support.virtual import ProcessLoop, VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubbub.actors.messages.peers import FromWire, Packet
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.supervision import Place
    from support.simulation_clients import Client, Server

HUB = "chat"
ANSWER_TIME = 6.0
"""Seconds until an event fails that a server has."""

GRACE = 2.0
"""Seconds that an event waits for a server when the last one has gone."""


class World:
    """Time, network and processes of one run.

    Args:
        seed: All that is random comes from it.
        pace: Of the links.
        delays: Of packets, shortest and longest.
        passing: What a packet becomes on its way.
        tell: Whether to write down what happens.
    """

    def __init__(
        self,
        seed: int,
        pace: Pace,
        delays: tuple[float, float],
        passing: Callable[[Packet], FromWire],
        *,
        tell: bool,
    ) -> None:
        self.seed = seed
        self.tell = tell
        self.pace = pace
        self.loop = VirtualLoop()
        self.network = LoopbackNetwork(
            self.loop,
            chance=random.Random(f"{seed}/network"),
            delays=delays,
            passing=passing,
        )
        self.log: list[tuple[Any, ...]] = []
        """Time and what happened, of everything that matters to a reader."""
        self.processes = [Process(self, number) for number in range(3)]

    @property
    def now(self) -> float:
        return self.loop.now

    def note(self, *what: Any) -> None:
        """Write down what happens."""
        if not self.tell:
            return
        # Now, not when it is read: a process may have another id by then.
        said = (str(one) if isinstance(one, Process) else one for one in what)
        self.log.append((self.loop.now, *said))

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if process.running]

    def end(self) -> None:
        """Let everything go, pykka's registry too."""
        for process in self.processes:
            process.end()
        self.loop.forget()


class Process:
    """A gateway process, one life after another at the same endpoint."""

    def __init__(self, world: World, number: int) -> None:
        self.number = number
        self.endpoint = f"{SCHEME}{'abc'[number]}"
        self.life = 0
        self.since = 0.0
        self.seeds: tuple[Process, ...] = ()
        self.detained = 0.0
        """When it last went on after a stop."""
        self.up = False
        self.leaving = False
        self.clients: dict[Client, None] = {}
        self.servers: dict[Server, None] = {}
        self.loop = ProcessLoop(world.loop)
        self._world = world
        self._gateway: Address | None = None
        self.dispatcher: Dispatcher | None = None

    def __str__(self) -> str:
        return self.gateway_id

    @property
    def gateway_id(self) -> str:
        return f"{'abc'[self.number]}{self.life:02d}"

    @property
    def running(self) -> bool:
        """Whether it is there and does something."""
        return self.up and not self.loop.stopped

    @property
    def gateway(self) -> Address:
        assert self._gateway is not None, "it never started"
        return self._gateway

    def start(self, seeds: list[Process]) -> None:
        """Begin a life, knowing where some of the others are."""
        world = self._world
        self.life += 1
        self.since, self.seeds = world.now, tuple(seeds)
        self.up, self.leaving = True, False
        self.loop = ProcessLoop(world.loop)
        chance = random.Random(f"{world.seed}/{self.number}/{self.life}")
        order = random.Random(f"{world.seed}/{self.number}/{self.life}/order").random
        self.dispatcher = Dispatcher(
            self.loop, chance=chance, order=lambda ready: int(order() * ready)
        )
        mesh = MeshSetup(
            world.network.wire(self.endpoint, self.loop),
            "simulated",
            tuple(one.endpoint for one in seeds),
            world.pace,
        )
        setup = HubSetup(servers=ServerSetup(timeout=ANSWER_TIME, grace=GRACE))
        self._gateway = supervision.spawn(
            self.dispatcher,
            lambda: Gateway(lambda _: setup, self.gateway_id, mesh=mesh),
        )
        world.note(self, "starts with", *seeds)

    def crash(self) -> None:
        """End without a word."""
        self._world.note(self, "crashes")
        self._world.network.crash(self.endpoint)
        self._perish()

    def stop(self) -> None:
        """Stop where it is."""
        self._world.note(self, "stops")
        self.loop.stop()

    def carry_on(self, *, timers_first: bool) -> None:
        """Go on after a stop."""
        self._world.note(self, "goes on")
        self.detained = self._world.now
        self.loop.carry_on(timers_first=timers_first)

    def leave(self, gone: Callable[[], None]) -> None:
        """End in order: drain, then end the tree of actors.

        Args:
            gone: Called once it has ended.
        """
        self._world.note(self, "drains")
        self.leaving = True
        life = self.life

        class Drained:
            @staticmethod
            def post(drained: bool, /) -> None:
                del drained
                if self.life == life and self.up:
                    self.gateway.end()
                    self.loop.call_later(0.1, ended)

        def ended() -> None:
            self._world.note(self, "has left")
            self._world.network.crash(self.endpoint)
            self._perish()
            gone()

        self.gateway.post(internal.Drain(Drained()))

    def ask(self, command: commands.Command) -> None:
        """Send a command, as a REST call would."""
        self.gateway.post(commands.ForHub(HUB, command))

    def inspect(self, answer: Any) -> None:
        """Ask for the mesh as this gateway sees it."""
        self.gateway.post(Inspect(answer))

    def view(self) -> MeshView | None:
        """Give the mesh as this gateway sees it; None when it does not say."""
        probe = Latest()
        self.inspect(probe)
        self._world.loop.settle()
        view: MeshView | None = probe.value
        return view

    def end(self) -> None:
        """Let its actors go, whether it lives or not."""
        if self.up:
            self._perish()

    def _perish(self) -> None:
        self.up = False
        self.loop.die()
        for place in self.places():
            pykka.ActorRegistry.unregister(place.address)
            # What nobody will read may refer to all the rest, out of the collector's
            # sight: our messages are not tracked.
            place.inbox.close()
        for client in tuple(self.clients):
            client.lost()
        for server in tuple(self.servers):
            server.lost()
        self.clients.clear()
        self.servers.clear()

    def places(self) -> Iterator[Place]:
        """Give every place of the tree of actors, parents first."""
        actor = actor_of(self.gateway)
        waiting = [] if actor is None else [actor._place]
        while waiting:
            place = waiting.pop()
            waiting.extend((place.children or {}).values())
            yield place


class Latest:
    """A reference that keeps the last message."""

    def __init__(self) -> None:
        self.value: Any = None

    def post(self, message: Any, /) -> None:
        self.value = message


def actor_of(address: Address) -> Any:
    """Give the instance at a place, if there is one."""
    return address._actor_weakref()
