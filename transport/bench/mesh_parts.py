"""The parts of the mesh benchmark that compare one gateway with two to four."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from hubbub.transport.bench import mesh_wire
from hubbub.transport.bench.mesh_gateways import Gateway, gateways, meshed
from hubbub.transport.bench.mesh_measures import (
    MICRO,
    WINDOW,
    Best,
    Figures,
    Options,
    Row,
    loads,
    take_turns,
)
from hubbub.transport.cluster_secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.transport.bench.mesh_load import Load, Slice
    from hubbub.transport.bench.mesh_measures import Build


async def local(options: Options) -> Figures:
    """Fan out to members of one gateway, alone and with idle peers."""
    peers = [number for number in (0, 1, 3) if number < options.most]
    slices: list[list[Slice]] = [[] for _ in peers]
    lost: list[int] = []

    async def build(load: Load, service: Sequence[Gateway]) -> None:
        port = service[0].port
        await load.group("lobby", port, [port] * options.members, WINDOW)

    for _ in range(options.rounds):
        counts = tuple(1 + number for number in peers)
        cores = [core for count in counts for core in (0, *[1] * (count - 1))]
        with meshed(counts, cores) as services:
            async with loads(services, build, lost) as found:
                for of_all, few in zip(
                    slices, await take_turns(found, options.seconds), strict=True
                ):
                    of_all.extend(few)
        options.advance()
    alone = Best(slices[0])
    rows: list[Row] = []
    for number, few in zip(peers, slices, strict=True):
        best = Best(few)
        ratios = [
            (one.deliveries / one.seconds) / max(base.deliveries / base.seconds, 1)
            for one, base in zip(few, slices[0], strict=True)
        ]
        rows.append(
            {
                "connected": f"{number} idle peers",
                "deliveries/s": best.deliveries,
                "ratio": best.deliveries / max(alone.deliveries, 1),
                "median of ratios": median(ratios),
                "us of CPU each": best.cpu(0),
                "ratio of CPU": best.cpu(0) / alone.cpu(0),
            }
        )
    title = f"1 publisher to {options.members:,} members of one gateway"
    return Figures(title, rows, sum(lost))


async def wire(options: Options) -> Figures:
    """Send relays over the wire alone, beside bare sockets."""
    secret = new_secret()
    ways = {
        "bare sockets, no batches": mesh_wire.Way(0),
        **{f"wire, batches of {n}": mesh_wire.Way(n) for n in (1, 8, 64, 512)},
        "wire, batches of 64, encrypted": mesh_wire.Way(64, secret),
    }
    flows = defaultdict(list)
    for _ in range(options.rounds):
        found = mesh_wire.measure(tuple(ways.values()), options.seconds)
        for name, flow in zip(ways, found, strict=True):
            flows[name].append(flow)
        options.advance()
    rates = {name: max(one.per_second for one in few) for name, few in flows.items()}
    bare = next(iter(rates.values()))
    rows: list[Row] = [
        {
            "way": name,
            "relays/s": rates[name],
            "/ bare": rates[name] / bare,
            "us of sender": MICRO * min(one.sender for one in few),
            "us of receiver": MICRO * min(one.receiver for one in few),
        }
        for name, few in flows.items()
    ]
    return Figures("two processes on two cores, no gateway around", rows)


async def relays(options: Options) -> Figures:
    """Publish at one gateway to members of another, beside members of the same."""

    def lanes(count: int, window: int) -> Build:
        async def build(load: Load, service: Sequence[Gateway]) -> None:
            for number in range(count):
                first, last = service[0].port, service[-1].port
                await load.group(f"g{number}", first, [last], window)

        return build

    async def wide(load: Load, service: Sequence[Gateway]) -> None:
        first, last = service[0].port, service[-1].port
        await load.group("lobby", first, [last] * options.members, WINDOW)

    builds: dict[str, Build] = {
        "20 publishers, a member each": lanes(20, 32),
        "one message at a time": lanes(1, 1),
        f"1 publisher to {options.members:,} members": wide,
    }
    slices: dict[tuple[str, int], list[Slice]] = defaultdict(list)
    lost: list[int] = []
    for _ in range(options.rounds):
        with meshed((1, 2), (0, 0, 1)) as services:
            for name, build in builds.items():
                async with loads(services, build, lost) as found:
                    few = await take_turns(found, options.seconds)
                for which, of_one in enumerate(few):
                    slices[name, which] += of_one
        options.advance()
    rows: list[Row] = []
    for name in builds:
        here, there = Best(slices[name, 0]), Best(slices[name, 1])
        rows.append(
            {
                "load": name,
                "messages/s, same gateway": here.messages,
                "from A to B": there.messages,
                "us of CPU each, same": here.cpu(by_message=True),
                "of A": there.cpu(0, by_message=True),
                "of B": there.cpu(1, by_message=True),
                "median us, same": here.median,
                "A to B": there.median,
            }
        )
    return Figures("publishers at A, members at A or at B", rows, sum(lost))


async def workers(options: Options) -> Figures:
    """Serve a port with two workers, beside one process.

    Two workers and a load do not fit on two cores. So they also get the one core that
    the single process has: what they do there, they do twice on two.
    """

    def groups(count: int, members: int, publishers: int, window: int) -> Build:
        async def build(load: Load, service: Sequence[Gateway]) -> None:
            port = service[0].port
            for number in range(count):
                publisher = port if publishers else None
                await load.group(f"w{number}", publisher, [port] * members, window)

        return build

    builds = {
        f"1 publisher to {options.members:,} members": groups(
            1, options.members, 1, WINDOW
        ),
        "round trips of 64 clients": groups(64, 1, 0, 1),
        "100 groups of 10": groups(100, 10, 1, WINDOW),
    }
    slices: dict[tuple[str, int], list[Slice]] = defaultdict(list)
    lost: list[int] = []
    two = ("--workers", "2")
    for _ in range(options.rounds):
        with gateways(((), two, two), (0, 0, None)) as running:
            for name, build in builds.items():
                async with loads([[one] for one in running], build, lost) as found:
                    few = await take_turns(found, options.seconds)
                for which, of_one in enumerate(few):
                    slices[name, which] += of_one
        options.advance()
    rows: list[Row] = []
    for name in builds:
        one, both, spread = (Best(slices[name, which]) for which in range(3))
        ratio = both.deliveries / max(one.deliveries, 1)
        rows.append(
            {
                "load": name,
                "1 process, 1 core": one.deliveries,
                "2 workers, the same core": both.deliveries,
                "2 workers, 2 cores and the load": spread.deliveries,
                "share of the busier": both.busiest / both.cpu(),
                "2 cores / 1": ratio / (both.busiest / both.cpu()),
                "us of CPU, 1": one.cpu(),
                "2": both.cpu(),
            }
        )
    return Figures("deliveries a second through one port", rows, sum(lost))


PARTS: Final[dict[str, Any]] = {
    "local": local,
    "wire": wire,
    "relays": relays,
    "workers": workers,
}
