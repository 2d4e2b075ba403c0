"""The upstream on virtual time, with handlers that answer when the test says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors import Accept, Fail, Reject, Respond, Text, events
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.policy.routes import Route
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.supervision import spawn
from hubbub.actors.upstream import Configure, Quiesce, Upstream
from support.fakes import Probe
from support.handlers import ALL, client, connect, connected, disconnected, said
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pykka

    from hubbub.actors.facade import HubFacade


class Puppet(LoopActor):
    """A handler that keeps what it hears; the test answers."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        script.born(self)
        self.script = script
        self.heard: list[tuple[str, int]] = []

    def on_receive(self, message: Any) -> None:
        if message == "fail":
            raise RuntimeError("told to fail")
        self.script.heard.append(message)
        self.heard.append((message.event.client.connection_id, message.event.event_id))

    def on_stop(self) -> None:
        self.script.stopped += 1


class Script:
    """What the instances of one handler have heard, and their spec."""

    def __init__(self, name: str = "puppet", route: Route = ALL, **more: Any) -> None:
        self.heard: list[events.Delivery] = []
        self.puppets: list[Puppet] = []
        self.stopped = 0
        self.broken = False
        self.spec = HandlerSpec(name=name, factory=self.build, route=route, **more)

    def build(self, hub: HubFacade) -> pykka.Actor:
        assert hub.name == "chat"
        return Puppet(self)

    def born(self, puppet: Puppet) -> None:
        if self.broken:
            raise RuntimeError("cannot start")
        self.puppets.append(puppet)

    def fail(self) -> None:
        self.puppets[-1].address.post("fail")

    def told(self) -> list[events.Event]:
        return [delivery.event for delivery in self.heard]

    def answer(self, number: int, outcome: events.Outcome | None = None) -> None:
        delivery = next(d for d in self.heard if d.event.event_id == number)
        who = delivery.event.client.connection_id
        delivery.reply_to.post(events.Answered(who, number, outcome))


class House:
    """An upstream with scripted handlers, and the connection that asks."""

    def __init__(self, *scripts: Script) -> None:
        self.loop = VirtualLoop()
        self.asker = Probe()
        specs = tuple(script.spec for script in scripts)
        self.upstream = spawn(
            Dispatcher(self.loop), lambda: Upstream("chat", specs, Probe())
        )
        self.loop.settle()

    def tell(self, *told: events.Event) -> None:
        for event in told:
            self.upstream.post(events.Delivery(event, self.asker))
        self.loop.settle()

    def do(self, *steps: Callable[[], object]) -> None:
        for step in steps:
            step()
            self.loop.settle()

    def outcome(self) -> events.Outcome | None:
        answer: events.Answered = self.asker.expect(events.Answered)
        return answer.outcome


def system(*names: str) -> Route:
    return Route(system_events=frozenset(names))


def test_the_first_handler_that_takes_an_event_gets_it_alone() -> None:
    gate = Script("gate", system("connect"))
    shop, rest = Script("shop", Route(user_events="order.*")), Script("rest")
    house = House(gate, shop, rest)
    house.tell(connect(), connected(1), said("order.new", number=2), said(number=3))
    assert gate.told() == [connect()]
    assert shop.told() == [said("order.new", number=2)]
    assert rest.told() == [connected(1), said(number=3)]


def test_an_answer_reaches_the_connection() -> None:
    script = Script()
    house = House(script)
    house.tell(said(number=2))
    house.do(lambda: script.answer(2, Respond(Text("hello"))))
    answer = house.asker.expect(events.Answered)
    assert answer == events.Answered("c0nn1", 2, Respond(Text("hello")))


def test_nobody_is_told_of_the_answer_to_a_notice() -> None:
    script = Script()
    house = House(script)
    house.tell(connected(1))
    house.do(lambda: script.answer(1))
    house.asker.expect_nothing()


def test_a_client_is_accepted_when_no_handler_takes_connect() -> None:
    house = House(Script(route=Route(user_events="*")))
    house.tell(connect())
    assert house.outcome() == Accept()


def test_an_event_that_no_handler_takes_fails() -> None:
    house = House(Script(route=system("connect")))
    house.tell(said("order"))
    assert house.outcome() == Fail("No event handler for the event order.")


def test_a_notice_that_no_handler_takes_is_dropped() -> None:
    house = House()
    house.tell(connected(1), disconnected(2))
    house.asker.expect_nothing()


