"""A look into gateways of a simulated mesh: do they agree, and is anything left over?"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import commands
from support.simulation_world import HUB, actor_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation_clients import Client
    from support.simulation_world import Process, World


def hub_of(process: Process) -> Any:
    """Give the hub actor of a process, if it has started."""
    gateway = actor_of(process.gateway)
    address = gateway._hubs.get(HUB)
    return None if address is None else actor_of(address)


def groups_of(client: Client) -> list[str]:
    """Give the groups that the roster has for a client."""
    hub = hub_of(client.process)
    entry = hub._roster.connections.get(client.connection_id)
    return [] if entry is None else list(entry.groups)


def wanted(process: Process) -> list[str]:
    """Give what a process wants by what it has."""
    hub = hub_of(process)
    if hub is None:
        return []
    roster, listeners = hub._roster, hub._membership.listeners
    keys: list[Any] = [commands.ToUser(user) for user in roster._users]
    keys += [
        commands.ToGroup(group)
        for group in hub._membership.groups
        if roster.members(group) or listeners.of(group)
    ]
    if roster.connections:
        keys.append(commands.Everyone())
    return sorted(map(str, keys))


def believed(process: Process, peer: Process) -> list[str]:
    """Give what a process believes that a peer wants."""
    directory = actor_of(process.gateway)._directory
    link = directory.links.get(peer.gateway_id)
    if link is None:
        return ["no link"]
    table = directory.interest(HUB)
    return sorted(str(key) for key in table.keys() if link in table.of(key))


def disagreements(world: World) -> Iterator[str]:
    """Compare what gateways believe of each other with what they have."""
    for process in world.processes:
        for peer in world.processes:
            if peer is process:
                continue
            want, believe = wanted(peer), believed(process, peer)
            if want != believe:
                yield f"{peer} wants {want}, but {process} believes {believe}"


def leftovers(world: World) -> Iterator[str]:
    """Give what is left in gateways after all clients and servers have gone."""
    del world
    yield from ()
