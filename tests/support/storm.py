"""Publishers that go on while connections are cut, and whether everything arrives."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from support.chaos import Cut
from support.official import Bystander
from support.traffic import Publisher
from support.workers import MOST_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from support.chaos import Way
    from support.gateway import GatewayProcess

ROOM: Final = "room"
PATIENCE: Final = 90.0
TOTAL: Final = 10_000
CUTS: Final = 50

LAG: Final = 900
"""Messages that may come while a client is away: it would lose its session at 1,000."""

STEP: Final = 25
"""Messages that a publisher sends before it asks whether it may go on."""

MARGIN: Final = 100
"""Messages that come after a cut at least; and by which a cut may be late."""


class Heard(NamedTuple):
    """A message as a client's application got it."""

    sequence_id: int
    publisher: str
    number: int


class Pace:
    """Lets publishers go on as long as no client is too far behind."""

    def __init__(self) -> None:
        self.published = 0
        self._limits: dict[object, int] = {}
        self._heard: dict[str, int] = {}
        self._changed = asyncio.Event()

    def listens(self, name: str) -> None:
        """Wait for this client from now on."""
        self._heard[name] = 0

    def heard(self, name: str, count: int) -> None:
        """Note how many messages a client has got."""
        self._heard[name] = max(count, self._heard[name])
        self._changed.set()

    def limit(self, who: object, number: int) -> None:
        """Publish no more than this for now, because somebody says so."""
        self._limits[who] = number
        self._changed.set()

    async def allow(self, count: int) -> None:
        """Wait until so many more may be published."""
        while self.published + count > min(
            (self._slowest + LAG, *self._limits.values())
        ):
            await self.change()
        self.published += count
        self._changed.set()

    async def reached(self, number: int) -> None:
        """Wait until so many are published, or about to be."""
        while self.published < number:
            await self.change()

    async def everybody_heard(self, number: int) -> None:
        """Wait until every client has got so many."""
        while self._slowest < number:
            await self.change()

    async def change(self) -> None:
        """Wait until anything is published or heard."""
        self._changed.clear()
        await self._changed.wait()

    @property
    def _slowest(self) -> int:
        return min(self._heard.values())


class Source(Protocol):
    """Publishes numbers in order, and says under which name."""

    name: str

    async def publish(self, count: int) -> None:
        """Publish the next numbers, and wait until all are accepted."""


class RestPublisher:
    """Publishes over REST, by the official service client."""

    name = "rest"

    def __init__(self, service: Any, group: str) -> None:
        self._service = service
        self._group = group
        self._next = 0

    async def publish(self, count: int) -> None:
        for _ in range(count):
            data = {"n": self._next, "x": self.name}
            await self._service.send_to_group(self._group, data)
            self._next += 1


