"""Which function gets which event, when several could."""

from __future__ import annotations

import pytest

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Text
from hubbub.actors.messages.servers import Rule
from hubbub.sdk.server.handlers import (
    MOST_RULES,
    Handler,
    Registry,
    check_point,
    event_rule,
)

ANN = events.Client("chat", "c1", "ann", "json.webpubsub.azure.v1")
BOB = events.Client("chat", "c2", "bob")


def asks(client: events.Client, name: str = "ask") -> events.UserEvent:
    return events.UserEvent(client, 1, name, Text("?"))


def handler(name: str, text: str | None = None, groups: str | None = None) -> Handler:
    return Handler(event_rule(name, text, groups), print)


def intercepts(point: str, text: str | None = None, groups: str = "*") -> Handler:
    return Handler(event_rule(point, text, groups), print)


def registry(*handlers: Handler) -> Registry:
    made = Registry(7)
    for one in handlers:
        made.add(one)
    return made


def test_the_first_handler_whose_rule_holds_gets_an_event() -> None:
    by_user = handler("ask", "userId eq 'ann'")
    by_protocol = handler("ask", "protocol eq null")
    by_pattern = handler("as?")
    rest = handler("*")
    known = registry(by_user, by_protocol, by_pattern, rest)
    assert known.find(asks(ANN)) is by_user
    assert known.find(asks(BOB)) is by_protocol
    carl = events.Client("chat", "c3", "carl", "p")
    assert known.find(asks(carl)) is by_pattern
    assert known.find(asks(carl, "other")) is rest
    assert known.find(events.Connected(ANN, 1)) is None
    known.remove(by_user)
    assert known.find(asks(ANN)) is by_pattern


def test_groups_choose_between_interceptions_and_presences() -> None:
    staff, others = intercepts("publish", groups="staff.*"), intercepts("publish")
    joined = handler("joined", groups="staff.*")
    known = registry(staff, others, joined)
    assert known.find(events.Publish(ANN, 1, "staff.a", Text("x"))) is staff
    assert known.find(events.Publish(ANN, 1, "lobby", Text("x"))) is others
    assert known.find(events.Joined(ANN, 1, "staff.a")) is joined
    assert known.find(events.Joined(ANN, 1, "lobby")) is None
    assert known.find(events.Left(ANN, 1, "staff.a")) is None


def test_a_filter_over_groups_is_left_to_the_gateway() -> None:
    alone = handler("ask", "'vip' in groups")
    other = handler("other")
    known = registry(alone, other)
    assert known.find(asks(ANN)) is alone
    assert known.find(asks(ANN, "other")) is other


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (handler("ask", "'vip' in groups"), handler("ask")),
        (handler("ask"), handler("ASK", "'vip' in groups")),
        (handler("*"), handler("ask", "userId eq 'a' and not ('x' in Groups)")),
        (
            intercepts("publish", "'vip' in groups"),
            intercepts("publish", "userId eq 'ann'"),
        ),
    ],
)
def test_handlers_that_only_the_gateway_can_tell_apart_are_refused(
    first: Handler, second: Handler
) -> None:
    known = registry(first)
    with pytest.raises(ValueError, match="groups"):
        known.add(second)
    assert known.rules() == (first.rule,)


@pytest.mark.parametrize(
    ("name", "text", "groups", "reason"),
    [
        ("", None, None, "empty"),
        (" , ", None, None, "empty"),
        ("ask", None, "g", "leave groups out"),
        ("connect", None, "g", "leave groups out"),
        ("ask", "userId eq", None, "Syntax error"),
        ("ask", "nothing eq 1", None, "nothing"),
        ("ask.*\\", None, None, "."),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(
    name: str, text: str | None, groups: str | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        event_rule(name, text, groups)


def test_a_user_event_may_have_the_name_of_an_interception_point() -> None:
    known = registry(handler("publish,"))
    assert known.find(asks(ANN, "publish")) is not None
    assert known.find(asks(ANN, "other")) is None


def test_the_end_of_a_connection_may_be_called_disconnect() -> None:
    assert event_rule("disconnect", None, None).kind == "disconnected"


@pytest.mark.parametrize("point", ["publish", "subscribe"])
def test_an_interception_point_is_an_event_too(point: str) -> None:
    assert event_rule(point, None, "g.*") == Rule(point, "g.*")


def test_an_unknown_interception_point_is_refused() -> None:
    with pytest.raises(ValueError, match="publish or subscribe"):
        check_point("connect")


def test_a_rule_is_declared_once_however_many_handle_it() -> None:
    known = registry(handler("ask"), handler("ask"), handler("connect"))
    assert known.frame() == {
        "type": "handle",
        "rules": [
            {"kind": "event", "pattern": "ask"},
            {"kind": "connect", "pattern": "*"},
        ],
        "window": 7,
        "supersede": False,
    }


def test_there_are_only_so_many_handlers() -> None:
    known = registry(*(handler(f"ask{number}") for number in range(MOST_RULES)))
    with pytest.raises(ValueError, match=str(MOST_RULES)):
        known.add(handler("one.more"))
