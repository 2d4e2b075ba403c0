"""The upstream on virtual time, with handlers that answer when the test says so."""

from __future__ import annotations

import logging

import pytest

from hubbub.actors import Accept, Fail, Reject, Respond, Text, events
from hubbub.actors.messages.commands import Receipt
from hubbub.actors.policy.routes import Route
from hubbub.actors.upstream_mail import Quiesce
from support.fakes import Probe
from support.handlers import client, connect, connected, disconnected, said
from support.upstream import House, Script


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
        Respond(Text(""), metadata={"trace": 7}),  # type: ignore[dict-item] # likewise
        Fail(7),  # type: ignore[arg-type] # likewise
    ],
)
def test_an_outcome_that_no_client_could_take_fails_the_event(
    outcome: Respond | Fail,
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


def test_quiet_is_told_after_the_last_notice() -> None:
    script, told = Script(), Probe()
    house = House(script)
    house.tell(said(number=2), disconnected(3))
    house.do(lambda: house.upstream.post(Quiesce(Receipt(told, True))))
    house.do(lambda: script.answer(2, Respond()))
    told.expect_nothing()
    house.do(lambda: script.answer(3))
    assert told.expect(bool)


def test_quiet_is_told_at_once_when_nothing_is_under_way() -> None:
    house, told = House(), Probe()
    house.do(lambda: house.upstream.post(Quiesce(Receipt(told, True))))
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
    assert (upstream.ledger._pending, upstream.ledger._lanes._lanes) == ({}, {})


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


@pytest.mark.parametrize(("stored", "told"), [("new", "new"), ("", ""), (None, "old")])
def test_an_end_that_waited_tells_the_state_that_was_stored_meanwhile(
    stored: str | None, told: str
) -> None:
    script, who = Script(), client(state="old")
    house = House(script)
    house.tell(said(number=2, who=who), connected(3, who), disconnected(4, who=who))
    house.do(lambda: script.answer(2, Respond(state=stored)), lambda: script.answer(3))
    assert script.told()[-1] == disconnected(4, who=client(state=told))


def test_nobody_waits_for_quiet_when_an_upstream_ends() -> None:
    script, told = Script(), Probe()
    house = House(script)
    house.tell(said(number=2), disconnected(3))
    house.do(
        lambda: house.upstream.post(Quiesce(Receipt(told, True))),
        lambda: house.upstream.stop(block=False),
    )
    assert told.expect(bool)
