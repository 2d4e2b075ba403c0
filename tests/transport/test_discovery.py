"""Gateways found by name: what is asked, what is told, and what is said in the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport.discovery import MOST_ADDRESSES, Discovery, Rhythm, addresses_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Answer = tuple[str, ...] | OSError | UnicodeError | None


class Names:
    """A name server that gives its answers in turn; None never comes."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []
        self.pauses: list[float] = []
        self.told: list[tuple[str, ...]] = []

    async def resolve(self, name: str, port: int) -> tuple[str, ...]:
        self.asked.append((name, port))
        match self.answers.pop(0):
            case None:
                await asyncio.get_running_loop().create_future()
            case tuple() as addresses:
                return addresses
            case error:
                raise error
        raise AssertionError

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self.answers:
            raise asyncio.CancelledError  # the story is over


async def watched(*answers: Answer, patience: float = 3.0) -> Names:
    names = Names(answers)
    rhythm = Rhythm(patience=patience)
    discovery = Discovery("dns://peers.svc:7000", names.resolve, rhythm, names.sleep)
    with pytest.raises(asyncio.CancelledError):
        await discovery.watch(names.told.append)
    return names


async def test_every_address_of_the_name_is_an_endpoint() -> None:
    names = await watched(("10.0.0.2", "10.0.0.1", "fd00::1", "10.0.0.2"))
    assert names.asked == [("peers.svc", 7000)]
    assert names.told == [
        ("tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000", "tcp://[fd00::1]:7000")
    ]


async def test_only_a_change_is_told() -> None:
    names = await watched(("a",), ("a",), ("b", "a"), ("a", "b"), ("b",))
    assert names.told == [
        ("tcp://a:7000",),
        ("tcp://a:7000", "tcp://b:7000"),
        ("tcp://b:7000",),
    ]


async def test_without_an_answer_the_last_one_stands() -> None:
    names = await watched(("a",), OSError(-2, "unknown"), ("a",), ("b",))
    assert names.told == [("tcp://a:7000",), ("tcp://b:7000",)]


async def test_a_failure_is_said_once_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    unknown, away = OSError(-2, "unknown name"), OSError(-3, "no server")
    await watched(
        unknown, unknown, away, away, ("a",), ("a",), UnicodeError("too long")
    )
    said = [record.message for record in caplog.records]
    place = "dns://peers.svc:7000"
    assert said == [
        f"{place} cannot be looked up: unknown name",
        f"{place} cannot be looked up: no server",
        f"{place} has an answer again",
        f"{place} is 1 addresses",
        f"{place} cannot be looked up: too long",
    ]


async def test_an_answer_that_does_not_come_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = await watched(None, ("a",), patience=0.01)
    assert names.told == [("tcp://a:7000",)]
    assert "cannot be looked up: no answer" in caplog.text


async def test_an_endless_answer_is_cut() -> None:
    names = await watched(tuple(f"host-{n}" for n in range(MOST_ADDRESSES + 1)))
    assert [len(endpoints) for endpoints in names.told] == [MOST_ADDRESSES]


async def test_it_looks_again_and_again_but_not_all_at_once() -> None:
    names = await watched(*[("a",)] * 50)
    assert len(names.asked) == 50
    assert all(4.0 <= pause <= 6.0 for pause in names.pauses)
    assert len(set(names.pauses)) > 25


@given(chance=st.floats(0, 1), every=st.floats(0.001, 1000))
def test_a_pause_is_around_the_rhythm(chance: float, every: float) -> None:
    pause = Rhythm(every=every, jitter=0.2).pause(chance)
    assert 0.79 * every < pause < 1.21 * every


async def test_the_system_knows_loopback() -> None:
    assert "127.0.0.1" in await addresses_of("localhost", 7000)
