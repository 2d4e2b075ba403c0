"""connect against a real gateway, as scripts and people use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.transport.cli_conversation import UsageError, parse
from support.commands import Place, place_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import GatewayProcess


@pytest.fixture
def place(gateway: GatewayProcess) -> Iterator[Place]:
    with place_at(gateway) as place:
        yield place


def test_connect_carries_out_commands_from_a_pipe(place: Place) -> None:
    commands = 'join "my group"\nsend "my group" hello  you\nleave "my group"\nquit\n'
    code, out, err = place.run("connect", "--user", "al", text=commands)
    assert code == 0
    assert out == "[my group] al: hello  you\n"
    assert "connected as al, connection id " in err
    assert "done: leave" in err


def test_connect_talks_to_a_listener_while_its_input_stays_open(place: Place) -> None:
    client = place.start("connect")
    client.await_said("connected")
    client.write("join g")
    client.await_said("done: join g")
    place.publish("ping", "--group", "g")
    assert client.await_line() == "[g] ping"
    assert client.end()[0] == 0


def test_connect_gives_1_when_a_command_from_a_pipe_failed(place: Place) -> None:
    commands = "nonsense\nsend g x\njoin g\n"
    role = "webpubsub.joinLeaveGroup"
    code, _, err = place.run("connect", "--role", role, text=commands)
    assert code == 1
    for text in (
        "error: not a command: nonsense",
        "error: Forbidden: ",
        "done: join g",
        "error: 2 of the commands failed",
    ):
        assert text in err


def test_an_event_that_nobody_answers_is_a_failed_command(place: Place) -> None:
    code, _, err = place.run("connect", text='event order {"id": 9}')
    assert code == 1
    assert "error: InternalServerError: " in err


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("join g", {"type": "joinGroup", "group": "g"}),
        ('  leave  "g h" ', {"type": "leaveGroup", "group": "g h"}),
        (
            "send g  two  words ",
            {
                "type": "sendToGroup",
                "group": "g",
                "dataType": "text",
                "data": "two  words",
            },
        ),
    ],
)
def test_a_line_becomes_a_request(line: str, request_: dict[str, str]) -> None:
    assert parse(line) == request_


def test_the_json_of_an_event_is_kept_as_written() -> None:
    request = parse('event order.new {"a": 1.0}')
    assert bytes(request.pop("data")) == b'{"a": 1.0}'  # type: ignore[call-overload]
    assert request == {"type": "event", "event": "order.new", "dataType": "json"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("join", "not a command: join"),
        ("join a b", "not a command"),
        ("send g", "not a command"),
        ("shout g x", "not a command"),
        ("!", "not a command: !"),
        ("event", "not a command"),
        ("event x", "expected JSON after the event's name"),
        ("event x {", "expected JSON"),
    ],
)
def test_a_line_that_is_no_command_is_refused(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(line)
