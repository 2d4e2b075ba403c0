"""A quarter of the thousand seeds; files, because one is played on one core."""

from __future__ import annotations

import pytest

from support.simulation import keep_promises


@pytest.mark.parametrize("first", range(0, 250, 50))
def test_a_mesh_keeps_its_promises(first: int) -> None:
    keep_promises(range(first, first + 50))
