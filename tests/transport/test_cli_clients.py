"""connect, publish and listen against a real gateway, as scripts use them."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any

import pytest
from aiohttp import web

from hubbub.transport.cli_connect import UsageError, parse
from hubbub.transport.cli_output import FailedError
from hubbub.transport.cli_session import SUBPROTOCOL, connected
from support.gateway import KEY, GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 20
NUMBERS = itertools.count()


class Command:
    """A running ``hubbub`` command whose lines can be awaited."""

    def __init__(self, place: str, hub: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "hubbub.transport", *arguments]
        options = ["--connection-string", place, "--hub", hub]
        self.process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(SECONDS, self.process.kill)
        self._watchdog.start()

    def await_said(self, text: str) -> str:
        """Wait for a line on stderr."""
        return _line(self.process.stderr, text)

    def await_line(self) -> str:
        """Wait for the next line on stdout."""
        return _line(self.process.stdout, "").rstrip("\n")

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self, text: str = "") -> tuple[int, str, str]:
        """Close stdin after a text; gives exit code and the rest of the output."""
        out, err = self.process.communicate(text)
        self._watchdog.cancel()
        return self.process.returncode, out, err


def _line(stream: IO[str] | None, text: str) -> str:
    assert stream is not None
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never said")


class Place:
    """A gateway and a hub of its own for one test."""

    def __init__(self, gateway: GatewayProcess, hub: str) -> None:
        self.connection_string = gateway.connection_string
        self.hub = hub
        self.commands: list[Command] = []

    def start(self, *arguments: str) -> Command:
        command = Command(self.connection_string, self.hub, *arguments)
        self.commands.append(command)
        return command

    def run(self, *arguments: str, text: str = "") -> tuple[int, str, str]:
        return self.start(*arguments).end(text)


@pytest.fixture
def place(gateway: GatewayProcess, request: pytest.FixtureRequest) -> Iterator[Place]:
    place = Place(gateway, f"cli{abs(hash(request.node.name))}")
    yield place
    for command in place.commands:
        command.process.kill()
        command.end()


# --- publish and listen ---


def test_listen_prints_what_publish_sends_to_a_group_of_any_kind(
    place: Place, tmp_path: Path
) -> None:
    file = tmp_path / "three.bin"
    file.write_bytes(b"\0\1\2")
    listener = place.start("listen", "a/b c", "--count", "3")
    listener.await_said("listening to a/b c")
    for content in (["hi\nthere"], ["--json-data", '{"x": 1.0}'], ["--binary", file]):
        code, out, err = place.run("publish", *map(str, content), "--group", "a/b c")
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
    assert place.run("publish", "to all", "--all")[0] == 0
    assert place.run("publish", "to her", "--user", "al ice")[0] == 0
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
    assert place.run("publish", "psst", "--connection", connection)[0] == 0
    assert json.loads(client.await_line())["data"] == "psst"
    client.write("quit")
    assert client.end()[0] == 0


def test_publish_binary_reads_stdin(place: Place) -> None:
    listener = place.start("listen", "g", "--count", "1")
    listener.await_said("listening")
    assert place.run("publish", "--binary", "-", "--group", "g", text="abc")[0] == 0
    assert listener.end()[1] == "[g] (binary, 3 bytes) YWJj\n"


def test_json_is_passed_on_as_it_was_written_but_on_one_line(place: Place) -> None:
    listener = place.start("listen", "g", "--json", "--count", "1")
    listener.await_said("listening")
    written = '{"big": 123456789012345678901234567890,\n "one": 1.00}'
    place.run("publish", "--json-data", written, "--group", "g")
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


# --- connect ---


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
    place.run("publish", "ping", "--group", "g")
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


async def _strange_server(handler: Any) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/client/hubs/chat", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0]
    return f"ws://{host}:{port}/client/hubs/chat"


async def test_a_server_of_another_subprotocol_is_refused() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket

    runner = await _strange_server(handler)
    with pytest.raises(FailedError, match="this server does not speak"):
        async with connected(_address(runner)):
            pass
    await runner.cleanup()


async def test_a_request_fails_when_the_connection_ends_before_its_ack() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        await socket.receive()
        await socket.close(code=1011)
        return socket

    runner = await _strange_server(handler)
    async with connected(_address(runner)) as session:
        with pytest.raises(FailedError, match="close code 1011"):
            await session.request(type="joinGroup", group="g")
        with pytest.raises(FailedError, match="close code 1011"):
            await session.request(type="joinGroup", group="g")
        assert [message async for message in session.messages()] == []
    await runner.cleanup()


async def test_a_duplicate_ack_counts_as_done_and_a_stranger_to_no_request() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        number = (await socket.receive_json())["ackId"]
        await socket.send_json({"type": "ack", "ackId": 99, "success": True})
        error = {"name": "Duplicate", "message": "again"}
        await socket.send_json(
            {"type": "ack", "ackId": number, "success": False, "error": error}
        )
        await socket.receive()
        return socket

    runner = await _strange_server(handler)
    async with connected(_address(runner)) as session:
        await session.request(type="joinGroup", group="g")
    await runner.cleanup()
