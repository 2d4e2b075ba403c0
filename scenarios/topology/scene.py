"""A scene: who takes part in a story, how they are connected, and what is expected.

The words that a story is written in; each starts what it names, and the scene's end
ends whatever was started.
"""

from __future__ import annotations

import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import pykka

from hubbub.scenarios.topology.clients import Client, ClientActor
from hubbub.scenarios.topology.crowds import Crowd, CrowdActor
from hubbub.scenarios.topology.gateways import (
    Gateway,
    GatewayActor,
    Halt,
    Setup,
    Start,
)
from hubbub.scenarios.topology.links import Lay, Link, LinkActor
from hubbub.scenarios.topology.servers import Server, ServerActor
from hubbub.scenarios.topology.stage import Stage, receive
from hubbub.scenarios.topology.telling import Teller, said
from hubbub.sdk import HubbubError, RefusedError
from hubbub.transport.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from hubbub.actors.runtime.address import Address
    from hubbub.transport.trace import Trace

    Classes: TypeAlias = tuple[
        tuple[type, ...],
        tuple[tuple[str, type], ...],
        tuple[type, ...],
        tuple[str, ...],
    ]


class Place(Protocol):
    """Somewhere that clients connect to: a gateway, or a link to one."""

    @property
    def name(self) -> str:
        """How it is called in the story."""

    def client_url(
        self, user: str, roles: Sequence[str] | None = None, groups: Iterable[str] = ()
    ) -> str:
        """Sign a client's way in."""


