"""Where a gateway, or one of its workers, is among others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.transport.configuration import Flags, load
from hubbub.transport.mesh_plan import MeshPlan, Worker, beside, plan

SITE = "/run/hubbub"


def planned(worker: Worker | None = None, **flags: object) -> MeshPlan:
    own = plan(load(Flags(**flags), {}), worker)  # type: ignore[arg-type]
    assert own is not None
    return own


def test_a_gateway_on_its_own_has_no_place_among_others() -> None:
    assert plan(load(Flags(), {})) is None


def test_a_gateway_with_peers_on_its_machine_listens_on_a_free_port_of_loopback() -> (
    None
):
    own = planned(peers=("tcp://127.0.0.1:7001",))
    assert own == MeshPlan(
        ("tcp://127.0.0.1:0",), "tcp://127.0.0.1:0", ("tcp://127.0.0.1:7001",)
    )


def test_what_others_are_told_is_what_is_listened_at_unless_said_otherwise() -> None:
    own = planned(peer_listen="tcp://127.0.0.1:7000")
    assert own == MeshPlan(("tcp://127.0.0.1:7000",), "tcp://127.0.0.1:7000", ())
    own = planned(
        peer_listen="tcp://127.0.0.1:7000", peer_endpoint="tcp://localhost:7009"
    )
    assert own == MeshPlan(("tcp://127.0.0.1:7000",), "tcp://localhost:7009", ())


def test_workers_meet_in_their_folder() -> None:
    own = planned(Worker(1, 3, SITE), workers="3")
    place = f"ipc://{SITE}/1.sock"
    assert own == MeshPlan(
        (place,), place, (f"ipc://{SITE}/0.sock", f"ipc://{SITE}/2.sock")
    )


def test_workers_that_others_reach_count_on_from_the_port() -> None:
    own = planned(
        Worker(1, 3, SITE),
        workers="3",
        peer_listen="tcp://127.0.0.1:7000",
        peer_endpoint="tcp://localhost:9000",
        peers=("tcp://127.0.0.1:7100",),
    )
    assert own == MeshPlan(
        ("tcp://127.0.0.1:7001", f"ipc://{SITE}/1.sock"),
        "tcp://localhost:9001",
        (f"ipc://{SITE}/0.sock", f"ipc://{SITE}/2.sock", "tcp://127.0.0.1:7100"),
    )


def test_workers_with_peers_on_their_machine_take_a_free_port_each() -> None:
    own = planned(Worker(1, 2, SITE), workers="2", peers=("tcp://127.0.0.1:7100",))
    assert own.listen == ("tcp://127.0.0.1:0", f"ipc://{SITE}/1.sock")
    assert own.endpoint == "tcp://127.0.0.1:0"


@pytest.mark.parametrize(
    ("endpoint", "number", "expected"),
    [
        ("tcp://[::1]:7000", 2, "tcp://[::1]:7002"),
        ("tcp://127.0.0.1:0", 2, "tcp://127.0.0.1:0"),
        ("ipc:///run/a.sock", 0, "ipc:///run/a.sock"),
        ("ipc:///run/a.sock", 2, "ipc:///run/a.sock.2"),
    ],
)
def test_a_further_worker_is_beside_the_first(
    endpoint: str, number: int, expected: str
) -> None:
    assert beside(endpoint, number) == expected


@settings(deadline=None)
@given(count=st.integers(2, 16), port=st.sampled_from([None, 7000]))
def test_every_worker_is_a_seed_of_every_other(count: int, port: int | None) -> None:
    listen = None if port is None else f"tcp://127.0.0.1:{port}"
    plans = [
        planned(Worker(n, count, SITE), workers=str(count), peer_listen=listen)
        for n in range(count)
    ]
    assert len({own.endpoint for own in plans}) == count
    places = {own.listen[-1] for own in plans}
    assert len(places) == count
    assert all(set(own.seeds) == places - {own.listen[-1]} for own in plans)
