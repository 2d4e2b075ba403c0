"""A look into gateways of a simulated mesh: do they agree, and is anything left?"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hubbub.actors.messages import commands
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.address import Address
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.supervision import Place
from support.simulation_world import HUB, actor_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation_clients import Client
    from support.simulation_world import Process, World

    Census: TypeAlias = Counter[str]


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
    return sorted(str(key) for key in tuple(table.keys()) if link in table.of(key))


def disagreements(world: World) -> Iterator[str]:
    """Compare what gateways believe of each other with what they have."""
    for process in world.processes:
        for peer in world.processes:
            if peer is process:
                continue
            want, believe = wanted(peer), believed(process, peer)
            if want != believe:
                yield f"{peer} wants {want}, but {process} believes {believe}"


REMEMBERED: Final = frozenset(
    {
        "_known",  # rules that servers declared who may come back
        "_dials",  # where gateways were, which differs with how one met them
        "seeds",
        "_candidates",  # nonces that nobody has proven yet; a few
        "current",
        "offer",
    }
)
"""What is kept on purpose when those are gone that it came from."""


def census(process: Process) -> Census:
    """Count what a process holds: entries of containers, timers and actors, by path."""
    counts: Census = Counter()
    counts["timers"] = len(process.loop.timers)
    seen: dict[int, object] = {}
    for place in process.places():
        actor = actor_of(place.address)
        counts[f"actors {type(actor).__name__}"] += 1
        if actor is not None:
            waiting = [(type(actor).__name__, value) for value in _parts(actor)]
            _count(waiting, counts, seen)
    return counts


def _count(
    waiting: list[tuple[str, tuple[str, object]]],
    counts: Census,
    seen: dict[int, object],
) -> None:
    while waiting:
        path, (name, value) = waiting.pop()
        where = f"{path}.{name}"
        if id(value) in seen or name in REMEMBERED:
            continue
        match value:
            case dict():
                counts[where] += len(value)
                inner = [("{}", one) for one in value.values()]
            case list() | tuple() | deque() | set():
                counts[where] += len(value)
                inner = [("[]", one) for one in value]
            case LoopActor() | Address() | Place() | Dispatcher():
                continue
            case _ if type(value).__module__.startswith("hubbub.actors."):
                inner = list(_parts(value))
            case _:
                continue
        seen[id(value)] = value
        waiting += [(where, part) for part in inner]


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Give the attributes of an object, with slots or without."""
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)


def leftovers(process: Process, before: Census) -> Iterator[str]:
    """Give what a process holds more than before anybody came."""
    for where, count in census(process).items():
        if count > before[where]:
            yield f"{process} has {count} of {where}, and had {before[where]} before"