def test_an_event_fails_when_its_time_is_up() -> None:
    script = Script(timeout=5.0)
    house = House(script)
    house.tell(connect(), said(number=2))
    house.loop.advance(4.9)
    house.asker.expect_nothing()
    house.loop.advance(0.2)
    assert isinstance(house.outcome(), Reject)
    assert isinstance(house.outcome(), Fail)


def test_a_late_answer_is_dropped() -> None:
    script = Script(timeout=5.0)
    house = House(script)
    house.tell(said(number=2))
    house.loop.advance(5.0)
    house.outcome()
    house.do(lambda: script.answer(2, Respond()))
    house.asker.expect_nothing()


def test_an_answer_calls_off_the_timer() -> None:
    script = Script(timeout=5.0)
    house = House(script)
    house.tell(said(number=2))
    house.do(lambda: script.answer(2, Respond()))
    house.outcome()
    house.loop.advance(10.0)
    house.asker.expect_nothing()


def test_the_end_waits_for_everything_under_way() -> None:
    script = Script()
    house = House(script)
    joined = events.Joined(client(), 2, "room")
    house.tell(connected(1), joined, said(number=3), disconnected(4))
    assert script.told() == [connected(1), joined, said(number=3)]
    house.do(lambda: script.answer(1), lambda: script.answer(3, Respond()))
    assert len(script.heard) == 3
    house.do(lambda: script.answer(2))
    assert script.told()[-1] == disconnected(4)


def test_the_end_waits_no_longer_than_the_events_may_take() -> None:
    script = Script(timeout=5.0)
    house = House(script)
    house.tell(said(number=2), disconnected(3))
    house.loop.advance(5.0)
    assert script.told()[-1] == disconnected(3)


def test_the_end_of_one_connection_does_not_wait_for_another() -> None:
    script = Script()
    house = House(script)
    house.tell(said(number=2), disconnected(3, who=client("other")))
    assert len(script.heard) == 2


def test_an_outcome_of_the_wrong_kind_fails_the_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script("clumsy")
    house = House(script)
    house.tell(connect(), said(number=2), said(number=3))
    house.do(
        lambda: script.answer(0, Respond()),
        lambda: script.answer(2, Accept()),
        lambda: script.answer(3, None),
    )
    assert house.outcome() == Reject(500, "The event handler failed.")
    assert isinstance(house.outcome(), Fail)
    assert isinstance(house.outcome(), Fail)
    assert caplog.text.count("clumsy") == 3


@pytest.mark.parametrize(
    "outcome",
    [
        Respond(state="x" * 8193),
        Respond(state="\u00e9"),
        Respond("text"),  # type: ignore[arg-type] # what an author may write
        Respond(Text(""), metadata={"a b": ""}),
    ],
)
def test_an_outcome_that_no_client_could_take_fails_the_event(
    outcome: Respond,
) -> None:
    script = Script()
    house = House(script)
    house.tell(said(number=2))
    house.do(lambda: script.answer(2, outcome))
    assert isinstance(house.outcome(), Fail)


@pytest.mark.parametrize(
    "outcome",
    [
        Reject(200),
        Accept(groups=("",)),
        Accept(groups="lobby"),  # type: ignore[arg-type] # what an author may write
        Accept(user_id=7),  # type: ignore[arg-type]
        Accept(state="\n"),
    ],
)
def test_an_admission_that_makes_no_sense_refuses_the_client(
    outcome: Accept | Reject,
) -> None:
    script = Script()
    house = House(script)
    house.tell(connect())
    house.do(lambda: script.answer(0, outcome))
    assert house.outcome() == Reject(500, "The event handler failed.")


def test_events_of_a_handler_that_fails_fail_at_once() -> None:
    script = Script()
    house = House(script)
    house.tell(connect(), said(number=2))
    house.do(script.fail)
    assert isinstance(house.outcome(), Reject)
    assert isinstance(house.outcome(), Fail)


def test_events_fail_while_their_handler_is_down_and_work_afterwards() -> None:
    script = Script()
    house = House(script)
    house.do(script.fail)
    house.tell(said(number=2))
    assert house.outcome() == Fail("The event handler is not available.")
    house.loop.advance(0.2)
    house.tell(said(number=3))
    house.do(lambda: script.answer(3, Respond()))
    assert house.outcome() == Respond()


def test_a_handler_that_cannot_start_is_tried_again_with_longer_pauses() -> None:
    script = Script()
    script.broken = True
    house = House(script)
    house.tell(said(number=2))
    assert isinstance(house.outcome(), Fail)
    house.loop.advance(0.65)  # tried after 0.1, 0.3; next at 0.7
    script.broken = False
    assert not script.puppets
    house.loop.advance(0.1)
    assert len(script.puppets) == 1


