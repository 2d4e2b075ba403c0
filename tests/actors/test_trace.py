"""Tracing at the mailboxes: who spoke, to whom, on the loop and in threads."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import uvloop

from hubbub.actors.runtime import supervision
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.mailbox import Mailbox
from hubbub.actors.runtime.supervision import Ended, Restart
from hubbub.actors.runtime.thread import ThreadActor, ThreadInbox
from hubbub.actors.runtime.trace import Stop, TracingDispatcher
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.trace import Party

SECONDS = 5.0


class Book:
    """Takes down what it is told, by label."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, Any]] = []
        self.parties: list[Party] = []
        self.heard = threading.Condition()

    def record(self, sender: Party | None, recipient: Party, message: Any) -> None:
        with self.heard:
            name = "outside" if sender is None else sender.label
            self.lines.append((name, recipient.label, message))
            self.parties.append(recipient)
            self.heard.notify_all()

    def wait_for(self, line: tuple[str, str, Any]) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: line in self.lines, SECONDS), self.lines


class Relay(LoopActor):
    """Passes on what it gets."""

    def __init__(self, name: str, to: Address | None = None) -> None:
        super().__init__()
        self.name = name
        self.to = to

    def describe(self) -> str:
        return f"Relay {self.name}"

    def on_receive(self, message: Any) -> None:
        match message:
            case "fail":
                raise ValueError(message)
            case "rename":
                self.name = "renamed"
            case _ if self.to is not None:
                self.to.post(message)


def spawn(dispatcher: Dispatcher, name: str, to: Address | None = None) -> Address:
    return supervision.spawn(dispatcher, lambda: Relay(name, to))


def stage() -> tuple[VirtualLoop, Book, TracingDispatcher]:
    loop, book = VirtualLoop(), Book()
    return loop, book, TracingDispatcher(loop, book)


def test_a_message_is_recorded_with_who_sent_it_and_who_gets_it() -> None:
    loop, book, dispatcher = stage()
    second = spawn(dispatcher, "b")
    first = spawn(dispatcher, "a", second)
    first.post("hello")
    loop.settle()
    assert book.lines == [
        ("outside", "Relay a", "hello"),
        ("Relay a", "Relay b", "hello"),
    ]


def test_a_message_is_recorded_when_it_is_posted_not_when_it_is_read() -> None:
    _, book, dispatcher = stage()
    spawn(dispatcher, "a").post("hello")
    assert book.lines == [("outside", "Relay a", "hello")]


def test_a_lane_that_is_settled_speaks_for_itself_within_the_turn_of_another() -> None:
    class Lane(Relay):
        lane = True

    class Settler(Relay):
        def on_receive(self, message: Any) -> None:
            lane.post(message)
            self.dispatcher.settle()
            end.post("after")

    loop, book, dispatcher = stage()
    end = spawn(dispatcher, "end")
    lane = supervision.spawn(dispatcher, lambda: Lane("lane", end))
    supervision.spawn(dispatcher, lambda: Settler("settler")).post("x")
    loop.settle()
    assert book.lines[1:] == [
        ("Relay settler", "Relay lane", "x"),
        ("Relay lane", "Relay end", "x"),
        ("Relay settler", "Relay end", "after"),
    ]


def test_a_timer_counts_as_a_message_to_oneself() -> None:
    class Clock(Relay):
        def on_start(self) -> None:
            self.after(1.0, "tick")

    loop, book, dispatcher = stage()
    supervision.spawn(dispatcher, lambda: Clock("clock"))
    loop.settle()
    loop.advance(2.0)
    (line,) = book.lines
    assert line[1:] == ("Relay clock", "tick")


def test_an_actor_may_change_its_name_but_stays_the_same_party() -> None:
    loop, book, dispatcher = stage()
    actor = spawn(dispatcher, "a")
    actor.post("rename")
    loop.settle()
    actor.post("x")
    assert [line[1] for line in book.lines] == ["Relay a", "Relay renamed"]
    assert len({party.number for party in book.parties}) == 1


def test_the_next_instance_at_a_place_is_the_same_party() -> None:
    loop, book, dispatcher = stage()
    actor = supervision.spawn(
        dispatcher, lambda: Relay("a"), restart=Restart(first=0.1)
    )
    actor.post("fail")
    loop.settle()
    actor.post("waits")
    loop.advance(1.0)
    assert [line[2] for line in book.lines] == ["fail", "waits"]
    assert len({party.number for party in book.parties}) == 1


def test_what_a_dead_actor_would_get_is_not_recorded() -> None:
    loop, book, dispatcher = stage()
    actor = spawn(dispatcher, "a")
    actor.end()
    loop.settle()
    actor.post("too late")
    assert book.lines == [("outside", "Relay a", Stop())]


def test_the_end_of_a_child_is_told_by_the_child() -> None:
    class Parent(Relay):
        def __init__(self) -> None:
            super().__init__("parent")
            self.child = self.spawn(lambda: Relay("child"))
            self.child.post("fail")

    loop, book, dispatcher = stage()
    supervision.spawn(dispatcher, Parent)
    loop.settle()
    sender, recipient, message = book.lines[-1]
    assert (sender, recipient) == ("Relay child", "Relay parent")
    assert isinstance(message, Ended)


def test_the_kind_of_an_actor_is_the_class_of_ours_that_it_extends() -> None:
    _, book, dispatcher = stage()
    spawn(dispatcher, "a").post("x")
    (party,) = book.parties
    assert party.kind == "LoopActor"


def test_without_tracing_there_are_plain_inboxes() -> None:
    dispatcher = Dispatcher(VirtualLoop())
    actor = spawn(dispatcher, "a")
    assert type(actor.actor_inbox) is Mailbox

    class Thread(ThreadActor):
        pass

    thread = supervision.spawn(dispatcher, Thread)
    assert type(thread.actor_inbox) is ThreadInbox
    thread.end()


class Worker(ThreadActor):
    def __init__(self, to: Address) -> None:
        super().__init__()
        self.to = to

    def on_receive(self, message: Any) -> None:
        self.to.post(f"{message} done")


class Async(LoopActor):
    """Posts from a coroutine that it waits for."""

    def __init__(self, to: Address) -> None:
        super().__init__()
        self.to = to

    def on_receive(self, message: Any) -> None:
        if message == "go":
            self.pipe(self.work(), to=lambda done: done, failed=repr)

    async def work(self) -> str:
        await asyncio.sleep(0)
        self.to.post("from a coroutine")
        return "piped"


def test_threads_and_coroutines_speak_for_the_actor_they_belong_to() -> None:
    book = Book()

    async def live() -> None:
        dispatcher = TracingDispatcher(asyncio.get_running_loop(), book)
        end = spawn(dispatcher, "end")
        worker = supervision.spawn(dispatcher, lambda: Worker(end))
        worker.post("work")
        actor = supervision.spawn(dispatcher, lambda: Async(end))
        actor.post("go")
        for line in (
            ("outside", "Worker", "work"),
            ("Worker", "Relay end", "work done"),
            ("outside", "Async", "go"),
            ("Async", "Relay end", "from a coroutine"),
            ("Async", "Async", "piped"),
        ):
            await asyncio.to_thread(book.wait_for, line)
        worker.end()

    uvloop.run(live())
