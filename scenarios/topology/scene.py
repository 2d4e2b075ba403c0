"""A scene: who takes part in a story, how they are connected, and what is expected.

The words that a story is written in; each starts what it names, and the scene's end
ends whatever was started.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import pykka

from hubbub.scenarios.topology.client_actor import ClientActor
from hubbub.scenarios.topology.clients import Client
from hubbub.scenarios.topology.crowds import Crowd, CrowdActor
from hubbub.scenarios.topology.links import Lay, Link, LinkActor, address_of
from hubbub.scenarios.topology.processes import Classes
from hubbub.scenarios.topology.servers import Server, ServerActor
from hubbub.scenarios.topology.services import Services
from hubbub.scenarios.topology.stage import Stage
from hubbub.scenarios.topology.telling import Teller, said
from hubbub.sdk import HubbubError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from hubbub.scenarios.topology.gateways import Gateway, Place
    from hubbub.transport.trace import Trace


class Scene:
    """Everyone in one story; use it as ``with Scene() as scene:``.

    Args:
        teller: Tells the story; to standard output when left out.
        gateways: How many stand for each that ``gateway`` starts: they are one
            service, and clients and servers are spread over them.
        traced: Whether the gateways write down what their actors tell each other.
    """

    def __init__(
        self, teller: Teller | None = None, *, gateways: int = 1, traced: bool = False
    ) -> None:
        self.teller = teller or Teller()
        self._servers: dict[str, str] = {}
        self._count = gateways
        self._stage = Stage()
        self._services = Services(self._stage, self.teller, traced=traced)
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
        """Start a gateway as a process of its own, or as many as the scene wants.

        Args:
            handlers: Classes that answer the events of its hub, in the gateway.
            groups: Classes of groups, by pattern of their names.
            actors: Classes of further actors of its hub.
            presence: Patterns of groups whose members' coming and going the handlers
                hear of.
        """
        classes = _classes(handlers, groups, actors, presence)
        if self._count == 1:
            return self._services.alone(classes)
        return self._services.spread(self._count, classes)

    def gateways(
        self,
        count: int,
        *,
        handlers: Iterable[type] = (),
        groups: Mapping[str, type] | None = None,
        actors: Iterable[type] = (),
        presence: Iterable[str] = (),
    ) -> list[Gateway]:
        """Start so many gateways, alike and linked: one service.

        The arguments are those of ``gateway``.
        """
        classes = _classes(handlers, groups, actors, presence)
        return self._services.together(count, classes)

    def peer(self, gateway: Gateway) -> Gateway:
        """Start one more gateway like one of ``gateways``; it joins that service.

        Raises:
            ValueError: The other one is not of ``gateways``.
        """
        return self._services.further(gateway)

    def link(self, gateway: Gateway) -> Link:
        """Lay a link to a gateway, which a story can break; clients connect to it."""
        gateways = self._services.for_link(gateway)
        host, port = address_of(gateways[0])
        actor = self._stage.spawn(lambda: LinkActor(host, port))
        laid = Link(
            gateways, self._stage.ask(actor, Lay), actor, self._stage, self.teller
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
        place = self._services.for_client(place)
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
        places = [self._services.for_client(place) for _ in range(size)]
        urls = [
            one.client_url(f"{group} {number}", groups=(group,))
            for number, one in enumerate(places)
        ]
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
        gateway = self._services.for_server(gateway)
        actor = self._stage.spawn(lambda: ServerActor(gateway.connection_string, roles))
        server = Server(name, actor, self._stage, self.teller)
        self.teller.does(name, f"attaches to {gateway.name}")
        server.attaches()
        self._servers[server.server_id] = name
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
        client = self._client(name, self._services.for_client(place), None, ())
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
        try:
            self._services.close()
        finally:
            self._stage.close()
        if errors:
            raise errors[0]

    @property
    def traces(self) -> list[tuple[str, Trace]]:
        """What the gateways wrote down, by name; there once the scene is over."""
        return self._services.traces

    @property
    def logs(self) -> dict[str, str]:
        """What they had to complain of, by name; likewise."""
        return self._services.logs

    @property
    def names(self) -> dict[str, str]:
        """What the story calls gateways and servers, by the ids in a trace."""
        return self._servers | self._services.names

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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


def _classes(
    handlers: Iterable[type],
    groups: Mapping[str, type] | None,
    actors: Iterable[type],
    presence: Iterable[str],
) -> Classes:
    chosen = tuple((groups or {}).items())
    return Classes(tuple(handlers), chosen, tuple(actors), tuple(presence))
