"""The instances of handlers: down and revived, chosen per connection, swapped."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from hubbub.actors import EventHandler, Fail, Reject, Respond, Text
from hubbub.actors.upstream_mail import Configure
from support.handlers import client, connect, said, spec_of, stage
from support.upstream import House, Script

if TYPE_CHECKING:
    import pytest


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


class Quitter(EventHandler):
    """Leaves its thread as it starts, the first time."""

    starts = 0

    def on_start(self) -> None:
        Quitter.starts += 1
        if Quitter.starts == 1:
            sys.exit("no configuration")


async def test_a_handler_that_exits_in_its_thread_has_failed_like_any_other() -> None:
    async with stage(spec_of(Quitter)) as scene:
        await asyncio.sleep(0.05)
        assert await scene.ask(said()) == Fail("The event handler is not available.")
        await asyncio.sleep(0.2)
        assert await scene.ask(said(number=3)) == Respond()
