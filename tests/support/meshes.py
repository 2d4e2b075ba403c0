"""Wires of every kind, and whole gateways linked by them, on the running loop."""

from __future__ import annotations

import asyncio
import itertools
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from hubbub.actors.gateway import Gateway
from hubbub.actors.hub_mail import HubSetup
from hubbub.actors.messages import commands, internal, requests, servers
from hubbub.actors.messages.mesh import Inspect, LinkState, MeshSetup, MeshView, Pace
from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.reply import Reply
from hubbub.transport.listening import PortError
from hubbub.transport.subprotocols.server_v1 import JSON_NAME
from hubbub.transport.zeromq import ZeroMqWire
from support.fakes import EVERYTHING, JSON, FakeSocket
from support.handlers import PATIENCE, within
from support.loopback import SCHEME, LoopbackNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from hubbub.actors.messages.events import Outcome
    from hubbub.actors.runtime.ports import Wire

HUB = "chat"
KINDS = ("loopback", "tcp", "ipc")
PACE = Pace(heartbeat=0.05, silence=5.0)
"""Quick, but no link ends because a busy machine forgets us for a second."""


class Wires:
    """Makes wires of a kind, each at an endpoint of its own.

    Args:
        kind: One of ``KINDS``.
        folder: Where sockets of ipc are.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._network = LoopbackNetwork(self._loop)
        self._numbers = itertools.count(1)
        self._made: list[Wire] = []

    def make(self) -> Wire:
        """Make a wire at an endpoint that no other has."""
        number = next(self._numbers)
        endpoints = {
            "loopback": f"{SCHEME}{number}",
            "tcp": "tcp://127.0.0.1:0",
            "ipc": f"ipc://{self._folder}/{number}",
        }
        return self._at(endpoints[self.kind])

    async def again(self, endpoint: str) -> Wire:
        """Make a wire where one was that has been closed, once it has let go."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return self._at(endpoint)
                except PortError:
                    await asyncio.sleep(0.01)

    def _at(self, endpoint: str) -> Wire:
        made: Wire
        if self.kind == "loopback":
            made = self._network.wire(endpoint)
        else:
            made = ZeroMqWire(self._loop, (endpoint,), endpoint)
        self._made.append(made)
        return made

    def close(self) -> None:
        for wire in self._made:
            wire.close()


class Bell:
    """Rings whenever a socket hears something."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking again at each ring."""

        async def listen() -> None:
            while not holds():
                self._event.clear()
                await self._event.wait()

        await within(listen())


