"""The part of the mesh benchmark that counts what one more gateway costs."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hubbub.transport.bench.mesh_clients import client, joining
from hubbub.transport.bench.mesh_gateways import meshed
from hubbub.transport.bench.mesh_measures import (
    WINDOW,
    Best,
    Figures,
    Options,
    Row,
    loads,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.transport.bench.mesh_gateways import Gateway
    from hubbub.transport.bench.mesh_load import Load, Slice
    from hubbub.transport.bench.mesh_measures import Build

SPREAD: Final = 320
"""Members of a group, however many gateways they are spread over."""
_MILLI: Final = 1e3
_JOINS: Final = 200
_IDLE_TURNS: Final = 3
"""Turns of doing nothing."""
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


PARTS: Final[dict[str, Any]] = {"growth": growth}
