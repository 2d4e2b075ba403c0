"""The benchmark of the mesh has a figure for everything, and loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PARTS = ("local", "wire", "relays", "workers", "growth", "keys", "table")
SMALL = {"seconds": 0.1, "rounds": 1, "members": 20, "most": 2, "keys": 200}


def measured(part: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "hubbub.transport.bench.mesh", "--json"]
    command += ["--part", part]
    run = subprocess.run(
        [*command, *(f"--{name}={value}" for name, value in SMALL.items())],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found: dict[str, Any] = json.loads(run.stdout)
    assert list(found) == [part]
    figures: dict[str, Any] = found[part]
    return figures


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_benchmark_of_the_mesh_measures(part: str) -> None:
    figures = measured(part)
    assert figures["lost"] == 0
    assert len(figures["rows"]) > 1
    for row in figures["rows"]:
        name, *rest = row.values()
        assert name
        assert rest
