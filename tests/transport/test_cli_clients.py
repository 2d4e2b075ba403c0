"""publish and listen against a real gateway, as scripts use them."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.commands import SECONDS, Command, Place, place_at
from support.gateway import KEY, GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def place(gateway: GatewayProcess) -> Iterator[Place]:
    with place_at(gateway) as place:
        yield place


def test_listen_prints_what_publish_sends_to_a_group_of_any_kind(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "three.bin"
    file.write_bytes(b"\0\1\2")
    listener = place.start("listen", "a/b c", "--count", "3")
    listener.await_said("listening to a/b c")
    for content in (["hi\nthere"], ["--json-data", '{"x": 1.0}'], ["--binary", file]):
        code, out, err = place.publish(*map(str, content), "--group", "a/b c")
        assert (code, out, err) == (0, "", "published\n")
    code, out, _ = listener.end()
    assert code == 0
    assert out.splitlines() == [
        "[a/b c] hi\\nthere",
        '[a/b c] {"x": 1.0}',
        "[a/b c] (binary, 3 bytes) AAEC",
    ]


def test_publish_reaches_all_and_a_user_and_a_connection(place: Place) -> None:
    listener = place.start("listen", "--user", "al ice", "--count", "2", "--json")
    listener.await_said("listening")
    assert place.publish("to all", "--all")[0] == 0
    assert place.publish("to her", "--user", "al ice")[0] == 0
    code, out, _ = listener.end()
    assert code == 0
    said = [json.loads(line) for line in out.splitlines()]
    assert [(message["from"], message["data"]) for message in said] == [
        ("server", "to all"),
        ("server", "to her"),
    ]


def test_publish_reaches_one_connection(place: Place) -> None:
    client = place.start("connect", "--json")
    connection = json.loads(client.await_line())["connectionId"]
    assert place.publish("psst", "--connection", connection)[0] == 0
    assert json.loads(client.await_line())["data"] == "psst"
    client.write("quit")
    assert client.end()[0] == 0


def test_publish_binary_reads_stdin(place: Place) -> None:
    listener = place.start("listen", "g", "--count", "1")
    listener.await_said("listening")
    assert place.publish("--binary", "-", "--group", "g", text="abc")[0] == 0
    assert listener.end()[1] == "[g] (binary, 3 bytes) YWJj\n"


def test_json_is_passed_on_as_it_was_written_but_on_one_line(place: Place) -> None:
    listener = place.start("listen", "g", "--json", "--count", "1")
    listener.await_said("listening")
    written = '{"big": 123456789012345678901234567890,\n "one": 1.00}'
    place.publish("--json-data", written, "--group", "g")
    (line,) = listener.end()[1].splitlines()
    assert written.replace("\n", " ") in line


def test_listen_gives_1_when_too_few_messages_came_in_time(place: Place) -> None:
    code, out, err = place.run("listen", "g", "--count", "1", "--timeout", "0.5")
    assert (code, out) == (1, "")
    assert "error: not 1 messages within 0.5 seconds" in err


def test_listen_gives_0_when_its_time_is_over_and_nothing_was_asked(
    place: Place,
) -> None:
    assert place.run("listen", "g", "--timeout", "0.5")[0] == 0


def test_listen_says_why_it_ended_when_the_gateway_drains() -> None:
    with GatewayProcess() as gateway:
        listener = Place(gateway, "chat").start("listen", "g")
        listener.await_said("listening")
        gateway.stop()
        code, _, err = listener.end()
    assert code == 1
    assert "error: disconnected: " in err


@pytest.mark.parametrize("arguments", [["listen", "g"], ["connect"]])
def test_an_interrupt_gives_130_without_a_traceback(
    place: Place, arguments: list[str]
) -> None:
    command = place.start(*arguments)
    command.await_said("listening" if arguments[0] == "listen" else "join GROUP")
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(SECONDS) == 130
    assert "Traceback" not in command.end()[2]


# --- what is said when there is no connection ---


@pytest.mark.parametrize("arguments", [["publish", "x", "--all"], ["listen", "g"]])
def test_a_wrong_key_is_told_with_what_to_do(
    place: Place, arguments: list[str]
) -> None:
    wrong = place.connection_string.replace(KEY, KEY[::-1])
    code, out, err = Command(wrong, place.hub, *arguments).end()
    assert (code, out) == (1, "")
    assert "refused with status 401" in err
    assert "connection string" in err
    assert KEY[::-1] not in err


@pytest.mark.parametrize("arguments", [["publish", "x", "--all"], ["connect"]])
@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:1", "connection refused; is the gateway running?"),
        ("http://no-such-host.invalid", "there is no such host"),
    ],
)
def test_no_gateway_is_told_in_one_line(
    arguments: list[str], endpoint: str, said: str
) -> None:
    code, out, err = Command(
        f"Endpoint={endpoint};AccessKey={KEY}", "c", *arguments
    ).end()
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_gateway_without_tls_asked_for_https_is_told(place: Place) -> None:
    secure = place.connection_string.replace("http://", "https://")
    code, _, err = Command(secure, place.hub, "publish", "x", "--all").end()
    assert code == 1
    assert "does this gateway speak http, not https?" in err
