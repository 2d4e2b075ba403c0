"""One behaviour suite over both runtimes, then what only the loop runtime promises."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pykka
import pytest
import uvloop

from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.reply import Reply
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.runtime.thread import ThreadActor
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hubbub.actors.runtime.address import Address

SECONDS = 5.0


class Stage:
    """A loop in a thread, so that tests can ask and wait as scenarios do."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.dispatcher: Dispatcher
        ready = threading.Event()

        def live() -> None:
            asyncio.set_event_loop(self.loop)
            self.dispatcher = Dispatcher(self.loop)
            ready.set()
            self.loop.run_forever()

        self.thread = threading.Thread(target=live)
        self.thread.start()
        ready.wait(SECONDS)

    def call(self, function: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(SECONDS)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SECONDS)
        self.loop.close()


class Parent(LoopActor):
    """Spawns a child and remembers what it hears."""

    def __init__(
        self, child: Callable[[], pykka.Actor], restart: Restart | None
    ) -> None:
        super().__init__()
        self.heard: list[Any] = []
        self.woken = threading.Event()
        self.child = self.spawn(child, restart=restart)

    def on_receive(self, message: Any) -> Any:
        if message == "child":
            return self.child
        if message == "heard":
            return list(self.heard)
        self.heard.append(message)
        self.woken.set()
        return None


class Behaviour:
    """What the actor under test does, whatever runs it."""

    starts = 0

    def on_start(self) -> None:
        type(self).starts += 1

    def on_receive(self, message: Any) -> Any:
        match message:
            case ("echo", value):
                return value
            case ("append", items, value):
                items.append(value)
            case ("raise", error):
                raise error
            case ("name",):
                return threading.current_thread().name
        return None


class OnLoop(Behaviour, LoopActor):
    pass


class OnThread(Behaviour, ThreadActor):
    pass


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture(params=[OnLoop, OnThread])
def runtime(request: pytest.FixtureRequest) -> type[pykka.Actor]:
    request.param.starts = 0
    kind: type[pykka.Actor] = request.param
    return kind


def start(
    stage: Stage, kind: Callable[[], pykka.Actor], restart: Restart | None = None
) -> tuple[Address, Address]:
    parent: Address = stage.call(
        lambda: supervision.spawn(stage.dispatcher, lambda: Parent(kind, restart))
    )
    child: Address = parent.ask("child", block=True, timeout=SECONDS)
    return parent, child


