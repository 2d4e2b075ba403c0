"""A server of @azure/web-pubsub-express, where the gateway is three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.borrowed import borrow
from support.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import Reachable

globals().update(borrow("official/test_node_upstream.py"))


@pytest.fixture(scope="module")
def served(upstream: Any) -> Iterator[Reachable]:
    """Three gateways whose hub has the upstream as its handler of everything."""
    with Cluster(3, "--handler", f"chat={upstream.url}") as cluster:
        yield cluster.front
