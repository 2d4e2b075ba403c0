"""The official Python clients with the protocol that they choose, the reliable one.

What is cut is cut for good, in four manners (``support.chaos``). The aio client is said
to take a broken socket for a close with 1008, after which no client recovers. With
aiohttp 3.14 none of these manners comes to that: the end of the stream, a reset and a
torn frame all reach it as a close without a code, and it recovers.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from support.chaos import Cut, Ways
from support.gateway import GatewayProcess
from support.raw import metrics
from support.reliable import AsyncListener, Listener, SyncListener
from support.returning import UNRECOVERABLE, address_of, gone, lost, way_back
from support.storm import CUTS, ROOM, Pace, Publishers, Storm, homes, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.chaos import Way

KINDS: dict[str, type[Listener]] = {"sync": SyncListener, "aio": AsyncListener}
SYNC, AIO = 2, 5
"""Clients of each kind: an aio client takes a second to come back, whatever happens."""

# The thread of the sync client that acknowledges dies of a cut, by the client's own
# doing; with the next connection there is a new one.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[Listener]:
    return KINDS[request.param]


@pytest.fixture
def service(gateway: GatewayProcess, hub: str) -> Callable[[], Any]:
    return lambda: WebPubSubServiceClient.from_connection_string(
        gateway.connection_string, hub
    )


async def arrive(
    stack: AsyncExitStack,
    kind: type[Listener],
    hub: str,
    ways: Sequence[Way],
    pace: Pace,
) -> list[Listener]:
    """Connect a client along each way; they join the room as clients do."""
    listeners = []
    for place, way in enumerate(ways):
        name = f"{kind.__name__} {place}"
        pace.listens(name)
        listener = kind(
            partial(way.client_url, hub, name, [MEMBER]), partial(pace.heard, name)
        )
        listeners.append(listener)

    async def close() -> None:
        await asyncio.gather(*(listener.close() for listener in listeners))

    stack.push_async_callback(close)
    for listener in listeners:
        await listener.open()
        await listener.join(ROOM)
    return listeners


MEMBER = "webpubsub.joinLeaveGroup"


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_lost_or_doubled_while_connections_are_cut(
    workers: int, hub: str
) -> None:
    """Two sync and five aio clients in one group, no two of them on the same way.

    Counted: 10,000 messages of three publishers to each of the clients, 50 cuts of the
    sync clients and 50 of the aio clients, each of an open connection. Each client
    must have every message once: sequence ids from 1 to 10,000 without a gap, and the
    numbers of each publisher in order. The application of an aio client sees them in
    that order. That of a sync client gets each in a thread of its own, so its are put
    in the order of sequence ids first; since the client drops what is not above all
    before, all of them being there means that they came in order.

    No client may have been told of a disconnection or of a second connection: every cut
    ended in a recovery, which the gateway counts too. Of two workers, some sessions
    must have had sockets at both, since whoever recovers cannot choose.
    """
    with GatewayProcess("--log-level", "info", workers=workers) as gateway:
        with Ways(gateway, SYNC + AIO) as ways:
            async with (
                asyncio.timeout(120),
                AsyncExitStack() as stack,
                Publishers(gateway, hub) as publishers,
            ):
                pace = Pace()
                halves = {"sync": ways.all[:SYNC], "aio": ways.all[SYNC:]}
                listeners = {
                    name: await arrive(stack, KINDS[name], hub, half, pace)
                    for name, half in halves.items()
                }
                storms = [Storm(pace, half, seed=6) for half in halves.values()]
                await publishers.publish(pace, *storms)
                assert [storm.cuts for storm in storms] == [CUTS, CUTS]
                for one in listeners["sync"]:
                    whole(sorted(one.heard), publishers.counts)
                for one in listeners["aio"]:
                    whole(one.heard, publishers.counts)
                for one in listeners["sync"] + listeners["aio"]:
                    assert len(one.connected) == 1
                    assert one.disconnected == []
                counts = metrics(gateway)
                assert counts["hubbub_sessions_recovered_total"] >= 2 * CUTS
                assert counts["hubbub_sessions_lost_total"] == 0
        if workers > 1:
            assert any(len(at) > 1 for at in homes(gateway.log).values())


@pytest.mark.parametrize("manner", Cut)
async def test_a_client_comes_back_from_a_cut_of_any_manner(
    kind: type[Listener],
    manner: Cut,
    gateway: GatewayProcess,
    hub: str,
    service: Callable[[], Any],
) -> None:
    with Ways(gateway, 1) as ways:
        async with AsyncExitStack() as stack, service() as rest:
            pace = Pace()
            (listener,) = await arrive(stack, kind, hub, ways.all, pace)

            async def publish(number: int) -> None:
                await rest.send_to_group(ROOM, {"x": "rest", "n": number})

            await publish(0)
            await pace.everybody_heard(1)
            ways.all[0].cut(manner)
            for number in (1, 2, 3):
                await publish(number)
            await pace.everybody_heard(4)
            whole(sorted(listener.heard), {"rest": 4})
            assert len(listener.connected) == 1
            assert listener.disconnected == []
            assert ways.all[0].cuts == 1


async def test_a_client_closed_over_rest_is_told_and_returns_as_another(
    kind: type[Listener],
    gateway: GatewayProcess,
    hub: str,
    service: Callable[[], Any],
) -> None:
    """It tries to recover first, in vain: that is counted."""
    before = metrics(gateway)["hubbub_sessions_lost_total"]
    with Ways(gateway, 1) as ways:
        async with AsyncExitStack() as stack, service() as rest:
            pace = Pace()
            (listener,) = await arrive(stack, kind, hub, ways.all, pace)
            await rest.close_connection(listener.connected[0], reason="lunch")
            async with asyncio.timeout(SECONDS):
                while len(listener.connected) < 2 or not await rest.group_exists(ROOM):
                    await rest.connection_exists(listener.connected[0])
            old, new = listener.connected
            assert new != old
            assert not await rest.connection_exists(old)
            assert listener.disconnected == [
                "Application server closed the connection. Reason: lunch"
            ]
            await rest.send_to_group(ROOM, {"x": "rest", "n": 0})
            await pace.everybody_heard(1)
            assert [one.sequence_id for one in listener.heard] == [1]
    assert metrics(gateway)["hubbub_sessions_lost_total"] == before + 1


SECONDS = 20.0


async def test_a_client_that_is_closed_gives_up_its_session(
    kind: type[Listener],
    gateway: GatewayProcess,
    hub: str,
    service: Callable[[], Any],
) -> None:
    with Ways(gateway, 1) as ways:
        async with service() as rest:
            async with AsyncExitStack() as stack:
                (listener,) = await arrive(stack, kind, hub, ways.all, Pace())
                token = listener.client._reconnection_token
                connection_id = listener.connected[0]
                assert token is not None
            await gone(rest, connection_id)
            url = way_back(address_of(gateway, hub), connection_id, token)
            assert (await lost(url))[0] == UNRECOVERABLE
