"""The parts of the mesh benchmark that compare one gateway with two to four."""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from hubbub.transport.bench import mesh_wire
from hubbub.transport.bench.mesh_gateways import Gateway, gateways, meshed
from hubbub.transport.bench.mesh_load import Load, Slice
from hubbub.transport.cluster_secret import new_secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    Build: TypeAlias = Callable[[Load, Sequence[Gateway]], Awaitable[None]]

Row: TypeAlias = "dict[str, str | float]"

TURNS: Final = 4
"""Turns that those who are compared take in a round, each time another first."""
MICRO: Final = 1e6
WINDOW: Final = 16
MEMBERS: Final = 1000


class Options(NamedTuple):
    """How long and how much to measure."""

    seconds: float
    rounds: int
    members: int
    most: int
    """Gateways at most."""
    keys: int
    """Groups joined at a peer, to weigh them."""
    advance: Callable[[], None]
    """Called after each round."""


class Figures(msgspec.Struct, frozen=True):
    """A table; its first row has every column."""

    title: str
    rows: list[Row]
    lost: int = 0
    """Deliveries that never came."""


class Best:
    """The slices of one load, over all rounds; the best of them counts."""

    def __init__(self, slices: Iterable[Slice]) -> None:
        self._slices = tuple(slices)

    @property
    def deliveries(self) -> float:
        """Deliveries a second."""
        return max(one.deliveries / one.seconds for one in self._slices)

    @property
    def messages(self) -> float:
        """Messages a second, each delivered to all its members."""
        return max(one.messages / one.seconds for one in self._slices)

    def cpu(self, *processes: int, by_message: bool = False) -> float:
        """Give microseconds of processor time for a delivery, or a message.

        Args:
            processes: Which of those that are watched; none means all.
            by_message: Of a message.
        """
        return MICRO * min(
            sum(one.cpu[n] for n in processes or range(len(one.cpu)))
            / max(one.messages if by_message else one.deliveries, 1)
            for one in self._slices
        )

    @property
    def busiest(self) -> float:
        """Microseconds of the busiest process for a delivery."""
        return MICRO * min(
            max(one.cpu) / max(one.deliveries, 1) for one in self._slices
        )

    @property
    def median(self) -> float:
        """Microseconds from a publication to its last delivery, one at a time."""
        return MICRO * min(one.median for one in self._slices)


@asynccontextmanager
async def loads(
    services: Sequence[Sequence[Gateway]], build: Build, lost: list[int]
) -> AsyncIterator[list[Load]]:
    """Connect the clients of a load to each of several services.

    Args:
        services: Each is watched for its own load.
        build: Connects them.
        lost: Takes how many deliveries are missing at the end.
    """
    found = []
    try:
        for service in services:
            load = Load(lambda s=service: tuple(t for one in s for t in one.cpu()))  # type: ignore[misc] # s is one
            found.append(load)
            await build(load, service)
        yield found
    finally:
        lost += [await load.close() for load in found]


async def take_turns(loads: Sequence[Load], seconds: float) -> list[list[Slice]]:
    """Put loads on in turn; gives the slices of each."""
    slices: list[list[Slice]] = [[] for _ in loads]
    for turn in range(TURNS):
        for number in range(len(loads)):
            which = (turn + number) % len(loads)
            slices[which].append(await loads[which].run(seconds))
    return slices


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
    """Serve a port with two workers, beside one process."""

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
    for _ in range(options.rounds):
        with gateways(((), ("--workers", "2"))) as running:
            for name, build in builds.items():
                async with loads([[one] for one in running], build, lost) as found:
                    few = await take_turns(found, options.seconds)
                for which, of_one in enumerate(few):
                    slices[name, which] += of_one
        options.advance()
    rows: list[Row] = []
    for name in builds:
        one, two = Best(slices[name, 0]), Best(slices[name, 1])
        rows.append(
            {
                "load": name,
                "1 process": one.deliveries,
                "2 workers": two.deliveries,
                "ratio": two.deliveries / max(one.deliveries, 1),
                "us of CPU each, 1": one.cpu(),
                "of 2": two.cpu(),
                "of the busier": two.busiest,
                "capacity": one.cpu() / two.busiest,
            }
        )
    title = "deliveries/s on the cores that the load leaves"
    return Figures(title, rows, sum(lost))


PARTS: Final[dict[str, Any]] = {
    "local": local,
    "wire": wire,
    "relays": relays,
    "workers": workers,
}
