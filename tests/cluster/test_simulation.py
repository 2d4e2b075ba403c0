"""The simulation itself: it replays exactly, and it finds what is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors.abroad import Abroad
from hubbub.actors.directory import Directory
from hubbub.actors.link import Link
from hubbub.actors.link_calls import Calls
from hubbub.actors.outbox import Outbox
from hubbub.actors.policy import sequence
from hubbub.actors.policy.interest import Interest
from support.simulation import play, play_all

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parents[1]
SEED = 7


def test_a_seed_replays_exactly() -> None:
    assert play(SEED, tell=True) == play(SEED, tell=True)


@pytest.mark.parametrize("salt", ["1", "2"])
def test_a_seed_replays_exactly_in_another_process(salt: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "support.simulation_main", "--seed", str(SEED)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONHASHSEED": salt},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert said.splitlines()[1:-1] == list(play(SEED, tell=True).log)


def test_a_seed_that_breaks_says_how_to_replay_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Interest, "add", lambda *_: None)
    report = play(SEED).report()
    assert f"make simulate SEED={SEED}" in report
    assert "BROKEN" in report


# What nobody would notice in a mesh without faults. Each must be found by a few seeds.


def _nothing(*_: Any) -> None:
    return None


def _never_again(_: Outbox) -> int:
    return 0


def _any(self: sequence.Received, number: int) -> sequence.Arrival:
    self.number = max(self.number, number)
    return sequence.Arrival.NEXT


def _anything_later(self: sequence.Received, number: int) -> sequence.Arrival:
    if number <= self.number:
        return sequence.Arrival.SEEN
    self.number = number
    return sequence.Arrival.NEXT


def _unsaid(self: Outbox, number: int, *, prompt: bool) -> None:
    del prompt
    self.received = number


def _leaving_servers(self: Directory, gateway: str, _: Any) -> None:
    self.links.pop(gateway, None)


def _without_goodbye(self: Link) -> None:
    self.stop()


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        pytest.param(Outbox, "resend", _never_again, id="lost batches stay lost"),
        pytest.param(sequence.Received, "take", _any, id="batches are taken twice"),
        pytest.param(
            sequence.Received, "take", _anything_later, id="gaps are not noticed"
        ),
        pytest.param(Abroad, "lowers", _nothing, id="interest never ends"),
        pytest.param(Abroad, "held", lambda *a: a[2], id="joins wait for nobody"),
        pytest.param(Abroad, "greet", _nothing, id="who comes back is told nothing"),
        pytest.param(Outbox, "take", _unsaid, id="who waits is not told at once"),
        pytest.param(Outbox, "close", _never_again, id="the lost leave others waiting"),
        pytest.param(Calls, "close", _nothing, id="the lost owe answers for ever"),
        pytest.param(Directory, "lose", _leaving_servers, id="the lost are not gone"),
        pytest.param(Link, "_leave", _without_goodbye, id="nobody says goodbye"),
        pytest.param(Outbox, "pay_late", lambda *_: 0, id="joins wait for ever"),
    ],
)
def test_a_broken_mesh_is_found(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    instead: Callable[..., Any],
) -> None:
    monkeypatch.setattr(owner, name, instead)
    assert any(result.faults for result in play_all(range(60)))
