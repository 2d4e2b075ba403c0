"""@azure/web-pubsub-client 1.1.0 with the protocol that it chooses, the reliable one.

Stories: ``tests/node/reliable.mjs`` and ``tests/node/reliable_story.mjs``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.chaos import Ways
from support.gateway import GatewayProcess
from support.official import Story, tell
from support.raw import metrics
from support.reliable_node import NodeListeners
from support.resending import Resending
from support.storm import (
    CUTS,
    ROOM,
    TOTAL,
    Pace,
    Publishers,
    Storm,
    home,
    homes,
    number,
    whole,
)
from support.workers import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.chaos import Way

pytestmark = pytest.mark.node

CLIENTS = 5


@pytest.fixture(scope="module", params=[1, 2])
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    with GatewayProcess(workers=request.param) as gateway:
        connection = gateway.connection_string
        yield tell(
            "reliable_story.mjs", CONNECTION_STRING=connection, HUB="node_reliable"
        )


def listening(ways: Sequence[Way], hub: str, pace: Pace) -> NodeListeners:
    """Make a client for each way, in the room by its token."""
    for place, _ in enumerate(ways):
        pace.listens(str(place))
    return NodeListeners(
        [
            way.client_url(hub, f"node{place}", [], [ROOM])
            for place, way in enumerate(ways)
        ],
        lambda place, count: pace.heard(str(place), count),
    )


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_lost_or_doubled_while_connections_are_cut(
    workers: int, hub: str
) -> None:
    """Five clients in one group, no two on the same way.

    Counted: 10,000 messages of three publishers to each of the clients, and 50 cuts,
    each of an open connection. Each client must have given its application every
    message once and in order: sequence ids from 1 to 10,000 as they came, and the
    numbers of each publisher in order.

    No client may have been told of a disconnection or of a second connection: every cut
    ended in a recovery, which the gateway counts too. Of two workers, some sessions
    must have had sockets at both, since whoever recovers cannot choose.
    """
    with GatewayProcess("--log-level", "info", workers=workers) as gateway:
        with Ways(gateway, CLIENTS) as ways:
            pace = Pace()
            async with (
                asyncio.timeout(120),
                listening(ways.all, hub, pace) as listeners,
                Publishers(gateway, hub) as publishers,
            ):
                storm = Storm(pace, ways.all, seed=6)
                await publishers.publish(pace, storm)
                assert storm.cuts == CUTS
                for one in await listeners.stories():
                    whole(one.heard, publishers.counts)
                    assert len(one.connected) == 1
                    assert one.disconnected == []
                counts = metrics(gateway)
                assert counts["hubbub_sessions_recovered_total"] >= CUTS
                assert counts["hubbub_sessions_lost_total"] == 0
        if workers > 1:
            assert any(len(at) > 1 for at in homes(gateway.log).values())


async def test_the_sessions_of_a_worker_that_ends_go_on_at_the_other(hub: str) -> None:
    """Ten clients of two workers, of which one gets SIGTERM in the midst of 10,000.

    It is a worker where some of them are; the publishers stand at the other. Each
    client must have every message once and in order, and must not have been told that
    it was disconnected.
    """
    with Crew("--log-level", "info") as crew, Ways(crew, 2 * CLIENTS) as ways:
        pace = Pace()
        async with (
            asyncio.timeout(120),
            listening(ways.all, hub, pace) as listeners,
            Publishers(crew, hub, avoid=home(listeners.ids[0])) as publishers,
        ):
            victim = number(crew.log, home(listeners.ids[0]))
            publishing = asyncio.create_task(publishers.publish(pace))
            await pace.reached(TOTAL // 3)
            pid = crew.pids()[victim]
            os.kill(pid, signal.SIGTERM)
            await publishing
            for one in await listeners.stories():
                whole(one.heard, publishers.counts)
                assert len(one.connected) == 1
                assert one.disconnected == []
            await asyncio.to_thread(crew.await_pid, victim, pid)
            counts = metrics(crew)
            assert counts["hubbub_sessions_recovered_total"] >= 1
            assert counts["hubbub_sessions_lost_total"] == 0


async def test_workers_may_be_replaced_one_after_the_other(hub: str) -> None:
    """Five clients and a publisher that are all reliable; both workers get SIGTERM.

    Counted: 2,000 messages to each client, once and in order. The publisher sends again
    under the same ack id what was not acknowledged, in the same session to the end.
    """
    count, step = 2000, 10
    with Crew("--log-level", "info") as crew, Ways(crew, CLIENTS + 1) as ways:
        pace = Pace()
        *led, last = ways.all
        url = last.client_url(hub, "carol", ["webpubsub.sendToGroup"])
        carol = Resending(url, ROOM)

        async def publish() -> None:
            for _ in range(count // step):
                await pace.allow(step)
                await carol.publish(step)

        async with asyncio.timeout(120), listening(led, hub, pace) as listeners:
            publishing = asyncio.create_task(publish())
            for worker in (0, 1):
                await pace.reached((worker + 1) * count // 3)
                pid = crew.pids()[worker]
                os.kill(pid, signal.SIGTERM)
                await asyncio.to_thread(crew.await_pid, worker, pid)
            await publishing
            await pace.everybody_heard(count)
            for one in await listeners.stories():
                whole(one.heard, {"carol": count})
                assert len(one.connected) == 1
                assert one.disconnected == []


def test_it_speaks_the_reliable_protocol_unasked(story: Story) -> None:
    name = "json.reliable.webpubsub.azure.v1"
    assert story["speaksTheReliableProtocol"] == {"name": name, "spoken": name}


def test_a_client_that_was_cut_goes_on_as_if_nothing_was(story: Story) -> None:
    scene = story["cut"]
    assert scene["exists"]
    assert scene["found"] == [
        [1, "before"],
        [2, "meanwhile"],
        [3, "after"],
        [4, "mine"],
    ]
    assert scene["again"] == {"connected": 0, "disconnected": 0}
    assert scene["duplicated"] is False


def test_a_client_closed_over_rest_is_told_and_returns_as_another(
    story: Story,
) -> None:
    scene = story["closedByServer"]
    assert scene["old"]
    assert scene["message"] == "Application server closed the connection. Reason: lunch"
    assert scene["fresh"]
    assert scene["gone"]
    assert scene["heard"] == [1, "welcome back"]


def test_a_client_that_stops_keeps_its_session_for_a_while(story: Story) -> None:
    """It closes without a code, which is no goodbye (client protocols, detachment)."""
    assert story["stop"] == {"same": True, "kept": True, "gone": True}


def test_ack_ids_are_remembered_over_a_recovery(story: Story) -> None:
    scene = story["duplicates"]
    assert scene["first"] == [1, "once"]
    assert scene["duplicated"]
    assert scene["then"] == [2, "fence"]
