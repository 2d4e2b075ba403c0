"""What workers count becomes one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from hubbub.actors.messages.mesh import LinkState
from hubbub.transport import metrics
from hubbub.transport.metrics import Report, Stats
from support.edge import ALONE, PEERS, VIEW

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


def samples(reports: Mapping[str, Report]) -> dict[tuple[str, ...], float]:
    """Read a page as Prometheus does: name and labels of each sample, in order."""
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.page(reports).decode())
        for sample in family.samples
    }


def busy() -> Stats:
    stats = Stats(open=5, servers=2, accepted=7, received=11, slow=1)
    stats.refused[401] += 3
    stats.closed[1000] += 4
    return stats


def test_a_gateway_alone_has_no_labels_of_workers_and_no_peers() -> None:
    assert samples({"": metrics.report(busy(), ALONE)}) == {
        ("hubbub_connections",): 3,
        ("hubbub_servers",): 2,
        ("hubbub_connections_accepted_total",): 7,
        ("hubbub_messages_received_total",): 11,
        ("hubbub_slow_clients_total",): 1,
        ("hubbub_sessions_recovered_total",): 0,
        ("hubbub_sessions_lost_total",): 0,
        ("hubbub_handshakes_refused_total", "status=401"): 3,
        ("hubbub_connections_closed_total", "code=1000"): 4,
    }


def test_every_series_of_workers_says_whose_it_is() -> None:
    found = samples({"1": Report(busy()), "0": Report(Stats())})
    assert found["hubbub_connections", "worker=0"] == 0
    assert found["hubbub_connections", "worker=1"] == 3
    assert found["hubbub_handshakes_refused_total", "status=401", "worker=1"] == 3
    assert all(labels[-1] in {"worker=0", "worker=1"} for _, *labels in found)


def test_workers_stand_in_the_order_of_their_numbers() -> None:
    page = metrics.page({str(number): Report(Stats()) for number in (10, 2, 0)})
    lines = [line for line in page.decode().splitlines() if "hubbub_servers{" in line]
    assert lines == [f'hubbub_servers{{worker="{n}"}} 0.0' for n in (0, 2, 10)]


def test_peers_are_counted_by_state_and_each_tells_its_traffic() -> None:
    found = samples({"": metrics.report(Stats(), VIEW)})
    states = {s.value: found["hubbub_peers", f"state={s.value}"] for s in LinkState}
    assert states == {"up": 1, "greeting": 1, "refused": 0}
    for peer in PEERS:
        label = f"peer={peer.endpoint}"
        assert found["hubbub_peer_queued", label] == peer.queued
        for field in ("relayed", "received", "resent", "lost"):
            value = getattr(peer, field)
            assert found[f"hubbub_peer_{field}_total", label] == value


def test_an_address_with_an_old_gateway_and_a_new_one_is_one_series() -> None:
    old = msgspec.structs.replace(PEERS[1], endpoint=PEERS[0].endpoint)
    view = msgspec.structs.replace(VIEW, peers=(PEERS[0], old))
    page = metrics.page({"": metrics.report(Stats(), view)}).decode()
    (line,) = [line for line in page.splitlines() if "received_total{peer" in line]
    assert line.endswith(f" {float(PEERS[0].received + old.received)}")


def test_a_mesh_without_peers_still_counts_its_states() -> None:
    view = msgspec.structs.replace(VIEW, peers=())
    found = samples({"": metrics.report(Stats(), view)})
    assert found["hubbub_peers", "state=up"] == 0


def test_what_a_worker_writes_another_reads() -> None:
    written = metrics.figures(busy(), VIEW)
    assert metrics.read_figures("1", written) == metrics.report(busy(), VIEW)
    alone = metrics.read_figures("1", metrics.figures(busy()))
    assert alone == Report(busy(), None)


def test_figures_of_another_version_count_as_far_as_they_are_known() -> None:
    written = b'{"stats": {"open": 3, "new": [1]}, "newer": {}}'
    assert metrics.read_figures("1", written) == Report(Stats(open=3))


def test_figures_that_cannot_be_read_leave_their_worker_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert metrics.read_figures("1", b"nonsense") is None
    assert "worker 1" in caplog.text
