"""The benchmark counts what it says it counts, on hubbub and on its peers."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_benchmark_loses_nothing_and_compares_three_servers() -> None:
    command = [sys.executable, "-m", "hubbub.transport.bench", "--json"]
    run = subprocess.run(
        [*command, "--seconds", "0.2", "--rounds", "1"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    results = json.loads(run.stdout)
    assert len(results) == 3
    for row in results.values():
        assert set(row) == {"hubbub", "uvloop", "websockets"}
        for rate, lost in row.values():
            assert rate > 0
            assert lost == 0


def test_the_benchmark_of_events_has_a_figure_for_every_form() -> None:
    command = [sys.executable, "-m", "hubbub.transport.bench.events", "--json"]
    run = subprocess.run(
        [*command, "--seconds", "0.2", "--rounds", "1", "--clients", "8"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    figures = json.loads(run.stdout)
    assert list(figures) == [
        "in-process, on the loop",
        "in-process, in a thread",
        "attached, CBOR",
        "attached, JSON",
        "webhook",
        "bare uvloop echo",
    ]
    for rate, _, median in figures.values():
        assert rate > 0
        assert median > 0


def test_the_benchmark_of_subprotocols_loses_nothing_of_any() -> None:
    command = [sys.executable, "-m", "hubbub.transport.bench.subprotocols", "--json"]
    run = subprocess.run(
        [*command, "--seconds", "0.2", "--rounds", "1", "--members", "20"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    figures = json.loads(run.stdout)
    assert len(figures) == 6
    for rate, lost, _ in figures.values():
        assert rate > 0
        assert lost == 0
