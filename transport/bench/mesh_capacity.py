"""``python -m hubbub.transport.bench.mesh_capacity``: a full mesh on paper.

Computed, not measured: the costs are what ``bench.mesh`` found on one machine
(docs/explanation/scaling.md), the rest is arithmetic. Members of a group are taken to
be at any gateway with the same chance.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import typer
from rich.console import Console
from rich.table import Table


class Costs(NamedTuple):
    """Microseconds of processor time for one of each, and bytes of memory.

    Args:
        publication: Taking a publication from a client, and finding its group.
        delivery: Handing a message to one more member.
        connection: A connection that comes and goes, with its handshake.
        change: Telling a peer that a key is wanted, or no more.
        heard: Hearing that from a peer.
        heartbeat: A sign of life to one peer and from it.
        gateway: Bytes of a gateway with nobody connected.
        client: Bytes of a connection with its memberships.
        key: Bytes of a key that a peer wants.
        link: Bytes of a link.
    """

    publication: float = 12.0
    delivery: float = 6.0
    connection: float = 500.0
    change: float = 4.0
    heard: float = 3.0
    heartbeat: float = 40.0
    gateway: float = 62e6
    client: float = 7e3
    key: float = 200.0
    link: float = 150e3


class Service(NamedTuple):
    """What is asked of a service.

    Args:
        connections: Clients that are connected at a time.
        groups: Groups of each.
        members: Members of each group.
        every: Seconds between two publications of a client.
        lifetime: Seconds that a client stays.
        batch: Relays that go to a peer at once.
    """

    connections: int
    groups: int
    members: int
    every: float
    lifetime: float
    batch: int


class Share(NamedTuple):
    """What one gateway of so many has to do: cores, and bytes."""

    gateways: int
    visited: float
    """Gateways that a publication visits besides its own."""
    clients: float
    relays: float
    mesh: float
    memory: float
    links: int
    """Of the whole service."""
    updates: float
    """Changes of interest a second, of the whole service."""

    @property
    def cores(self) -> float:
        """All that it takes."""
        return self.clients + self.relays + self.mesh


_PACKET: Final = (19.0, 20.0)
"""Microseconds for a batch, at the sender and at the receiver (bench.mesh, wire)."""
_RELAY: Final = (6.0, 5.0)
"""And for each relay in it, hub and link included."""


def share(service: Service, gateways: int, costs: Costs) -> Share:
    """Work out what falls to each gateway."""
    n, micro = gateways, 1e-6
    # Nobody else of a group is at a certain gateway:
    empty = (1 - 1 / n) ** (service.members - 1)
    visited = (n - 1) * (1 - empty)
    publications = service.connections / service.every / n
    comings = service.connections / service.lifetime
    deliveries = publications * service.members
    clients = publications * costs.publication + deliveries * costs.delivery
    clients += comings / n * costs.connection
    crossing = sum(one / service.batch for one in _PACKET) + sum(_RELAY)
    # It has to tell, and to hear, whenever the first of a key comes or the last goes.
    updates = 2 * comings * (1 + service.groups * empty)
    told = updates * (n - 1) / n
    mesh = told * (costs.change + costs.heard) + (n - 1) * costs.heartbeat
    groups = service.connections * service.groups / service.members
    keys = service.connections * (n - 1) / n + groups * min(visited + 1, n)
    memory = costs.gateway + service.connections / n * costs.client
    memory += keys * costs.key + (n - 1) * costs.link
    return Share(
        n,
        visited,
        clients * micro,
        publications * visited * crossing * micro,
        mesh * micro,
        memory,
        n * (n - 1),
        updates,
    )


_SIZES: Final = (1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 200, 256, 400, 512, 800)


def main(
    connections: Annotated[int, typer.Option(help="At a time.")] = 1_000_000,
    groups: Annotated[int, typer.Option(help="Of each connection.")] = 2,
    members: Annotated[int, typer.Option(help="Of each group.")] = 20,
    every: Annotated[float, typer.Option(help="Seconds between publications.")] = 60.0,
    lifetime: Annotated[float, typer.Option(help="Seconds of a connection.")] = 1800.0,
    batch: Annotated[int, typer.Option(help="Relays that go at once.")] = 1,
    busy: Annotated[float, typer.Option(help="Cores that may be in use.")] = 0.6,
) -> None:
    """Work out how many gateways a service takes, and what they do.

    The first line that keeps within the core that a gateway has is the answer.
    """
    service = Service(connections, groups, members, every, lifetime, batch)
    table = Table(title=f"{connections:,} connections on N gateways, each")
    for column in ("N", "links", "visited", "clients", "relays", "mesh", "cores"):
        table.add_column(column, justify="right")
    table.add_column("GB", justify="right")
    table.add_column("updates/s", justify="right")
    table.add_column("")
    for gateways in _SIZES:
        one = share(service, gateways, Costs())
        parts = (one.clients, one.relays, one.mesh, one.cores, one.memory / 1e9)
        table.add_row(
            str(gateways),
            f"{one.links:,}",
            f"{one.visited:.1f}",
            *(f"{part:.2f}" for part in parts),
            f"{one.updates:,.0f}",
            "holds" if one.cores <= busy else "",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
