"""The page of metrics is the same from every worker, and never waits for long."""

from __future__ import annotations

import msgspec
import pytest

from hubbub.actors.messages.mesh import MeshView, Tally
from hubbub.transport import metrics, metrics_page
from hubbub.transport.metrics import Stats
from support import asgi
from support.edge import ALONE, VIEW, Edge, FakeMesh


def counted(number: int, view: MeshView = VIEW) -> bytes:
    return metrics.figures(Stats(received=number), view)


def of_worker(name: str) -> MeshView:
    return msgspec.structs.replace(VIEW, worker=name)


async def page(edge: Edge) -> str:
    response = await asgi.call(edge, "GET", "/metrics", [("Host", "h")])
    assert response is not None
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return response.body.decode()


async def test_every_worker_gives_the_same_page() -> None:
    tally = Tally({"0": counted(10), "1": counted(11)})
    pages = set()
    for name, number in (("0", 10), ("1", 11)):
        edge = Edge(FakeMesh(of_worker(name), tally))
        edge.stats.received = number
        pages.add(await page(edge))
    (text,) = pages
    assert 'hubbub_messages_received_total{worker="0"} 10.0' in text
    assert 'hubbub_messages_received_total{worker="1"} 11.0' in text
    assert 'hubbub_peers{state="up",worker="1"} 1.0' in text


async def test_a_worker_that_does_not_say_is_left_out() -> None:
    edge = Edge(FakeMesh(of_worker("0"), Tally({"0": counted(0)})))
    text = await page(edge)
    assert 'hubbub_connections{worker="0"}' in text
    assert 'worker="1"' not in text


async def test_a_gateway_of_no_workers_shows_its_mesh_without_their_label() -> None:
    text = await page(Edge(FakeMesh(VIEW, Tally({"": counted(0)}))))
    assert 'hubbub_peer_lost_total{peer="tcp://10.0.0.3:7000"} 17.0' in text
    assert "worker=" not in text


async def test_a_gateway_without_a_mesh_shows_its_own_counts() -> None:
    edge = Edge(FakeMesh(ALONE, Tally({})))
    edge.stats.received = 3
    text = await page(edge)
    assert "hubbub_messages_received_total 3.0" in text
    assert "hubbub_peer" not in text


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        (FakeMesh(of_worker("0"), None), 'hubbub_connections{worker="0"} 0.0'),
        (FakeMesh(None, Tally({"1": counted(4)})), 'received_total{worker="1"} 4.0'),
        (FakeMesh(None, None), "hubbub_connections 0.0"),
    ],
    ids=["no tally", "no view", "nothing"],
)
async def test_what_is_not_answered_in_time_is_left_out(
    monkeypatch: pytest.MonkeyPatch, gateway: FakeMesh, expected: str
) -> None:
    monkeypatch.setattr(metrics_page, "PATIENCE", 0.01)
    assert expected in await page(Edge(gateway))
