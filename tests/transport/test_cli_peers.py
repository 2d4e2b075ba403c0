"""``hubbub peers`` shows a mesh to people and to programs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from hubbub.actors.messages.mesh import LinkState, MeshView, PeerView
from hubbub.transport.cli import app
from hubbub.transport.cli_peers_table import duration, headline
from support.edge import ALONE, PEERS, VIEW, Edge, FakeMesh
from support.rest import KEY, served

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20


@contextmanager
def place_of(gateway: FakeMesh) -> Iterator[str]:
    """Serve a gateway's edge; gives its connection string."""
    with served(Edge(gateway)) as url:
        yield f"Endpoint={url};AccessKey={KEY};Version=1.0;"


def show(view: MeshView, *arguments: str, columns: int = 80) -> tuple[int, str, str]:
    with place_of(FakeMesh(view)) as place:
        return run(place, *arguments, columns=columns)


def run(place: str, *arguments: str, columns: int = 80) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "hubbub.transport", "peers", *arguments]
    done = subprocess.run(
        [*command, "--connection-string", place],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={"COLUMNS": str(columns), "PATH": ""},
    )
    return done.returncode, done.stdout, done.stderr


def test_a_mesh_fits_80_columns_and_leaves_nothing_out() -> None:
    code, out, err = show(VIEW)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == (
        "gateway a1a1a1 at tcp://10.0.0.1:7000, cluster hubbub: 1 of 2 peers up"
    )
    assert [line.split() for line in lines[1:]] == [
        [],
        ["peer", "gateway", "state", "epoch", "age", "silent"],
        ["tcp://10.0.0.2:7000", "b2b2b2", "up", "1", "2h", "14m", "0.4s"],
        ["tcp://10.0.0.3:7000", "-", "greeting", "3", "-", "12s"],
        [],
        ["peer", "queued", "relayed", "received", "resent", "lost"],
        ["tcp://10.0.0.2:7000", "0", "1,204,512", "98,201", "0", "0"],
        ["tcp://10.0.0.3:7000", "1,201", "11", "98", "2", "17"],
        [],
        ["tcp://10.0.0.3:7000:", "connection", "refused"],
    ]


def test_on_a_wide_terminal_a_peer_is_one_line() -> None:
    _, out, _ = show(VIEW, columns=140)
    assert out.count("tcp://10.0.0.2:7000") == 1
    assert "…" not in out


def test_a_long_endpoint_is_never_cut() -> None:
    long = msgspec.structs.replace(
        PEERS[0], endpoint=f"ipc:///run/hubbub/{'deep/' * 8}0.sock"
    )
    _, out, _ = show(msgspec.structs.replace(VIEW, peers=(long,)))
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert long.endpoint in "".join(word for word in out.split() if "/" in word)


def test_json_is_what_the_gateway_says() -> None:
    code, out, err = show(VIEW, "--json")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert msgspec.json.decode(out, type=MeshView) == VIEW


def test_a_gateway_without_a_mesh_is_no_failure() -> None:
    code, out, err = show(ALONE)
    assert (code, err) == (0, "")
    assert out == "gateway a1a1a1 has no mesh: it serves alone\n"


def test_a_gateway_that_has_met_nobody_says_so() -> None:
    view = msgspec.structs.replace(VIEW, peers=(), worker="1")
    assert headline(view) == (
        "gateway a1a1a1 (worker 1) at tcp://10.0.0.1:7000, cluster hubbub: no peers yet"
    )


def test_what_a_peer_says_stays_in_its_line() -> None:
    peer = PeerView(
        "tcp://x:1", "", LinkState.REFUSED, 0, 0, 0, 0, 0, 0, 0, 0, "a\x1b\nb"
    )
    _, out, _ = show(msgspec.structs.replace(VIEW, peers=(peer,)))
    assert out.splitlines()[-1] == "tcp://x:1: a\\x1b\\nb"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "-"),
        (0.04, "0.0s"),
        (9.96, "10.0s"),
        (12.9, "12s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (86399, "23h 59m"),
        (86400 * 3 + 3600 * 5, "3d 5h"),
    ],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# What goes wrong.


def test_a_wrong_key_is_told_with_what_to_do() -> None:
    with place_of(FakeMesh()) as place:
        code, out, err = run(place.replace(KEY, KEY[::-1]))
    assert (code, out) == (1, "")
    assert "refused with status 401" in err
    assert KEY[::-1] not in err


def test_no_gateway_is_told_in_one_line() -> None:
    code, out, err = run(f"Endpoint=http://127.0.0.1:1;AccessKey={KEY};")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "is the gateway running?" in err


class Other:
    """Some program that is no gateway."""

    def __init__(self, status: int, body: bytes) -> None:
        self._start = {"status": status, "headers": []}
        self._body = body

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", **self._start})
        await send({"type": "http.response.body", "body": self._body})


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (Other(404, b""), "is it a hubbub gateway?"),
        (Other(200, b'{"gateway": 1}'), "what is there is no gateway"),
    ],
)
def test_another_program_is_told_from_a_gateway(program: Other, said: str) -> None:
    with served(program) as url:
        code, out, err = run(f"Endpoint={url};AccessKey={KEY};")
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize(
    "arguments", [["--connection-string", "x"], ["--watch", "0"], ["--watch", "x"]]
)
def test_wrong_usage_gives_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["peers", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")


# Watching.


def test_watching_goes_on_until_interrupted() -> None:
    gateway = FakeMesh()
    with place_of(gateway) as place, watching(place, "--json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        gateway.view = msgspec.structs.replace(VIEW, cluster="other")
        while (said := json.loads(process.stdout.readline())) == first:
            pass
        assert said == {**first, "cluster": "other"}
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130


def test_watching_outlives_the_gateway() -> None:
    with place_of(FakeMesh()) as place:
        program = watching(place)
        process = program.__enter__()
        assert process.stdout is not None
        assert process.stdout.readline().startswith("gateway a1a1a1")
    try:
        assert process.stderr is not None
        for _ in range(2):
            assert "is the gateway running?" in process.stderr.readline()
        assert process.poll() is None
    finally:
        program.__exit__(None, None, None)


@contextmanager
def watching(place: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "hubbub.transport", "peers", "--watch", "0.1"]
    process = subprocess.Popen(
        [*command, *arguments, "--connection-string", place],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        watchdog.cancel()
