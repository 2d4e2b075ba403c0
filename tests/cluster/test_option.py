"""The option ``--workers`` of the test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.gateway import GatewayProcess
from support.raw import RawClient

if TYPE_CHECKING:
    import pytest


def test_gateways_of_a_run_with_workers_have_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GatewayProcess, "workers", 2)
    with GatewayProcess() as gateway, RawClient(gateway) as client:
        client.request("GET", "/metrics")
        page = client.answer().body.decode()
    counts = [f'hubbub_connections{{worker="{number}"}} ' in page for number in (0, 1)]
    assert counts == [True, True]
