"""A publisher that recovers: what it sends again is published once.

The client is that of the ``websockets`` package and does as a careful one does (client
protocols, publisher side). The official ones give each retry a new ack id.
"""

from __future__ import annotations

import asyncio

import pytest

from support.chaos import Ways
from support.gateway import GatewayProcess
from support.official import Bystander
from support.resending import Resending
from support.storm import ROOM, Pace, Storm, homes

COUNT = 2000
CUTS = 40
STEP = 10


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_sent_again_is_published_once_and_in_order(
    workers: int, hub: str
) -> None:
    """2,000 publications, 40 cuts; with two workers the session moves between them."""
    with GatewayProcess("--log-level", "info", workers=workers) as gateway:
        with Ways(gateway, 1) as ways:
            roles = ["webpubsub.sendToGroup"]
            carol = Resending(ways.all[0].client_url(hub, "carol", roles), ROOM)
            pace = Pace()
            pace.listens("bob")
            storm = Storm(pace, ways.all, seed=6, cuts=CUTS)

            async def publish() -> None:
                for _ in range(COUNT // STEP):
                    await pace.allow(STEP)
                    await carol.publish(STEP)

            async with (
                asyncio.timeout(60),
                Bystander(gateway.client_url(hub, "bob", groups=[ROOM])) as bob,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(publish())
                tasks.create_task(storm.rage(COUNT))
                for number in range(COUNT):
                    push = await bob.push()
                    assert push["data"]["n"] == number
                    pace.heard("bob", number + 1)
            assert storm.cuts == CUTS
            assert carol.returns >= CUTS
            assert carol.duplicates > 0
        if workers > 1:
            assert any(len(at) > 1 for at in homes(gateway.log).values())
