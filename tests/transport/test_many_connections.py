"""Five thousand clients of one process, in one group, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from support.gateway import GatewayProcess
from support.raw import RawClient, await_metric, metrics
from support.swarm import Swarm, raise_file_limit, resident

CLIENTS = 5000
MESSAGES = 20
SPARE_FILES = 500

SEND = "/api/hubs/crowd/groups/all/:send"


def publish(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as publisher:
        for number in range(MESSAGES):
            body = str(number).encode()
            publisher.request(
                "POST",
                f"{SEND}?api-version=2024-12-01",
                f"Authorization: Bearer {gateway.token(SEND)}",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                body=body,
            )
            assert publisher.answer().status == 202


async def test_five_thousand_clients_each_receive_every_message_in_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if raise_file_limit() < CLIENTS + SPARE_FILES:
        pytest.skip(f"the limit of open files is below {CLIENTS}: ulimit -Hn")
    with GatewayProcess() as gateway:
        before = resident(gateway.pid)
        swarm = Swarm(gateway, "crowd", ["all"])
        await swarm.connect(CLIENTS)
        grown = resident(gateway.pid) - before
        await asyncio.to_thread(await_metric, gateway, "hubbub_connections", CLIENTS)
        with capsys.disabled():
            size = grown / CLIENTS / 1000
            print(f"\n{CLIENTS} idle connections: {size:.1f} kB each")  # noqa: T201 - the figure is the point
        await asyncio.to_thread(publish, gateway)
        await swarm.messages(CLIENTS * (MESSAGES + 1))
        expected = list(range(MESSAGES))
        assert all(drone.got == expected for drone in swarm.drones)
        assert metrics(gateway)["hubbub_slow_clients_total"] == 0
        swarm.leave()
        gone = 'hubbub_connections_closed_total{code="1006"}'
        await asyncio.to_thread(await_metric, gateway, gone, CLIENTS)
        assert metrics(gateway)["hubbub_connections"] == 0
        assert gateway.stop() == 0