class Publishers(AsyncExitStack):
    """Those who publish to the room: alice and bob over plain WebSockets, and REST.

    They stand at the gateway itself, where nothing is cut.

    Args:
        gateway: The gateway.
        hub: The hub.
        avoid: The id of a worker where none of them may stand; then nobody publishes
            over REST, whose calls go wherever they like.
    """

    def __init__(self, gateway: GatewayProcess, hub: str, avoid: str = "") -> None:
        super().__init__()
        self._gateway = gateway
        self._hub = hub
        self._avoid = avoid
        self._sources: dict[Source, int] = {}

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        by_rest = 0 if self._avoid else TOTAL // 20
        if by_rest:
            rest = await self.enter_async_context(
                WebPubSubServiceClient.from_connection_string(
                    self._gateway.connection_string, self._hub
                )
            )
            self._sources[RestPublisher(rest, ROOM)] = by_rest
        for name in ("alice", "bob"):
            client = await self._placed(name)
            self.push_async_exit(client)
            publisher = Publisher(client, ROOM, noise=name)
            self._sources[publisher] = (TOTAL - by_rest) // 2
        return self

    async def _placed(self, name: str) -> Bystander:
        """Connect until it is at a worker where it may stand."""
        url = self._gateway.client_url(self._hub, name, ["webpubsub.sendToGroup"])
        for _ in range(MOST_CLIENTS):
            client = await Bystander(url).__aenter__()
            if not self._avoid or home(client.id) != self._avoid:
                return client
            await client.socket.close()
        raise AssertionError(f"everybody is at {self._avoid}")

    @property
    def counts(self) -> dict[str, int]:
        """How much each of them publishes."""
        return {source.name: count for source, count in self._sources.items()}

    async def publish(self, pace: Pace, *storms: Storm) -> None:
        """Publish all while the storms last, and wait until everybody has heard it.

        When that takes too long, something is lost: what it is, ``whole`` tells.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._publish(pace, storms)

    async def _publish(self, pace: Pace, storms: Iterable[Storm]) -> None:
        async def tell(source: Source, count: int) -> None:
            for done in range(0, count, STEP):
                step = min(STEP, count - done)
                await pace.allow(step)
                await source.publish(step)

        async with asyncio.TaskGroup() as tasks:
            for source, count in self._sources.items():
                tasks.create_task(tell(source, count))
            for storm in storms:
                tasks.create_task(storm.rage(TOTAL))
        await pace.everybody_heard(TOTAL)


class Storm:
    """Cuts ways at random moments, in random manners; the seed says which.

    Args:
        pace: Tells how far the publishers are.
        ways: Those of the clients.
        seed: Of the moments, the victims and the manners.
        cuts: How many.
        kinds: The manners.
    """

    def __init__(
        self,
        pace: Pace,
        ways: Sequence[Way],
        *,
        seed: int,
        cuts: int = CUTS,
        kinds: Sequence[Cut] = tuple(Cut),
    ) -> None:
        self._pace = pace
        self._ways = ways
        self._cuts = cuts
        self._chance = random.Random(seed)
        self._kinds = kinds

    @property
    def cuts(self) -> int:
        """How many connections have been cut."""
        return sum(way.cuts for way in self._ways)

    async def rage(self, total: int) -> None:
        """Cut one way at each moment; one cut in ten refuses the first return too."""
        chance = self._chance
        pace = self._pace
        for moment in sorted(chance.sample(range(total - 2 * MARGIN), self._cuts)):
            pace.limit(self, moment + MARGIN)
            await pace.reached(moment)
            busy = await self._ways[0].ways.busy(self._ways)
            way, kind = chance.choice(busy), chance.choice(self._kinds)
            await asyncio.to_thread(way.cut, kind, chance.random() < 0.1)
        pace.limit(self, total)


def whole(heard: Sequence[Heard], counts: Mapping[str, int]) -> None:
    """Check that a client got every message once, in the order of each publisher."""
    for name, count in counts.items():
        numbers = [one.number for one in heard if one.publisher == name]
        assert numbers == list(range(count)), f"{name}: {_difference(numbers, count)}"
    ids = [one.sequence_id for one in heard]
    assert ids == list(range(1, sum(counts.values()) + 1)), "as messages are numbered"


def _difference(numbers: list[int], count: int) -> str:
    lost = sorted(set(range(count)) - set(numbers))
    twice = len(numbers) - len(set(numbers))
    ordered = numbers == sorted(numbers)
    return f"{len(lost)} lost {lost[:10]}, {twice} twice, in order: {ordered}"


def home(connection_id: str) -> str:
    """Tell at which gateway, or worker, a session began."""
    return connection_id[:8]


def number(log: str, gateway: str) -> int:
    """Read off a log which number a worker has, of which the id is known."""
    found = re.search(rf"peer {gateway} at \S+/(\d+)\.sock is linked", log)
    assert found is not None, log
    return int(found[1])


_CLOSED = re.compile(r"worker=(\d+) .*closed \w+/(\w+) from")


def homes(log: str) -> dict[str, set[str]]:
    """Read off a log which workers each session had a socket at."""
    found: dict[str, set[str]] = {}
    for worker, connection_id in _CLOSED.findall(log):
        found.setdefault(connection_id, set()).add(worker)
    return found
