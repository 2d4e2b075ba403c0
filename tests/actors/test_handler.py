"""What authors of event handlers rely on."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from hubbub.actors import (
    Accept,
    AsyncEventHandler,
    Binary,
    EventHandler,
    Everyone,
    Fail,
    HubFacade,
    Json,
    Respond,
    Text,
    ToConnection,
    ToGroup,
    ToUser,
    events,
)
from hubbub.actors.authored import Build
from hubbub.actors.facade import payload_of
from hubbub.actors.messages import commands
from hubbub.actors.policy.filter import FilterError
from hubbub.actors.policy.permissions import Permission
from support.fakes import Probe
from support.handlers import (
    client,
    connect,
    connected,
    disconnected,
    said,
    spec_of,
    stage,
    within,
)


class Quiet(EventHandler):
    pass


class AsyncQuiet(AsyncEventHandler):
    pass


@pytest.mark.parametrize("kind", [Quiet, AsyncQuiet])
async def test_a_handler_that_overrides_nothing_lets_everything_pass(kind: Any) -> None:
    async with stage(spec_of(kind)) as scene:
        assert await scene.ask(connect()) == Accept()
        for notice in (
            connected(1),
            events.Joined(client(), 2, "room"),
            events.Left(client(), 3, "room"),
        ):
            scene.tell(notice)
        assert await scene.ask(said(number=4)) == Respond()
        scene.tell(disconnected(5))


@pytest.mark.parametrize("base", [EventHandler, AsyncEventHandler])
async def test_an_exception_is_logged_with_handler_event_and_connection(
    base: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Clumsy(base):  # type: ignore[misc] # either base
        def on_event(self, event: events.UserEvent) -> None:
            raise RuntimeError(f"no luck with number {event.event_id}")

    async with stage(spec_of(Clumsy)) as scene:
        outcome = await scene.ask(said("order", Text("s3cret")))
    assert outcome == Fail("The event handler failed.")
    assert "Clumsy failed at order of connection c0nn1" in caplog.text
    assert "s3cret" not in caplog.text


async def test_leaving_the_interpreter_in_a_thread_fails_the_event_alone() -> None:
    class Leaver(EventHandler):
        def on_event(self, event: events.UserEvent) -> Respond | None:
            if event.event == "leave":
                sys.exit(1)
            return None

    async with stage(spec_of(Leaver)) as scene:
        assert isinstance(await scene.ask(said("leave")), Fail)
        assert await scene.ask(said(number=3)) == Respond()


async def test_a_cancelled_coroutine_fails_its_event_alone() -> None:
    class Canceller(AsyncEventHandler):
        async def on_event(self, event: events.UserEvent) -> Respond | None:
            if event.event == "cancel":
                raise asyncio.CancelledError
            return None

    async with stage(spec_of(Canceller)) as scene:
        assert isinstance(await scene.ask(said("cancel")), Fail)
        assert await scene.ask(said(number=3)) == Respond()


async def test_an_author_may_fail_an_event_with_words_for_the_client() -> None:
    class Shop(EventHandler):
        def on_event(self, event: events.UserEvent) -> Fail:
            return Fail(f"no {event.event} today")

    async with stage(spec_of(Shop)) as scene:
        assert await scene.ask(said("bread")) == Fail("no bread today")


async def test_events_of_an_async_handler_do_not_wait_for_each_other() -> None:
    go_on = asyncio.Event()

    class Waiter(AsyncEventHandler):
        async def on_event(self, event: events.UserEvent) -> Respond | None:
            if event.event == "wait":
                await go_on.wait()
            return None

    async with stage(spec_of(Waiter)) as scene:
        scene.tell(said("wait", who=client("slow")))
        scene.tell(said("go", who=client("fast")))
        assert (await scene.answers.next()).connection_id == "fast"
        go_on.set()
        assert (await scene.answers.next()).connection_id == "slow"


async def test_a_thread_handler_runs_off_the_loop() -> None:
    seen: list[int] = []

    class Elsewhere(EventHandler):
        def on_event(self, event: events.UserEvent) -> None:
            del event
            seen.append(threading.get_ident())

    async with stage(spec_of(Elsewhere)) as scene:
        await scene.ask(said())
    assert seen != [threading.get_ident()]


async def test_the_hub_is_there_in_the_constructor_and_takes_commands() -> None:
    class Greeter(EventHandler):
        def __init__(self) -> None:
            super().__init__()
            self.greeting = f"welcome to {self.hub.name}"

        def on_connected(self, event: events.Connected) -> None:
            self.hub.publish(ToConnection(event.client.connection_id), self.greeting)

    async with stage(spec_of(Greeter)) as scene:
        scene.tell(connected(1))
        assert await scene.hub.next() == commands.Publish(
            ToConnection("c0nn1"), Text("welcome to chat")
        )


@pytest.mark.parametrize("base", [EventHandler, AsyncEventHandler])
async def test_a_question_to_the_hub_is_answered(base: Any) -> None:
    class Asker(base):  # type: ignore[misc] # either base
        def on_event(self, event: events.UserEvent) -> Any:
            question = self.hub.exists(ToUser(event.event))
            if base is EventHandler:
                return Respond(Text(str(question.get(timeout=10))))
            return self._wait(question)

        async def _wait(self, question: Any) -> Respond:
            return Respond(Text(str(await question)))

    async with stage(spec_of(Asker)) as scene:
        scene.tell(said("ann"))
        (await scene.hub.next()).answer.post(True)
        assert (await scene.answers.next()).outcome == Respond(Text("True"))


async def test_a_constructor_that_forgets_its_base_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Forgetful(AsyncEventHandler):
        def __init__(self) -> None:
            pass

    async with stage(spec_of(Forgetful)) as scene:
        assert isinstance(await scene.ask(said()), Fail)
    assert "Forgetful.__init__ must call super().__init__()" in caplog.text


async def test_setup_that_fails_in_a_thread_fails_events_not_the_process() -> None:
    attempts: list[int] = []

    class Database(EventHandler):
        def on_start(self) -> None:
            attempts.append(1)
            raise OSError("no database")

    async with stage(spec_of(Database)) as scene:
        assert isinstance(await scene.ask(said()), Fail)
    assert attempts


async def test_coroutines_end_with_their_handler() -> None:
    ended = asyncio.Event()

    class Sleeper(AsyncEventHandler):
        async def on_connected(self, event: events.Connected) -> None:
            del event
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    async with stage(spec_of(Sleeper)) as scene:
        scene.tell(connected(1))
        assert await scene.ask(said()) == Respond()
    await within(ended.wait())


def test_every_command_of_the_facade_reaches_the_hub() -> None:
    probe = Probe()
    hub = HubFacade("chat", probe)
    me, group = ToConnection("c0nn1"), ToGroup("lobby")
    hub.publish(group, {"n": 1}, exclude=["a"], metadata={"k": "v"}, ttl=5)
    hub.close(Everyone(), "bye", exclude=("a",))
    hub.add_to_group(me, "lobby")
    hub.remove_from_group(me, None)
    assert probe.heard == [
        commands.Publish(
            group, Json(b'{"n":1}'), metadata={"k": "v"}, ttl=5, exclude=("a",)
        ),
        commands.Close(Everyone(), ("a",), "bye"),
        commands.AddToGroup(me, "lobby"),
        commands.RemoveFromGroup(me, None),
    ]


def test_the_answers_of_the_facade_come_from_the_hub() -> None:
    probe = Probe()
    hub = HubFacade("chat", probe)
    verdict = commands.Verdict(found=True, done=True)
    granted = hub.grant("c0nn1", Permission.SEND_TO_GROUP, "lobby")
    probe.expect(commands.Grant).answer.post(verdict)
    revoked = hub.revoke("c0nn1", Permission.SEND_TO_GROUP, "lobby")
    probe.expect(commands.Revoke).answer.post(verdict)
    assert (granted.get(), revoked.get()) == (verdict, verdict)


def test_a_filter_may_be_written_as_text() -> None:
    probe = Probe()
    HubFacade("chat", probe).publish(Everyone(), "hi", where="userId eq 'ann'")
    where = probe.expect(commands.Publish).where
    assert where is not None
    with pytest.raises(FilterError):
        HubFacade("chat", probe).publish(Everyone(), "hi", where="userId is ann")


def test_payloads_are_made_of_what_authors_have() -> None:
    assert payload_of("hi") == Text("hi")
    assert payload_of(bytearray(b"\x01")) == Binary(b"\x01")
    assert payload_of([1, None]) == Json(b"[1,null]")
    assert payload_of(Binary(b"")) == Binary(b"")
    with pytest.raises(TypeError):
        payload_of(object())


def test_builds_of_the_same_class_are_equal() -> None:
    assert Build(Quiet) == Build(Quiet)
    assert Build(Quiet) != Build(AsyncQuiet)