def test_a_handler_that_stops_itself_stays_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script("leaver")
    house = House(script)
    house.do(script.puppets[0].stop)
    house.loop.advance(100.0)
    assert len(script.puppets) == 1
    assert "leaver has stopped itself" in caplog.text


def test_a_connection_stays_with_one_of_several_workers() -> None:
    script = Script(workers=4)
    house = House(script)
    names = [f"c{number}" for number in range(40)]
    for name in names:
        house.tell(*(said(number=n, who=client(name)) for n in (1, 2)))
    shares = [{name for name, _ in puppet.heard} for puppet in script.puppets]
    assert all(shares)
    assert sum(map(len, shares)) == len(names)


def test_an_unchanged_handler_survives_a_configuration() -> None:
    kept, dropped, added = Script("kept"), Script("dropped"), Script("added")
    house = House(kept, dropped)
    house.tell(said(number=2))
    specs = (added.spec, kept.spec)
    house.do(lambda: house.upstream.post(Configure(specs)))
    assert (kept.stopped, dropped.stopped, len(kept.puppets)) == (0, 1, 1)
    house.tell(said(number=3))
    assert added.told() == [said(number=3)]
    house.do(lambda: kept.answer(2, Respond()))
    assert house.outcome() == Respond()


def test_a_removed_handler_finishes_what_it_has() -> None:
    old, new = Script("old"), Script("new")
    house = House(old)
    house.tell(said(number=2))
    house.do(lambda: house.upstream.post(Configure((new.spec,))))
    assert old.stopped == 0
    house.do(lambda: old.answer(2, Respond(Text("bye"))))
    assert house.outcome() == Respond(Text("bye"))
    assert old.stopped == 1


def test_a_removed_handler_has_no_longer_than_its_events_may_take() -> None:
    old = Script("old", timeout=5.0)
    house = House(old)
    house.tell(said(number=2))
    house.do(lambda: house.upstream.post(Configure(())))
    house.loop.advance(5.0)
    assert isinstance(house.outcome(), Fail)
    assert old.stopped == 1


def test_a_removed_handler_that_is_down_does_not_come_back() -> None:
    old = Script("old")
    house = House(old)
    house.do(old.fail, lambda: house.upstream.post(Configure(())))
    house.loop.advance(100.0)
    assert len(old.puppets) == 1


def test_quiet_is_told_after_the_last_notice() -> None:
    script, told = Script(), Probe()
    house = House(script)
    house.tell(said(number=2), disconnected(3))
    house.do(lambda: house.upstream.post(Quiesce(told)))
    house.do(lambda: script.answer(2, Respond()))
    told.expect_nothing()
    house.do(lambda: script.answer(3))
    assert told.expect(bool)


def test_quiet_is_told_at_once_when_nothing_is_under_way() -> None:
    house, told = House(), Probe()
    house.do(lambda: house.upstream.post(Quiesce(told)))
    assert told.expect(bool)


def test_nobody_waits_for_an_upstream_that_ends() -> None:
    script = Script()
    house = House(script)
    house.tell(said(number=2))
    house.do(lambda: house.upstream.stop(block=False))
    assert isinstance(house.outcome(), Fail)
    assert script.stopped == 1


def test_an_upstream_that_is_quiet_remembers_no_connection() -> None:
    script = Script()
    house = House(script)
    house.tell(connect(), said(number=1), disconnected(2))
    upstream = house.upstream._actor_weakref()
    assert upstream is not None
    house.do(
        lambda: script.answer(0, Accept()),
        lambda: script.answer(1, Respond()),
        lambda: script.answer(2),
    )
    assert (upstream._lanes, upstream._pending) == ({}, {})


def test_presence_is_told_for_the_groups_a_handler_names() -> None:
    rooms = Script(
        route=Route(
            presence_events=frozenset({"joined"}), presence_groups=("room*", "a,b")
        )
    )
    house = House(rooms)
    told = [events.Joined(client(), n, g) for n, g in enumerate(("room1", "a,b"), 1)]
    house.tell(*told)
    house.tell(events.Left(client(), 3, "room1"), events.Joined(client(), 4, "Room1"))
    assert rooms.told() == told
    assert rooms.spec.wants_presence("joined", "room7")
    assert not rooms.spec.wants_presence("left", "room7")


def test_logs_name_the_handler_and_never_the_payload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script("slow", timeout=5.0)
    house = House(script)
    house.tell(said("order", Text("s3cret"), number=2))
    house.loop.advance(5.0)
    assert "slow did not answer order of connection c0nn1" in caplog.text
    assert "s3cret" not in caplog.text