class Scene:
    """Everyone in one story; use it as ``with Scene() as scene:``.

    Args:
        teller: Tells the story; to standard output when left out.
        traced: Whether the gateways write down what their actors tell each other.
    """

    def __init__(self, teller: Teller | None = None, *, traced: bool = False) -> None:
        self.teller = teller or Teller()
        self.names: dict[str, str] = {}
        """What the story calls servers, by the ids that a gateway gives them."""
        self.traces: list[Trace] = []
        """What the gateways wrote down; there once the scene is over."""
        self.logs: dict[str, str] = {}
        """What they had to complain of, by name; likewise."""
        self._traced = traced
        self._stage = Stage()
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-scene-")
        self._setups: list[Setup] = []
        self._gateways: list[Address] = []
        self._ends: list[Callable[[], None]] = []

    # Who takes part.

    def gateway(
        self,
        *,
        handlers: Iterable[type] = (),
        groups: Mapping[str, type] | None = None,
        actors: Iterable[type] = (),
        presence: Iterable[str] = (),
    ) -> Gateway:
        """Start a gateway as a process of its own.

        Args:
            handlers: Classes that answer the events of its hub, in the gateway.
            groups: Classes of groups, by pattern of their names.
            actors: Classes of further actors of its hub.
            presence: Patterns of groups whose members' coming and going the handlers
                hear of.
        """
        chosen = tuple((groups or {}).items())
        classes = (tuple(handlers), chosen, tuple(actors), tuple(presence))
        (gateway,) = self._start([self._setup("gateway", classes)])
        return gateway

    def gateways(self, count: int, *, handlers: Iterable[type] = ()) -> list[Gateway]:
        """Start several gateways at once, alike and independent of each other."""
        classes: Classes = (tuple(handlers), (), (), ())
        names = [f"gateway {number}" for number in range(1, count + 1)]
        return self._start([self._setup(name, classes) for name in names])

    def link(self, gateway: Gateway) -> Link:
        """Lay a link to a gateway, which a story can break; clients connect to it."""
        host, _, port = gateway.endpoint.partition("://")[2].rpartition(":")
        actor = self._stage.spawn(lambda: LinkActor(host, int(port)))
        laid = Link(
            gateway, self._stage.ask(actor, Lay), actor, self._stage, self.teller
        )
        self._ends.append(laid.ends)
        return laid

    def client(
        self,
        name: str,
        place: Place,
        *,
        roles: Sequence[str] | None = None,
        groups: Iterable[str] = (),
    ) -> Client:
        """Connect a client.

        Args:
            name: Its name, and its user id.
            place: Where to.
            roles: What it may do; everything with groups when left out.
            groups: The groups it is in from the start.
        """
        client = self._client(name, place, roles, groups)
        self.teller.does(name, f"connects to {place.name}")
        client.connects()
        self._ends.append(client.ends)
        return client

    def clients(self, *names: str, place: Place) -> list[Client]:
        """Connect several clients, one after the other."""
        return [self.client(name, place) for name in names]

    def crowd(self, size: int, place: Place, *, group: str) -> Crowd:
        """Connect many clients that listen to a group."""
        urls = [place.client_url(f"{group} {n}", groups=(group,)) for n in range(size)]
        actor = self._stage.spawn(lambda: CrowdActor(urls))
        crowd = Crowd(size, group, actor, self._stage, self.teller)
        self._ends.append(crowd.ends)
        crowd.gathers()
        return crowd

    def server(
        self,
        name: str,
        gateway: Gateway,
        *,
        roles: str = "publisher+subscriber+manager",
    ) -> Server:
        """Attach a server; what it may do is said by its roles."""
        actor = self._stage.spawn(lambda: ServerActor(gateway.connection_string, roles))
        server = Server(name, actor, self._stage, self.teller)
        self.teller.does(name, f"attaches to {gateway.name}")
        server.attaches()
        self.names[server.server_id] = name
        self._ends.append(server.ends)
        return server

    # What is said and expected.

    def step(self, text: str) -> None:
        """Say what the next lines are about."""
        self.teller.step(text)

    @staticmethod
    def at_once(*verbs: Callable[[], object]) -> None:
        """Let several do something at the same time, and wait for all of them."""
        with ThreadPoolExecutor(len(verbs)) as threads:
            for done in [threads.submit(verb) for verb in verbs]:
                done.result()

    def turned_away(self, name: str, place: Place, *, status: int) -> None:
        """Expect that a client is refused, with an HTTP status."""
        what = f"is turned away with {status}"
        client = self._client(name, place, None, ())
        try:
            client.connects()
        except RefusedError as error:
            if error.status != status:
                raise self.teller.fails(name, what, f"with {error.status}") from None
            self.teller.holds(name, what)
        else:
            client.ends()
            raise self.teller.fails(name, what, "was let in")

    def expect(self, what: str, value: object, wanted: object = True) -> None:
        """Expect a value; ``what`` names it."""
        if value != wanted:
            raise self.teller.fails(what, f"is {said(wanted)}", said(value))
        self.teller.holds(what, f"is {said(value)}")

    # The end.

    def close(self) -> None:
        """End everyone, gateways last.

        Raises:
            HubbubError: Someone could not end well; the others have ended all the same.
            pykka.Timeout: Likewise, in time.
        """
        errors: list[Exception] = []
        while self._ends:
            try:
                self._ends.pop()()
            except (HubbubError, pykka.Timeout) as error:
                errors.append(error)
        self._close_gateways()
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _close_gateways(self) -> None:
        try:
            for halt in [self._stage.asking(actor, Halt) for actor in self._gateways]:
                receive(halt)
            for setup in self._setups:
                if setup.log.exists():
                    self.logs[setup.name] = setup.log.read_text()
                if setup.trace.exists():
                    self.traces.append(read_trace(setup.trace))
        finally:
            self._stage.close()
            self._folder.cleanup()

    def _setup(self, name: str, classes: Classes) -> Setup:
        folder = Path(self._folder.name) / f"{len(self._setups) + 1}"
        folder.mkdir()
        key = secrets.token_hex(24)
        setup = Setup(name, folder, key, self._traced, *classes)
        self._setups.append(setup)
        return setup

    def _start(self, setups: Sequence[Setup]) -> list[Gateway]:
        actors = [self._stage.spawn(partial(GatewayActor, one)) for one in setups]
        self._gateways += actors
        starts = [self._stage.asking(actor, Start) for actor in actors]
        started = []
        for setup, start in zip(setups, starts, strict=True):
            endpoint = receive(start)
            self.teller.does(setup.name, f"is ready at {endpoint}")
            started.append(Gateway(setup.name, endpoint, setup.key))
        return started

    def _client(
        self,
        name: str,
        place: Place,
        roles: Sequence[str] | None,
        groups: Iterable[str],
    ) -> Client:
        actor = self._stage.spawn(
            lambda: ClientActor(lambda: place.client_url(name, roles, groups))
        )
        return Client(name, actor, self._stage, self.teller)
