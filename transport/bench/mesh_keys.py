"""The parts of the mesh benchmark that count what a key costs: a group, a user."""

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
from hubbub.transport.bench.mesh_measures import MICRO, Figures, Options, Row
from hubbub.transport.wire.peering import decode, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from hubbub.transport.bench.mesh_clients import Client
    from hubbub.transport.bench.mesh_gateways import Gateway

_JOINERS: Final = 20
_AT_ONCE: Final = 50
_CHUNK: Final = 1000
_CALM: Final = 0.01
"""Of a core: who uses less is done."""


class _Used(NamedTuple):
    """What each of some gateways has used: processor seconds, and bytes."""

    cpu: list[float]
    memory: list[int]


class _Keys(NamedTuple):
    """What each key costs: processor seconds and bytes, of each gateway."""

    cpu: list[float]
    memory: list[float]


async def keys(options: Options) -> Figures:
    """Join many groups and connect many users at A, and look at what B has of it."""
    found: dict[tuple[str, int], list[_Keys]] = defaultdict(list)
    for _ in range(options.rounds):
        with meshed((1, 2), (0, 0, 1)) as services:
            for service in services:
                peers = len(service) - 1
                for what, step, count in (
                    ("user", _connect_all, options.keys // 10),
                    ("group", _join_all, options.keys),
                ):
                    comes, goes = await _come_and_go(service, step, count)
                    found[f"{what} comes", peers].append(comes)
                    found[f"{what} goes", peers].append(goes)
        options.advance()
    rows: list[Row] = []
    for (what, peers), few in found.items():
        row: Row = {"what": what, "with": "a peer" if peers else "alone"}
        for number, name in enumerate("AB"[: 1 + peers]):
            row[f"us of {name}"] = MICRO * min(one.cpu[number] for one in few)
            row[f"bytes at {name}"] = min(one.memory[number] for one in few)
        rows.append(row)
    rows.sort(key=len, reverse=True)  # the first has every column
    return Figures("the first of a group joins, a new user connects; and ends", rows)


async def _come_and_go(
    service: Sequence[Gateway],
    step: Callable[[int, int], Awaitable[list[Client]]],
    count: int,
) -> tuple[_Keys, _Keys]:
    before = await _calm(service)
    clients = await step(service[0].port, count)
    between = await _calm(service)
    for one in clients:
        one.close()
    after = await _calm(service)
    return _each(before, between, count), _each(between, after, count)


async def _join_all(port: int, count: int) -> list[Client]:
    clients = [await client(port) for _ in range(_JOINERS)]
    each = count // _JOINERS

    async def join(number: int, joiner: Client) -> None:
        for first in range(0, each, _AT_ONCE):
            few = range(first, min(first + _AT_ONCE, each))
            names = ((f"tenant-{number:06d}/room-{one:06d}", one) for one in few)
            joiner.send(b"".join(joining(*named) for named in names))
            await joiner.acked(few.stop)

    await asyncio.gather(*(join(*one) for one in enumerate(clients)))
    return clients


async def _connect_all(port: int, count: int) -> list[Client]:
    clients: list[Client] = []
    for first in range(0, count, _AT_ONCE):
        few = range(first, min(first + _AT_ONCE, count))
        names = (f"user-{number:012d}" for number in few)
        clients += await asyncio.gather(*(client(port, user=name) for name in names))
    return clients


async def _calm(service: Sequence[Gateway]) -> _Used:
    """Wait until the gateways have nothing more to do."""
    before = -1.0
    while True:
        used = _Used([sum(g.cpu()) for g in service], [g.memory() for g in service])
        now = sum(used.cpu)
        if now - before < _CALM * len(service):
            return used
        before = now
        await asyncio.sleep(1)


def _each(before: _Used, after: _Used, count: int) -> _Keys:
    times, sizes = (
        zip(before.cpu, after.cpu, strict=True),
        zip(before.memory, after.memory, strict=True),
    )
    return _Keys(
        [(now - then) / count for then, now in times],
        [(now - then) / count for then, now in sizes],
    )


async def table(options: Options) -> Figures:
    """Look at the table of what peers want, without any peers."""
    names = [f"tenant-{n // 1000:06d}/room-{n % 1000:06d}" for n in range(options.keys)]
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        keys = tuple(map(commands.ToGroup, names))
        chunks = [
            peers.Batch(
                "g", 1, 1, 0, (peers.Interests("bench", keys[at : at + _CHUNK]),)
            )
            for at in range(0, len(keys), _CHUNK)
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


PARTS: Final[dict[str, Any]] = {"keys": keys, "table": table}