class Loud(list[Any]):
    """A journal that rings."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self._bell = bell

    def append(self, entry: Any, /) -> None:
        super().append(entry)
        self._bell.ring()


class Caller(FakeSocket):
    """A client of a gateway in a mesh."""

    def __init__(self, bell: Bell, subprotocol: str | None = JSON) -> None:
        super().__init__(subprotocol)
        self.journal = Loud(bell)
        self.bell = bell
        self._asked = 0

    async def join(self, group: str) -> None:
        await self._acked(requests.JoinGroup(group, self._next()))

    async def leave_group(self, group: str) -> None:
        await self._acked(requests.LeaveGroup(group, self._next()))

    async def counts(self, number: int) -> None:
        """Wait until so many messages have come."""
        await self.bell.until(lambda: len(self.data) >= number)

    async def ends(self) -> None:
        """Wait until it is closed."""
        await self.bell.until(lambda: bool(self.all("closed")))

    async def hears(self, *data: str) -> None:
        """Wait until these have come, and nothing else."""
        await self.counts(len(data))
        assert self.data == list(data)

    def _next(self) -> int:
        self._asked += 1
        return self._asked

    async def _acked(self, request: requests.JoinGroup | requests.LeaveGroup) -> None:
        self.send(request)
        await self.bell.until(lambda: (request.ack_id, True) in self.acks)


class Attached(Caller):
    """An attached server of a gateway in a mesh."""

    def __init__(self, bell: Bell) -> None:
        super().__init__(bell, JSON_NAME)

    async def requests(self, request: servers.ServerRequest, number: int) -> None:
        """Send a request with an id and wait for its result."""
        self.send(request)
        await self.bell.until(lambda: bool(self._results(number)))

    async def frame(self, kind: str, number: int = 0) -> Any:
        """Wait for a frame of a kind, by its place among those that come."""
        await self.bell.until(lambda: len(self.frames(kind)) > number)
        return self.frames(kind)[number]

    def frames(self, kind: str) -> list[Any]:
        return [frame for frame in self.inbox if frame["type"] == kind]

    def answer(self, event: Any, outcome: Outcome | None = None) -> None:
        self.send(servers.Answer(event["eventId"], outcome))

    def _results(self, number: int) -> list[Any]:
        return [one for one in self.frames("result") if one["id"] == number]


class Node:
    """A whole gateway on the running loop."""

    def __init__(
        self, wire: Wire, name: str, bell: Bell, seeds: tuple[str, ...], cluster: str
    ) -> None:
        self.name = name
        self.endpoint = wire.endpoint
        self.bell = bell
        chance = random.Random(name)
        dispatcher = Dispatcher(asyncio.get_running_loop(), chance=chance)
        setup, mesh = HubSetup(), MeshSetup(wire, cluster, seeds, PACE)
        self.address = supervision.spawn(
            dispatcher, lambda: Gateway(lambda _: setup, name, mesh=mesh)
        )

    async def enter(
        self,
        user: str | None = None,
        *groups: str,
        roles: Sequence[str] = EVERYTHING,
        subprotocol: str | None = JSON,
    ) -> Caller:
        """Let a client in."""
        caller = Caller(self.bell, subprotocol)
        offered = () if subprotocol is None else (subprotocol,)
        applicant = internal.Applicant(user, tuple(roles), groups, {}, {}, {}, offered)
        self.address.post(internal.Admit(HUB, applicant, caller))
        await self.bell.until(lambda: bool(caller.inbox) or subprotocol is None)
        return caller

    async def attach(self, *rules: servers.Rule) -> Attached:
        """Let a server in that takes some events."""
        attached = Attached(self.bell)
        roles = tuple(servers.ServerRole)
        self.address.post(internal.AdmitServer(HUB, roles, attached))
        await attached.frame("welcome")
        if rules:
            await attached.requests(servers.Handle(rules, 100, 1), 1)
        return attached

    def command(self, command: commands.Command) -> None:
        self.address.post(commands.ForHub(HUB, command))

    async def ask(self, question: Callable[[Reply[Any]], commands.Command]) -> Any:
        """Ask a question whose answer goes to a reply."""
        answer: Reply[Any] = Reply()
        self.command(question(answer))
        return await within(answer)

    async def do(self, change: Callable[[commands.Receipt], commands.Command]) -> Any:
        """Give a command with a receipt; gives "done", "missing" or why not."""
        paid: Reply[Any] = Reply()
        self.command(change(commands.Receipt(paid, "done", "missing")))
        return await within(paid)

    async def view(self) -> MeshView:
        answer: Reply[MeshView] = Reply()
        self.address.post(Inspect(answer))
        return await within(answer)

    async def view_when(self, holds: Callable[[MeshView], bool]) -> MeshView:
        """Look at the mesh until something holds of it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                view = await self.view()
                if holds(view):
                    return view
                await asyncio.sleep(0.005)

    async def sees(self, *others: str) -> None:
        """Wait until the peers whose link is up are these."""

        def seen(view: MeshView) -> bool:
            up = [one for one in view.peers if one.state is LinkState.UP]
            return sorted(one.gateway for one in up) == sorted(others)

        await self.view_when(seen)

    async def leave(self) -> None:
        """End in order."""
        answer: Reply[bool] = Reply()
        self.address.post(internal.Drain(answer))
        await within(answer)
        self.address.end()

    def end(self) -> None:
        """End whatever state it is in."""
        self.address.end()


class Nodes:
    """Gateways of one service."""

    def __init__(self, wires: Wires) -> None:
        self.wires = wires
        self.bell = Bell()
        self.all: list[Node] = []

    def start(self, wire: Wire | None = None, *, cluster: str = "tested") -> Node:
        """Start a gateway that knows of the first one."""
        seeds = (self.all[0].endpoint,) if self.all else ()
        name = f"g{len(self.all)}"
        node = Node(wire or self.wires.make(), name, self.bell, seeds, cluster)
        self.all.append(node)
        return node

    async def whole(self, *nodes: Node) -> None:
        """Wait until these see each other."""
        for node in nodes:
            await node.sees(*(one.name for one in nodes if one is not node))


@asynccontextmanager
async def wires_of(kind: str, folder: Path) -> AsyncIterator[Wires]:
    wires = Wires(kind, folder)
    try:
        yield wires
    finally:
        wires.close()


@asynccontextmanager
async def service(kind: str, folder: Path, count: int = 3) -> AsyncIterator[Nodes]:
    """Start gateways that see each other."""
    async with wires_of(kind, folder) as wires:
        nodes = Nodes(wires)
        for _ in range(count):
            nodes.start()
        try:
            await nodes.whole(*nodes.all)
            yield nodes
        finally:
            for node in nodes.all:
                node.end()
            for _ in range(5):
                await asyncio.sleep(0)
