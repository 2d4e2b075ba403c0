"""When workers are started again, and when nothing will help."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport.workers_policy import BackOff, Opening, ending, longest_end


def test_pauses_double_up_to_a_bound_while_workers_end_early() -> None:
    back_off = BackOff()
    pauses = [back_off.after(lived=1.0) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == 30.0


def test_a_worker_that_lived_long_begins_with_the_first_pause_again() -> None:
    back_off = BackOff()
    for _ in range(5):
        back_off.after(lived=1.0)
    assert back_off.after(lived=61.0) == 0.1


@given(lives=st.lists(st.floats(0, 1e6)))
def test_a_pause_is_never_out_of_bounds(lives: list[float]) -> None:
    back_off = BackOff()
    assert all(0.1 <= back_off.after(lived) <= 30 for lived in lives)


def test_reasons_are_kept_until_every_worker_has_failed_and_said_once_then() -> None:
    opening = Opening(3)
    for worker in (0, 1, 0):
        assert not opening.failed(worker, "no port")
        assert opening.hopeless == ()
    assert not opening.failed(2, "no port")
    assert opening.hopeless == ("no port",)


def test_different_reasons_are_all_said_in_the_order_of_workers() -> None:
    opening = Opening(2)
    opening.failed(1, "no memory")
    opening.failed(0, "no port")
    assert opening.hopeless == ("no port", "no memory")


def test_once_one_is_ready_what_the_others_failed_of_is_said_and_hope_stays() -> None:
    opening = Opening(2)
    opening.failed(1, "no port")
    assert opening.ready() == {1: "no port"}
    assert opening.ready() == {}
    for worker in (0, 1):
        assert opening.failed(worker, "no port")
    assert opening.hopeless == ()


def test_an_end_is_told_as_people_know_it() -> None:
    assert ending(3) == "exit status 3"
    assert ending(-signal.SIGKILL) == "SIGKILL"
    assert ending(-40) == "signal 40"


def test_a_worker_has_time_for_its_clients_and_for_http() -> None:
    assert longest_end(drain_seconds=10) == 25
