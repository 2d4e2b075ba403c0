"""What a gateway counts, as plain integers on the loop and as a Prometheus page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


class Stats:
    """Counters of one gateway; only the loop's thread writes them."""

    __slots__ = (
        "accepted",
        "closed",
        "open",
        "received",
        "refused",
        "servers",
        "slow",
    )

    def __init__(self) -> None:
        self.open = 0
        """Open WebSockets, those of servers among them."""
        self.servers = 0
        self.accepted = 0
        self.received = 0
        self.slow = 0
        self.refused: Counter[int] = Counter()
        self.closed: Counter[int] = Counter()


class _Collector:
    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Read the counters (prometheus-client's protocol)."""
        stats = self._stats
        yield GaugeMetricFamily(
            "hubbub_connections", "Open client connections", stats.open - stats.servers
        )
        yield GaugeMetricFamily("hubbub_servers", "Attached servers", stats.servers)
        yield CounterMetricFamily(
            "hubbub_connections_accepted", "Handshakes accepted", stats.accepted
        )
        yield CounterMetricFamily(
            "hubbub_messages_received",
            "Messages from clients and servers",
            stats.received,
        )
        yield CounterMetricFamily(
            "hubbub_slow_clients", "Clients closed because they were behind", stats.slow
        )
        refused = CounterMetricFamily(
            "hubbub_handshakes_refused", "Handshakes refused", labels=["status"]
        )
        for status, count in sorted(stats.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        closed = CounterMetricFamily(
            "hubbub_connections_closed", "Connections ended", labels=["code"]
        )
        for code, count in sorted(stats.closed.items()):
            closed.add_metric([str(code)], count)
        yield closed


def page(stats: Stats) -> bytes:
    """Render the counters in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(stats))
    return generate_latest(registry)
