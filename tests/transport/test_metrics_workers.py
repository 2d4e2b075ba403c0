"""Whoever asks the port of several workers gets the same answer from each."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20.0
TRIES = 40
"""Connections, each to whichever worker the system likes."""


@pytest.fixture(scope="module")
def workers() -> Iterator[GatewayProcess]:
    with GatewayProcess(workers=2) as gateway:
        yield gateway


def get(gateway: GatewayProcess, path: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {gateway.token(path)}"}
    request = Request(gateway.endpoint + path, headers=headers)
    with urlopen(request, timeout=SECONDS) as answer:
        return answer.status, answer.read().decode()


def series(page: str) -> list[str]:
    """Give the lines of a page, but for what is on its way in this very moment."""
    return [
        line
        for line in page.splitlines()
        if not line.startswith(("#", "hubbub_peer_queued"))
    ]


def who_answers(gateway: GatewayProcess) -> dict[str, dict[str, Any]]:
    """Ask until both have answered; gives what each says of its mesh."""
    views: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + SECONDS
    while len(views) < 2:
        assert time.monotonic() < deadline
        view = json.loads(get(gateway, "/api/peers")[1])
        views[view["worker"]] = view
    return views


def test_each_worker_shows_the_other_as_its_peer(workers: GatewayProcess) -> None:
    views = who_answers(workers)
    assert set(views) == {"0", "1"}
    for view, other in ((views["0"], views["1"]), (views["1"], views["0"])):
        (peer,) = view["peers"]
        assert (peer["state"], peer["endpoint"]) == ("up", other["endpoint"])
        assert peer["gateway"] == other["gateway"]


def test_health_and_metrics_are_the_same_from_every_worker(
    workers: GatewayProcess,
) -> None:
    assert {get(workers, "/api/health") for _ in range(TRIES)} == {(200, "")}
    pages = {tuple(series(get(workers, "/metrics")[1])) for _ in range(TRIES)}
    (page,) = pages
    assert all('worker="' in line for line in page)
    for number in (0, 1):
        assert f'hubbub_connections{{worker="{number}"}} 0.0' in page
        assert f'hubbub_peers{{state="up",worker="{number}"}} 1.0' in page
