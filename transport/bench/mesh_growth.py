"""The parts of the mesh benchmark that count what one more gateway or key costs."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hubbub.actors.messages import commands, peers
from hubbub.actors.policy.interest import Interest
from hubbub.transport.bench.mesh_clients import client, joining
from hubbub.transport.bench.mesh_gateways import meshed
from hubbub.transport.bench.mesh_parts import (
    MICRO,
    WINDOW,
    Best,
    Figures,
    Options,
    Row,
    loads,
)
from hubbub.transport.wire.peering import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hubbub.transport.bench.mesh_clients import Client
    from hubbub.transport.bench.mesh_gateways import Gateway
    from hubbub.transport.bench.mesh_load import Load, Slice
    from hubbub.transport.bench.mesh_parts import Build

SPREAD: Final = 320
"""Members of a group, however many gateways they are spread over."""
_MILLI: Final = 1e3
_JOINS: Final = 200
_IDLE_TURNS: Final = 3
"""Turns of doing nothing."""
_JOINERS: Final = 20
_AT_ONCE: Final = 50
_MEGABYTE: Final = 1e6


def _group(name: str, gateways: int | None, window: int) -> Build:
    """Make the load of a group with members on the first gateways, or on all."""

    async def build(load: Load, service: Sequence[Gateway]) -> None:
        places = [gateway.port for gateway in service[:gateways]]
        members = [places[number % len(places)] for number in range(SPREAD)]
        await load.group(name, service[0].port, members, window)

    return build


async def _user(load: Load, service: Sequence[Gateway]) -> None:
    await load.user("ada", service[0].port, service[-1].port, WINDOW)


_BUILDS: Final[dict[str, Build]] = {
    "everywhere": _group("everywhere", None, WINDOW),
    "one at a time": _group("everywhere", None, 1),
    "on two": _group("two", 2, WINDOW),
    "to a user": _user,
}


class _Rest(NamedTuple):
    """What a service costs that has nothing to do, and how long joins take."""

    idle: float
    memory: float
    files: float
    joins: list[float]


async def growth(options: Options) -> Figures:
    """Do the same with more and more gateways on this machine."""
    counts = [count for count in (1, 2, 4, 8, 16) if count <= options.most]
    slices: dict[tuple[int, str], list[Slice]] = defaultdict(list)
    rests: dict[int, list[_Rest]] = defaultdict(list)
    lost: list[int] = []
    for _ in range(options.rounds):
        for count in counts:
            with meshed((count,)) as (service,):
                rests[count].append(await _rest(service, options.seconds))
                for name, build in _BUILDS.items():
                    async with loads((service,), build, lost) as (load,):
                        slices[count, name].append(await load.run(options.seconds))
        options.advance()
    rows: list[Row] = []
    for count in counts:
        best = {name: Best(slices[count, name]) for name in _BUILDS}
        joins = sorted(one for rest in rests[count] for one in rest.joins)
        row: Row = {"gateways": count, "us each, everywhere": best["everywhere"].cpu()}
        for name in _BUILDS:
            row[f"us a message, {name}"] = best[name].cpu(by_message=True)
        row |= {
            "join ms, p50": _MILLI * joins[len(joins) // 2],
            "p99": _MILLI * joins[len(joins) * 99 // 100],
            "% of a core, idle each": min(rest.idle for rest in rests[count]),
            "MB each": min(rest.memory for rest in rests[count]) / _MEGABYTE,
            "open files each": min(rest.files for rest in rests[count]),
        }
        rows.append(row)
    title = f"processor time of all gateways: a group of {SPREAD}, or one user"
    return Figures(title, rows, sum(lost))


async def _rest(service: Sequence[Gateway], seconds: float) -> _Rest:
    before = sum(sum(one.cpu()) for one in service)
    began = time.perf_counter()
    await asyncio.sleep(_IDLE_TURNS * seconds)
    took = time.perf_counter() - began
    used = sum(sum(one.cpu()) for one in service) - before
    memory = sum(one.memory() for one in service)
    joins = await _joins(service[0])
    files, count = sum(one.files() for one in service), len(service)
    return _Rest(100 * used / took / count, memory / count, files / count, joins)


async def _joins(gateway: Gateway) -> list[float]:
    """Join one new group after another; gives the seconds until each ack."""
    joiner, times = await client(gateway.port), []
    for number in range(_JOINS):
        began = time.perf_counter()
        joiner.send(joining(f"join{number}", number))
        await joiner.acked(number + 1)
        times.append(time.perf_counter() - began)
    joiner.close()
    return times


class _Keys(NamedTuple):
    """What keys cost: joins a second, processor seconds and bytes of each gateway."""

    rate: float
    cpu: list[float]
    memory: list[float]


async def keys(options: Options) -> Figures:
    """Join many groups and connect many users at A, and look at what B has of it."""
    found: dict[tuple[str, bool], list[_Keys]] = defaultdict(list)
    for _ in range(options.rounds):
        with meshed((1, 2), (0, 0, 1)) as services:
            for service in services:
                peers = len(service) > 1
                for what, step, count in (
                    ("join of a new group", _join_all, options.keys),
                    ("connection of a new user", _connect_all, options.keys // 10),
                ):
                    clients, of_all = await step(service, count)
                    found[what, peers].append(of_all)
                    for one in clients:
                        one.close()
                    # Until both gateways have forgotten them.
                    await asyncio.sleep(2 * options.seconds)
        options.advance()
    rows: list[Row] = []
    for (what, peers), few in found.items():
        row: Row = {
            "what": what,
            "with": "a peer" if peers else "alone",
            "a second": max(one.rate for one in few),
        }
        for number, name in enumerate("AB" if peers else "A"):
            row[f"us of {name}"] = MICRO * min(one.cpu[number] for one in few)
            row[f"bytes at {name}"] = min(one.memory[number] for one in few)
        rows.append(row)
    rows.sort(key=len, reverse=True)  # the first has every column
    return Figures("what a key costs where it is, and at a peer", rows)


async def _join_all(
    service: Sequence[Gateway], count: int
) -> tuple[list[Client], _Keys]:
    clients = [await client(service[0].port) for _ in range(_JOINERS)]
    each = count // _JOINERS

    async def join(number: int, joiner: Client) -> None:
        for first in range(0, each, _AT_ONCE):
            few = range(first, min(first + _AT_ONCE, each))
            names = (f"tenant-{number:06d}/room-{one:06d}" for one in few)
            joiner.send(b"".join(joining(name, first + 1) for name in names))
            await joiner.acked(few.stop)

    before = _used(service)
    began = time.perf_counter()
    await asyncio.gather(*(join(*one) for one in enumerate(clients)))
    took = time.perf_counter() - began
    return clients, _weighed(service, before, took, each * _JOINERS)


async def _connect_all(
    service: Sequence[Gateway], count: int
) -> tuple[list[Client], _Keys]:
    before = _used(service)
    began = time.perf_counter()
    clients: list[Client] = []
    for first in range(0, count, _AT_ONCE):
        few = range(first, min(first + _AT_ONCE, count))
        names = (f"user-{number:012d}" for number in few)
        port = service[0].port
        clients += await asyncio.gather(*(client(port, user=name) for name in names))
    took = time.perf_counter() - began
    return clients, _weighed(service, before, took, count)


def _used(service: Sequence[Gateway]) -> list[tuple[float, int]]:
    return [(sum(one.cpu()), one.memory()) for one in service]


def _weighed(
    service: Sequence[Gateway], before: list[tuple[float, int]], took: float, count: int
) -> _Keys:
    after = _used(service)
    pairs = list(zip(after, before, strict=True))
    cpu = [(now[0] - then[0]) / count for now, then in pairs]
    memory = [(now[1] - then[1]) / count for now, then in pairs]
    return _Keys(count / took, cpu, memory)


async def table(options: Options) -> Figures:
    """Look at the table of what peers want, without any peers."""
    names = [f"tenant-{n // 1000:06d}/room-{n % 1000:06d}" for n in range(options.keys)]
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        keys = tuple(map(commands.ToGroup, names))
        chunks = [
            peers.Batch("g", 1, 1, 0, (peers.Interests("bench", keys[at : at + 1000]),))
            for at in range(0, len(keys), 1000)
        ]
        link, other = object(), object()
        with _timed(found["written for a peer that comes"], len(keys)):
            packets = [encode(chunk) for chunk in chunks]
        tracemalloc.start()
        interest: Interest[object] = Interest()
        for packet in packets:
            _enter(interest, packet, link)
        found["bytes"].append(tracemalloc.get_traced_memory()[0] / len(keys))
        tracemalloc.stop()
        interest = Interest()
        with _timed(found["read and entered"], len(keys)):
            for packet in packets:
                _enter(interest, packet, link)
        with _timed(found["looked at when another peer is lost"], len(keys)):
            interest.forget(other)
        with _timed(found["forgotten when its peer is lost"], len(keys)):
            interest.forget(link)
        options.advance()
    weight = min(found.pop("bytes"))
    rows: list[Row] = [
        {"what": what, "us each": MICRO * min(times)} for what, times in found.items()
    ]
    rows.append({"what": "bytes of a key in the table", "us each": weight})
    return Figures(f"the table of {options.keys:,} keys that peers want", rows)


def _enter(interest: Interest[object], packet: bytes, link: object) -> None:
    """Do what a link does with a part of what its peer wants."""
    match decode(packet):
        case peers.Batch(messages=(peers.Interests(keys=keys),)):
            for key in keys:
                interest.add(key, link)
        case _:
            raise AssertionError("that is not what was written")


@contextmanager
def _timed(times: list[float], count: int) -> Iterator[None]:
    began = time.process_time()
    yield
    times.append((time.process_time() - began) / count)


PARTS: Final[dict[str, Any]] = {"growth": growth, "keys": keys, "table": table}
