"""The official Python clients with the protocol they choose themselves: the reliable one.

What is cut is cut for good, in four manners (``support.chaos``). The aio client is said
to take a broken socket for a close with 1008, after which no client recovers. With
aiohttp 3.14 none of these manners comes to that: end of stream, reset and a torn frame
all reach it as a close without a code, and it recovers.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from support.chaos import Cut, Ways
from support.gateway import GatewayProcess
from support.raw import metrics
from support.reliable import SECONDS, AsyncListener, SyncListener
from support.storm import CUTS, ROOM, Pace, Publishers, Storm, homes, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.chaos import Way

KINDS = {"sync": SyncListener, "aio": AsyncListener}
EACH = 2
"""Clients of a kind."""

pytestmark = [
    # Its thread that acknowledges dies of a cut; the next connection has a new one.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[SyncListener | AsyncListener]:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def ways(gateway: GatewayProcess) -> Iterator[Ways]:
    with Ways(gateway, 1) as ways:
        yield ways


async def arrive(
    stack: AsyncExitStack,
    kind: type[SyncListener | AsyncListener],
    hub: str,
    ways: Sequence[Way],
    pace: Pace,
) -> list[SyncListener | AsyncListener]:
    """Connect a client along each way; they join the room as clients do."""
    listeners = []
    for place, way in enumerate(ways):
        name = f"{kind.__name__} {place}"
        pace.listens(name)
        listener = kind(
            lambda way=way, name=name: way.client_url(hub, name, [JOIN]),
            lambda count, name=name: pace.heard(name, count),
        )
        await stack.enter_async_context(listener)
        await listener.join(ROOM)
        listeners.append(listener)
    return listeners


JOIN = "webpubsub.joinLeaveGroup"


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_lost_or_doubled_while_connections_are_cut(
    workers: int, hub: str
) -> None:
    """Two clients of each kind, all of them in one group, no two on the same way.

    Counted: 10,000 messages of three publishers to each of the four clients, 50 cuts of
    the sync clients and 50 of the aio clients, each of an open connection. Each client
    must have every message once: sequence ids from 1 to 10,000 without a gap, and the
    numbers of each publisher in order. The application of an aio client sees them in
    that order. That of a sync client gets each in a thread of its own, so its are sorted
    by sequence id first; since the client drops what is not above all before, all of
    them being there means that they came in order.

    No client may have been told of a disconnection or of a second connection: every cut
    ended in a recovery, which the gateway counts too. Of two workers, some sessions
    must have had sockets at both, since whoever recovers cannot choose.
    """
    with GatewayProcess("--log-level", "info", workers=workers) as gateway:
        with Ways(gateway, 2 * EACH) as ways:
            async with (
                AsyncExitStack() as stack,
                Publishers(gateway, hub) as publishers,
                asyncio.timeout(120),
            ):
                pace = Pace()
                halves = {"sync": ways.all[:EACH], "aio": ways.all[EACH:]}
                listeners = {
                    name: await arrive(stack, KINDS[name], hub, half, pace)
                    for name, half in halves.items()
                }
                storms = [Storm(pace, half, seed=6) for half in halves.values()]
                await publishers.publish(pace, *storms)
                assert [storm.cuts for storm in storms] == [CUTS, CUTS]
                for name, kind in listeners.items():
                    for listener in kind:
                        heard = listener.heard
                        whole(sorted(heard) if name == "sync" else heard, publishers.counts)
                        assert len(listener.connected) == 1
                        assert listener.disconnected == []
                counts = metrics(gateway)
                assert counts["hubbub_sessions_recovered_total"] >= 2 * CUTS
                assert counts["hubbub_sessions_lost_total"] == 0
        if workers > 1:
            moved = [at for at in homes(gateway.log).values() if len(at) > 1]
            assert moved
