"""A hub of its own for each test with official packages."""

from __future__ import annotations

import itertools
import re

import pytest

_numbers = itertools.count(1)


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> str:
    """A hub name that no other test has."""
    words = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower())
    return f"h{next(_numbers)}_{words}"[:100]
