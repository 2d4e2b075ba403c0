"""What a gateway counts, as plain integers on the loop and as a Prometheus page.

Knows how workers pass their counts to each other; knows nothing of who asks whom.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# Read at run time: a report is decoded by its types.
from hubbub.actors.messages.mesh import LinkState, MeshView, PeerView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]
    """Values of labels, each with a number."""

logger = logging.getLogger(__name__)


class Stats(msgspec.Struct):
    """Counters of one gateway; only the loop's thread writes them."""

    open: int = 0
    """Open WebSockets, those of servers among them."""
    servers: int = 0
    accepted: int = 0
    received: int = 0
    slow: int = 0
    recovered: int = 0
    """Clients that came back to their session."""
    lost: int = 0
    """Clients that wanted to, in vain."""
    refused: dict[int, int] = msgspec.field(default_factory=Counter)
    closed: dict[int, int] = msgspec.field(default_factory=Counter)


class Report(msgspec.Struct, frozen=True):
    """All that one worker has to tell; no peers at all without a mesh."""

    stats: Stats
    peers: tuple[PeerView, ...] | None = None


def report(stats: Stats, view: MeshView | None = None) -> Report:
    """Put together what this gateway counts and what its mesh does."""
    return Report(stats, view.peers if view is not None and view.endpoint else None)


def figures(stats: Stats, view: MeshView | None = None) -> bytes:
    """Write a report down for the other workers of this machine."""
    return msgspec.json.encode(report(stats, view))


def read_figures(worker: str, written: bytes) -> Report | None:
    """Read what another worker has written; None if it is of a strange version."""
    try:
        return msgspec.json.decode(written, type=Report)
    except msgspec.MsgspecError as error:
        logger.warning("the figures of worker %s cannot be read: %s", worker, error)
        return None


def page(reports: Mapping[str, Report]) -> bytes:
    """Render reports in Prometheus' text format.

    Args:
        reports: By worker; the series of one without a name carry no such label.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(reports))
    return generate_latest(registry)


class _Collector:
    def __init__(self, reports: Mapping[str, Report]) -> None:
        # By length first: numbers in the order of numbers.
        workers = sorted(reports, key=lambda name: (len(name), name))
        self._reports = [(worker, reports[worker]) for worker in workers]

    def collect(self) -> Iterator[Metric]:
        """Read the counters (prometheus-client's protocol)."""
        for family in _FAMILIES:
            yield family.of(self._reports)
        meshed = [pair for pair in self._reports if pair[1].peers is not None]
        if meshed:
            for family in _FAMILIES_OF_A_MESH:
                yield family.of(meshed)


class _Family:
    """A metric: its name, its labels, and how it is read from a report."""

    def __init__(
        self,
        kind: type[GaugeMetricFamily | CounterMetricFamily],
        name: str,
        text: str,
        read: Callable[[Report], Samples],
        label: str = "",
    ) -> None:
        self._make = kind
        self._name = name
        self._text = text
        self._read = read
        self._labels = (label,) if label else ()

    def of(self, reports: Iterable[tuple[str, Report]]) -> Metric:
        """Read it from each worker; one that has a name adds a label."""
        reports = tuple(reports)
        named = any(worker for worker, _ in reports)
        labels = (*self._labels, "worker") if named else self._labels
        metric = self._make(self._name, self._text, labels=labels)
        for worker, report in reports:
            for values, number in self._read(report):
                metric.add_metric((*values, worker) if named else values, number)
        return metric


def _one(number: float) -> Samples:
    return (((), number),)


def _by_code(counts: Mapping[int, int]) -> Samples:
    return [((str(code),), count) for code, count in sorted(counts.items())]


def _by_state(report: Report) -> Samples:
    """Count the states, absent ones too: an alarm needs the 0."""
    counts = Counter(peer.state for peer in report.peers or ())
    return [((state.value,), counts[state]) for state in LinkState]


def _by_peer(field: str) -> Callable[[Report], Samples]:
    """Read a number of each peer; an address may be known by two gateways' ids."""

    def read(report: Report) -> Samples:
        sums: Counter[str] = Counter()
        for peer in report.peers or ():
            sums[peer.endpoint] += getattr(peer, field)
        return [((endpoint,), number) for endpoint, number in sums.items()]

    return read


_FAMILIES = (
    _Family(
        GaugeMetricFamily,
        "hubbub_connections",
        "Open client connections",
        lambda report: _one(report.stats.open - report.stats.servers),
    ),
    _Family(
        GaugeMetricFamily,
        "hubbub_servers",
        "Attached servers",
        lambda report: _one(report.stats.servers),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_connections_accepted",
        "Handshakes accepted",
        lambda report: _one(report.stats.accepted),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_messages_received",
        "Messages from clients and servers",
        lambda report: _one(report.stats.received),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_slow_clients",
        "Clients closed because they were behind",
        lambda report: _one(report.stats.slow),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_sessions_recovered",
        "Clients that came back to their session",
        lambda report: _one(report.stats.recovered),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_sessions_lost",
        "Clients that came back to no session",
        lambda report: _one(report.stats.lost),
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_handshakes_refused",
        "Handshakes refused",
        lambda report: _by_code(report.stats.refused),
        "status",
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_connections_closed",
        "Connections ended",
        lambda report: _by_code(report.stats.closed),
        "code",
    ),
)

_FAMILIES_OF_A_MESH = (
    _Family(
        GaugeMetricFamily,
        "hubbub_peers",
        "Gateways that are or were peers",
        _by_state,
        "state",
    ),
    _Family(
        GaugeMetricFamily,
        "hubbub_peer_queued",
        "Messages that a peer has not acknowledged",
        _by_peer("queued"),
        "peer",
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_peer_relayed",
        "Publications passed to a peer",
        _by_peer("relayed"),
        "peer",
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_peer_received",
        "Publications that a peer has passed on",
        _by_peer("received"),
        "peer",
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_peer_resent",
        "Batches sent again to a peer",
        _by_peer("resent"),
        "peer",
    ),
    _Family(
        CounterMetricFamily,
        "hubbub_peer_lost",
        "Messages that a peer never acknowledged",
        _by_peer("lost"),
        "peer",
    ),
)
