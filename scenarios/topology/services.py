"""Which gateways of a scene are one service, and which of them a newcomer is sent to.

Starts the processes, waits until they are linked, and ends them all.
"""

from __future__ import annotations

import secrets
import tempfile
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hubbub.scenarios.topology.gateways import Gateway, Place
from hubbub.scenarios.topology.processes import GatewayActor, Halt, Setup
from hubbub.scenarios.topology.stage import receive
from hubbub.transport.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.scenarios.topology.processes import Classes
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller
    from hubbub.transport.trace import Trace


class Spread:
    """Sends clients to one gateway of a service after the other, and servers too."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self.gateways = gateways
        self.clients = cycle(gateways)
        self.servers = cycle(gateways)


class Services:
    """The gateways of a scene.

    Args:
        stage: Where their actors are put.
        teller: Tells what happens to them.
        traced: Whether they write down what their actors tell each other.
    """

    def __init__(self, stage: Stage, teller: Teller, *, traced: bool) -> None:
        self.traces: list[tuple[str, Trace]] = []
        """What they wrote down, with the name of who did; there once they have ended.

        One that came back has written several."""
        self.logs: dict[str, str] = {}
        """What they had to complain of, by name; likewise."""
        self._stage = stage
        self._teller = teller
        self._traced = traced
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-scene-")
        self._gateways: list[Gateway] = []
        self._spreads: dict[Place, Spread] = {}

    def alone(self, classes: Classes) -> Gateway:
        """Start a gateway that has no peers."""
        (gateway,) = self._start([self._setup("gateway", classes)])
        return gateway

    def together(self, count: int, classes: Classes) -> list[Gateway]:
        """Start gateways that are one service."""
        names = [f"gateway {number}" for number in range(1, count + 1)]
        key = secrets.token_hex(24)
        setups = [self._setup(name, classes, key=key, peered=True) for name in names]
        places = [setup.peer for setup in setups]
        gateways = self._start(
            [
                msgspec.structs.replace(setup, seeds=_without(setup.peer, places))
                for setup in setups
            ]
        )
        for gateway in gateways:
            gateway.finds(count - 1)
        if count > 1:
            self._teller.does("the mesh", f"links {', '.join(names)}")
        return gateways

    def further(self, fellow: Gateway) -> Gateway:
        """Start one more gateway, of another one's service.

        Raises:
            ValueError: That one has no peers.
        """
        first = fellow.setup
        if not first.peered:
            raise ValueError(f"{first.name} takes no peers: scene.gateways(1) does")
        count = sum(one.setup.key == first.key for one in self._gateways)
        setup = self._setup(
            f"gateway {count + 1}",
            first.classes,
            key=first.key,
            peered=True,
            seeds=(first.peer,),
        )
        (gateway,) = self._start([setup])
        self._teller.does(gateway.name, f"joins {fellow.name}")
        gateway.finds(1)
        return gateway

    # Who comes goes where.

    def spread(self, count: int, classes: Classes) -> Gateway:
        """Start a service of several; whoever comes to the first is sent round."""
        gateways = self.together(count, classes)
        self._spreads[gateways[0]] = Spread(gateways)
        return gateways[0]

    def for_client(self, place: Place) -> Place:
        """Give the place that the next client goes to."""
        spread = self._spreads.get(place)
        return place if spread is None else next(spread.clients)

    def for_link(self, gateway: Gateway) -> list[Gateway]:
        """Give the gateway that the next link leads to: clients will come that way.

        Behind it come the others of its service.
        """
        spread = self._spreads.get(gateway)
        if spread is None:
            return [gateway]
        first = next(spread.clients)
        place = spread.gateways.index(first)
        return [*spread.gateways[place:], *spread.gateways[:place]]

    def for_server(self, gateway: Gateway) -> Gateway:
        """Give the gateway that the next server attaches to."""
        spread = self._spreads.get(gateway)
        return gateway if spread is None else next(spread.servers)

    # The end.

    @property
    def names(self) -> dict[str, str]:
        """What the story calls them, by the ids that their peers know."""
        return {known: one.name for one in self._gateways for known in one.ids}

    def close(self) -> None:
        """End them, and read what they have written."""
        try:
            halts = [self._stage.asking(one.address, Halt) for one in self._gateways]
            for halt in halts:
                receive(halt)
            for setup in (one.setup for one in self._gateways):
                if setup.log.exists():
                    self.logs[setup.name] = setup.log.read_text()
                self.traces += [(setup.name, read_trace(it)) for it in setup.traces]
        finally:
            self._folder.cleanup()

    def _setup(
        self,
        name: str,
        classes: Classes,
        *,
        key: str = "",
        peered: bool = False,
        seeds: tuple[str, ...] = (),
    ) -> Setup:
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        key = key or secrets.token_hex(24)
        return Setup(name, folder, key, classes, self._traced, peered, seeds)

    def _start(self, setups: Sequence[Setup]) -> list[Gateway]:
        """Start processes at the same time."""
        stage, teller = self._stage, self._teller
        started = [
            Gateway(setup, stage.spawn(partial(GatewayActor, setup)), stage, teller)
            for setup in setups
        ]
        self._gateways += started
        starts = [gateway.starting() for gateway in started]
        for gateway, start in zip(started, starts, strict=True):
            gateway.has_started(start)
            teller.does(gateway.name, f"is ready at {gateway.endpoint}")
        return started


def _without(one: str, places: Sequence[str]) -> tuple[str, ...]:
    return tuple(place for place in places if place != one)
