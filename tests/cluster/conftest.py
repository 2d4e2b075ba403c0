"""Three gateways for all tests of a run, and hubs of their own."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import Reachable

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three gateways that are each other's peers; use hubs of your own."""
    with Cluster(3, "--log-level", "info") as gateways:
        yield gateways


@pytest.fixture(scope="session")
def mortals() -> Iterator[Cluster]:
    with Cluster(3, "--log-level", "info", proxied=True) as gateways:
        yield gateways


@pytest.fixture
def mortal(mortals: Cluster) -> Cluster:
    """Three gateways that a test may end, with ways between them that it may cut."""
    mortals.restore()
    return mortals


@pytest.fixture(scope="session")
def gateway(cluster: Cluster) -> Reachable:
    """The three as one: each connection goes to the next of them."""
    return cluster.front


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> str:
    """A hub name that no other test has."""
    words = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower())
    return f"h{next(_numbers)}_{words}"[:100]
