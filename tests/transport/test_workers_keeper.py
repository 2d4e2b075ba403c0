"""One worker's place: filled again when it is empty, reloaded, replaced, retired."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.actors.runtime.supervision import Restart
from hubbub.transport import workers_keeper
from hubbub.transport.workers_keeper import Keeper
from hubbub.transport.workers_policy import BackOff
from hubbub.transport.workers_talk import FromWorker, Ready, Reload, Reloaded, Unable

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 10.0


class FakeChild:
    """A worker that does what the test says; a drain takes until ``end``."""

    def __init__(self, pid: int, *, stubborn: bool = False) -> None:
        self.pid = pid
        self.stubborn = stubborn
        self.heard: asyncio.Queue[FromWorker | None] = asyncio.Queue()
        self.told: asyncio.Queue[Reload] = asyncio.Queue()
        self.terminated = asyncio.Event()
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def say(self, message: FromWorker) -> None:
        self.heard.put_nowait(message)

    def end(self, status: int) -> None:
        if not self._status.done():
            self._status.set_result(status)
            self.heard.put_nowait(None)

    def tell(self, message: Reload, /) -> None:
        self.told.put_nowait(message)

    async def hear(self) -> FromWorker | None:
        return await self.heard.get()

    def terminate(self) -> None:
        self.terminated.set()
        if not self.stubborn:
            self.end(0)

    def kill(self) -> None:
        self.end(-9)

    async def ended(self, patience: float) -> bool:
        await asyncio.wait([self._status], timeout=patience)
        return self._status.done()

    async def wait(self) -> int:
        return await asyncio.shield(self._status)


class Place:
    """A keeper with the workers it has started, and what it has told."""

    def __init__(self, pause: float = 0.0, **nature: bool) -> None:
        self.started: asyncio.Queue[FakeChild | OSError] = asyncio.Queue()
        self.failures: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
        self.opened = 0
        self.refusals = 0
        self._nature = nature
        self._pids = iter(range(1, 100))
        self.keeper = Keeper(
            3,
            self._start,
            self._opened,
            lambda _, reason, pause: self.failures.put_nowait((reason, pause)),
            BackOff(Restart(first=pause)),
        )
        self.task = asyncio.create_task(self.keeper.keep())

    async def _start(self, number: int) -> FakeChild:
        assert number == 3
        if self.refusals:
            self.refusals -= 1
            raise OSError(11, "no room")
        child = FakeChild(next(self._pids), **self._nature)
        self.started.put_nowait(child)
        return child

    def _opened(self) -> None:
        self.opened += 1

    async def child(self) -> FakeChild:
        child = await asyncio.wait_for(self.started.get(), SECONDS)
        assert isinstance(child, FakeChild)
        return child

    async def ready_child(self) -> FakeChild:
        child = await self.child()
        child.say(Ready())
        await asyncio.wait_for(self.keeper.ready.wait(), SECONDS)
        return child

    async def failure(self) -> tuple[str, float]:
        return await asyncio.wait_for(self.failures.get(), SECONDS)

    async def retired(self) -> None:
        self.keeper.retire()
        await asyncio.wait_for(self.task, SECONDS)


async def test_a_worker_that_ends_is_started_again() -> None:
    place = Place()
    for status, said in ((1, "exit status 1"), (-9, "SIGKILL"), (0, "exit status 0")):
        child = await place.ready_child()
        child.end(status)
        reason, _ = await place.failure()
        assert reason == f"has ended: {said}"
    await place.retired()
    assert place.opened == 3


async def test_a_worker_that_cannot_start_says_why() -> None:
    place = Place()
    child = await place.child()
    child.say(Unable("no port"))
    child.end(1)
    assert (await place.failure())[0] == "no port"
    assert not place.keeper.ready.is_set()
    await place.retired()


async def test_a_system_without_room_is_asked_again() -> None:
    place = Place()
    place.refusals = 2
    for _ in range(2):
        assert (await place.failure())[0] == "cannot start: no room"
    await place.ready_child()
    await place.retired()


async def test_retiring_ends_a_pause_at_once() -> None:
    place = Place(pause=3600.0)
    (await place.ready_child()).end(1)
    assert (await place.failure())[1] == 30.0
    await place.retired()
    assert place.started.empty()


async def test_retiring_lets_the_worker_drain_and_starts_no_other() -> None:
    place = Place(stubborn=True)
    child = await place.ready_child()
    place.keeper.retire()
    await asyncio.wait_for(child.terminated.wait(), SECONDS)
    assert not place.task.done()
    child.end(0)
    await asyncio.wait_for(place.task, SECONDS)
    assert place.started.empty()
    assert place.failures.empty()


async def test_a_worker_that_is_too_slow_to_start_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers_keeper, "START_SECONDS", 0.01)
    place = Place()
    await place.child()
    assert (await place.failure())[0] == "has ended: SIGKILL"
    await place.retired()


# Reload.


async def test_a_reload_is_over_when_the_worker_says_so() -> None:
    place = Place()
    child = await place.ready_child()
    for answer, fault in ((Reloaded(), ""), (Unable("bad file"), "bad file")):
        reload = asyncio.create_task(place.keeper.reload())
        await asyncio.wait_for(child.told.get(), SECONDS)
        assert not reload.done()
        child.say(answer)
        assert await asyncio.wait_for(reload, SECONDS) == fault
    await place.retired()


async def test_a_reload_waits_for_a_worker_that_is_starting() -> None:
    place = Place()
    child = await place.child()
    reload = asyncio.create_task(place.keeper.reload())
    child.say(Ready())
    await asyncio.wait_for(child.told.get(), SECONDS)
    child.say(Reloaded())
    assert await asyncio.wait_for(reload, SECONDS) == ""
    await place.retired()


@pytest.mark.parametrize("while_starting", [True, False])
async def test_a_worker_that_is_not_there_reads_the_settings_when_it_comes(
    while_starting: bool,
) -> None:
    place = Place(pause=3600.0)
    child = await place.child()
    if while_starting:
        reload = asyncio.create_task(place.keeper.reload())
        child.end(1)
        assert await asyncio.wait_for(reload, SECONDS) == ""
    else:
        child.end(1)
        await place.failure()
        assert await asyncio.wait_for(place.keeper.reload(), SECONDS) == ""
    await place.retired()


async def test_a_worker_that_ends_over_a_reload_is_a_fault() -> None:
    place = Place()
    child = await place.ready_child()
    reload = asyncio.create_task(place.keeper.reload())
    await asyncio.wait_for(child.told.get(), SECONDS)
    child.end(-11)
    assert await asyncio.wait_for(reload, SECONDS) == "it has ended"
    await place.retired()


async def test_a_worker_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers_keeper, "RELOAD_SECONDS", 0.01)
    place = Place()
    child = await place.ready_child()
    assert "no answer" in await asyncio.wait_for(place.keeper.reload(), SECONDS)
    child.say(Reloaded())  # too late for anybody
    await place.retired()


# Replacement.


async def replacement(
    place: Place, act: Callable[[FakeChild], None]
) -> asyncio.Task[bool]:
    """Replace a worker that serves, and do something to its successor."""
    await place.ready_child()
    task = asyncio.create_task(place.keeper.replace(SECONDS))
    act(await place.child())
    return task


async def test_a_replacement_is_over_when_the_successor_is_ready() -> None:
    place = Place()
    task = await replacement(place, lambda successor: successor.say(Ready()))
    assert await asyncio.wait_for(task, SECONDS)
    assert place.keeper.ready.is_set()
    assert place.failures.empty()
    await place.retired()


async def test_a_replacement_fails_with_the_successor_which_is_tried_again() -> None:
    place = Place()
    task = await replacement(place, lambda successor: successor.end(1))
    assert not await asyncio.wait_for(task, SECONDS)
    await place.ready_child()
    await place.retired()


async def test_the_successor_waits_until_the_worker_has_drained() -> None:
    place = Place(stubborn=True)
    child = await place.ready_child()
    task = asyncio.create_task(place.keeper.replace(SECONDS))
    await asyncio.wait_for(child.terminated.wait(), SECONDS)
    assert place.started.empty()
    child.end(0)
    await place.ready_child()
    assert await asyncio.wait_for(task, SECONDS)
    place.keeper.kill()
    place.keeper.retire()
    await asyncio.wait_for(place.task, SECONDS)


async def test_a_worker_that_does_not_drain_is_killed() -> None:
    place = Place(stubborn=True)
    await place.ready_child()
    task = asyncio.create_task(place.keeper.replace(0.01))
    await place.ready_child()
    assert await asyncio.wait_for(task, SECONDS)
    place.keeper.retire()
    place.keeper.kill()
    await asyncio.wait_for(place.task, SECONDS)


async def test_a_worker_that_fails_over_its_replacement_is_replaced_all_the_same() -> (
    None
):
    place = Place()
    await place.ready_child()
    place.refusals = 1
    task = asyncio.create_task(place.keeper.replace(SECONDS))
    assert not await asyncio.wait_for(task, SECONDS)
    assert (await place.failure())[0] == "cannot start: no room"
    await place.ready_child()
    await place.retired()
