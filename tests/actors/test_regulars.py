"""Clients keep their servers; those that never were in the hub are not remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Text
from hubbub.actors.messages.servers import Rule
from hubbub.actors.policy.rules import Occasion
from hubbub.actors.seats import FEW_REGULARS, Seats

if TYPE_CHECKING:
    from hubbub.actors.messages.commands import Subject

MANY = 5 * FEW_REGULARS


def subject_of(connection_id: str) -> Subject | None:
    """Know the connections whose id begins with ``here``."""
    if not connection_id.startswith("here"):
        return None
    return Occasion(connection_id, None, (), None, "", None)


def seats_of(*servers: str) -> Seats:
    seats = Seats(subject_of)
    for name in servers:
        address: Any = name
        seats.declare(address, (Rule("connect"), Rule("event")), 10)
    return seats


def connect(connection_id: str) -> events.Connect:
    return events.Connect(events.Client("chat", connection_id), 0, {}, {}, {}, ())


def user_event(connection_id: str) -> events.UserEvent:
    return events.UserEvent(events.Client("chat", connection_id), 1, "e", Text("x"))


def test_clients_that_leave_while_they_connect_are_forgotten() -> None:
    seats = seats_of("a")
    for number in range(MANY):
        assert seats.choose(connect(f"gone{number}")) is not None
        assert len(seats._regulars) <= FEW_REGULARS + 1


def test_clients_that_are_here_keep_their_server_however_many_have_gone() -> None:
    seats = seats_of("a", "b")
    chosen = {}
    for number in range(FEW_REGULARS + 10):
        name = f"here{number}"
        seat = seats.choose(connect(name))
        assert seat is not None
        seat.under_way[name, 0] = None  # the other is less busy now
        chosen[name] = seat.server
    assert len(set(chosen.values())) == 2
    for number in range(MANY):
        seats.choose(connect(f"gone{number}"))
    for name, server in chosen.items():
        seat = seats.choose(user_event(name))
        assert seat is not None
        assert seat.server == server