def heard(parent: Address) -> list[Any]:
    """Wait for news of the child."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        news: list[Any] = parent.ask("heard", block=True, timeout=SECONDS)
        if news:
            return news
        threading.Event().wait(0.005)
    raise AssertionError("the parent heard nothing")


def test_a_question_is_answered(stage: Stage, runtime: type[pykka.Actor]) -> None:
    _, actor = start(stage, runtime)
    assert actor.ask(("echo", 7), timeout=SECONDS) == 7


def test_messages_are_handled_in_order(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    _, actor = start(stage, runtime)
    items: list[int] = []
    for number in range(500):
        actor.post(("append", items, number))
    actor.ask(("echo", None), timeout=SECONDS)
    assert items == list(range(500))


def test_an_exception_after_ask_travels_to_the_asker_and_the_actor_lives(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    _, actor = start(stage, runtime)
    with pytest.raises(ZeroDivisionError):
        actor.ask(("raise", ZeroDivisionError()), timeout=SECONDS)
    assert actor.ask(("echo", 1), timeout=SECONDS) == 1


def test_an_exception_after_post_ends_the_actor_and_the_parent_hears_why(
    stage: Stage, runtime: type[pykka.Actor], caplog: pytest.LogCaptureFixture
) -> None:
    parent, actor = start(stage, runtime)
    with caplog.at_level(logging.CRITICAL):
        actor.post(("raise", KeyError("broken")))
        ended = heard(parent)[0]
    assert isinstance(ended, Ended)
    assert ended.ref is actor
    assert isinstance(ended.reason, KeyError)
    assert not actor.is_alive()


def test_a_stop_is_handled_after_the_mail_before_it(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    parent, actor = start(stage, runtime)
    items: list[int] = []
    actor.post(("append", items, 1))
    assert actor.stop(timeout=SECONDS)
    assert items == [1]
    assert heard(parent)[0].reason is None


def test_mail_to_a_dead_actor_is_ignored_by_post_and_refused_by_ask(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    parent, actor = start(stage, runtime)
    actor.stop(timeout=SECONDS)
    heard(parent)
    actor.post(("echo", 1))
    with pytest.raises(pykka.ActorDeadError):
        actor.ask(("echo", 1), timeout=SECONDS)


def test_a_restart_keeps_the_address_and_the_mail(
    stage: Stage, runtime: type[pykka.Actor], caplog: pytest.LogCaptureFixture
) -> None:
    parent, actor = start(stage, runtime, Restart(first=0.01))
    items: list[int] = []
    with caplog.at_level(logging.CRITICAL):
        actor.post(("raise", KeyError("broken")))
        actor.post(("append", items, 1))
        restarted = heard(parent)[0]
    assert isinstance(restarted, Restarted)
    actor.ask(("echo", None), timeout=SECONDS)
    assert items == [1]
    assert runtime.starts == 2  # type: ignore[attr-defined]


def test_a_stopped_child_is_not_restarted(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    parent, actor = start(stage, runtime, Restart(first=0.01))
    actor.stop(timeout=SECONDS)
    assert isinstance(heard(parent)[0], Ended)
    assert not actor.is_alive()


def test_an_actor_cannot_be_built_outside_a_tree(runtime: type[pykka.Actor]) -> None:
    with pytest.raises(RuntimeError, match="spawn"):
        runtime()


def test_children_stop_with_their_parent(
    stage: Stage, runtime: type[pykka.Actor]
) -> None:
    parent, actor = start(stage, runtime)
    parent.stop(timeout=SECONDS)
    deadline = time.monotonic() + SECONDS
    while actor.is_alive() and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert not actor.is_alive()


def test_a_thread_actor_may_block_and_the_loop_awaits_its_answer(stage: Stage) -> None:
    _, actor = start(stage, OnThread)

    async def ask() -> Any:
        return await actor.ask(("name",), block=False)

    name = asyncio.run_coroutine_threadsafe(ask(), stage.loop).result(SECONDS)
    assert name != stage.thread.name


def test_getting_a_reply_on_the_loop_raises_instead_of_blocking(stage: Stage) -> None:
    def get() -> Any:
        return Reply[int]().get()

    with pytest.raises(RuntimeError, match="await"):
        stage.call(get)


def test_a_reply_takes_one_answer_and_drops_later_ones() -> None:
    reply: Reply[int] = Reply()
    reply.post(1)
    reply.post(2)
    assert reply.get(timeout=0) == 1


def test_a_reply_without_answer_times_out() -> None:
    with pytest.raises(pykka.Timeout):
        Reply[int]().get(timeout=0.001)


# What only the loop runtime promises, on virtual time.


class Recorder(LoopActor):
    def __init__(self, log: list[Any]) -> None:
        super().__init__()
        self.log = log

    def on_receive(self, message: Any) -> None:
        match message:
            case ("after", seconds, later):
                self.after(seconds, later)
            case ("cancel", seconds, later):
                self.after(seconds, later).cancel()
            case ("tell", ref, later):
                ref.post(later)
            case ("fail",):
                raise KeyError("broken")
            case _:
                self.log.append(message)


def test_timers_fire_in_order_on_the_loops_clock() -> None:
    loop, log = VirtualLoop(), list[Any]()
    actor = supervision.spawn(Dispatcher(loop), lambda: Recorder(log))
    actor.post(("after", 2.0, "second"))
    actor.post(("after", 1.0, "first"))
    actor.post(("cancel", 1.5, "never"))
    loop.advance(1.0)
    assert log == ["first"]
    loop.advance(5.0)
    assert log == ["first", "second"]


def test_timers_end_with_their_actor() -> None:
    loop, log = VirtualLoop(), list[Any]()
    actor = supervision.spawn(Dispatcher(loop), lambda: Recorder(log))
    actor.post(("after", 1.0, "late"))
    loop.settle()
    actor.end()
    loop.advance(2.0)
    assert log == []


def test_the_pause_before_restarts_doubles_up_to_a_limit() -> None:
    policy = Restart(first=0.1, most=1.0)
    assert [policy.pause(n) for n in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_busy_actor_lets_others_have_their_turn() -> None:
    loop, log = VirtualLoop(), list[Any]()
    dispatcher = Dispatcher(loop)
    busy = supervision.spawn(dispatcher, lambda: Recorder(log))
    other = supervision.spawn(dispatcher, lambda: Recorder(log))
    for number in range(1000):
        busy.post(number)
    other.post("other")
    loop.settle()
    assert log.index("other") <= 64


def test_a_round_is_bounded_and_the_rest_comes_in_the_next() -> None:
    loop, log = VirtualLoop(), list[Any]()
    dispatcher = Dispatcher(loop, turns=10)
    actors = [supervision.spawn(dispatcher, lambda: Recorder(log)) for _ in range(25)]
    for number, actor in enumerate(actors):
        actor.post(number)
    loop.turn()
    assert len(log) == 10
    assert dispatcher.congested
    loop.settle()
    assert log == list(range(25))
    assert not dispatcher.congested


def play(seed: int) -> list[Any]:
    loop, log = VirtualLoop(), list[Any]()
    dispatcher = Dispatcher(loop, order=random.Random(seed).randrange)
    actors = [supervision.spawn(dispatcher, lambda: Recorder(log)) for _ in range(10)]
    for number, actor in enumerate(actors):
        actor.post((number, "first"))
        actor.post((number, "second"))
    loop.settle()
    return log


def test_turns_can_be_played_in_a_chosen_order_that_repeats() -> None:
    assert play(1) == play(1)
    assert play(1) != play(2)


def test_whatever_the_order_each_actor_gets_its_mail_in_order() -> None:
    for seed in range(20):
        log = play(seed)
        assert len(log) == 20
        for number in range(10):
            assert log.index((number, "first")) < log.index((number, "second"))


def test_relief_is_told_once_nothing_is_left_over() -> None:
    loop, log = VirtualLoop(), list[Any]()
    dispatcher = Dispatcher(loop, turns=1)
    actors = [supervision.spawn(dispatcher, lambda: Recorder(log)) for _ in range(3)]
    for actor in actors:
        actor.post("x")
    dispatcher.when_relieved(lambda: log.append("relieved"))
    loop.settle()
    assert log == ["x", "x", "x", "relieved"]


def test_a_stopped_actor_leaves_no_reference_behind() -> None:
    loop, log = VirtualLoop(), list[Any]()
    dispatcher = Dispatcher(loop)
    address = supervision.spawn(dispatcher, lambda: Recorder(log))
    loop.settle()
    actor = address._actor_weakref()
    watch = weakref.ref(actor)
    gc.disable()
    try:
        address.end()
        loop.settle()
        del actor
        assert watch() is None
    finally:
        gc.enable()


def test_ten_thousand_idle_actors_cost_no_thread_and_no_turns() -> None:
    loop = VirtualLoop()
    dispatcher = Dispatcher(loop)
    threads = threading.active_count()
    for _ in range(10_000):
        supervision.spawn(dispatcher, lambda: Recorder([]))
    loop.settle()
    assert threading.active_count() == threads
    assert loop.idle
