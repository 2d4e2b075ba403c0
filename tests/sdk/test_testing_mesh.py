"""A gateway of the pytest plugin can have peers, also after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from websockets.sync.client import connect

from support.cluster import awaited, peers_of
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hubbub.sdk.testing.gateway import HubbubGateway


@pytest.fixture
def hubbub_settings(tmp_path: Path) -> dict[str, Any]:
    return {"peer_listen": f"ipc://{tmp_path}/own.sock"}


@pytest.fixture
def peer(hubbub_gateway: HubbubGateway, tmp_path: Path) -> Iterator[GatewayProcess]:
    del hubbub_gateway  # it is there first
    place = f"ipc://{tmp_path}/peer.sock"
    seed = f"ipc://{tmp_path}/own.sock"
    with GatewayProcess("--peer-listen", place, "--peers", seed, workers=1) as process:
        yield process


def is_linked(peer: GatewayProcess, epoch: int) -> None:
    """Wait until both are one service."""

    def look() -> list[Any]:
        view = peers_of(peer)["peers"]
        return [p for p in view if p["state"] == "up" and p["epoch"] >= epoch]

    awaited(look, any)


def test_it_reaches_the_clients_of_its_peers(
    hubbub_gateway: HubbubGateway, peer: GatewayProcess
) -> None:
    with connect(peer.client_url("chat", "ann", groups=["room"])) as socket:
        for epoch in (1, 2):
            is_linked(peer, epoch)
            service = WebPubSubServiceClient.from_connection_string(
                hubbub_gateway.connection_string, hub="chat"
            )
            service.send_to_group("room", f"epoch {epoch}", content_type="text/plain")
            assert socket.recv(timeout=20) == f"epoch {epoch}"
            if epoch == 1:
                hubbub_gateway.restart()
