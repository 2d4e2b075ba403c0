"""A port that several processes serve: their lives, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.gateway import KEY, GatewayProcess
from support.raw import RawClient
from support.wire import close, text
from support.workers import (
    SECONDS,
    Crew,
    Spread,
    alive,
    awaited,
    command_of,
    join,
    sockets_of,
)

if TYPE_CHECKING:
    from pathlib import Path

PING, PONG = text('{"type":"ping"}'), {"type": "pong"}


def is_well(client: RawClient) -> bool:
    client.send(PING)
    return bool(client.message() == PONG)


def hubbub(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hubbub.transport", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60
    )


# One port.


def test_connections_are_shared_out_and_each_worker_is_a_gateway_of_its_own() -> None:
    with Crew() as crew, Spread(crew) as clients:
        assert len(clients) == 2
        for client in (one for ones in clients.values() for one in ones):
            assert is_well(client)


def test_there_is_one_ready_line_and_one_summary_for_all() -> None:
    with Crew() as crew:
        assert crew.log.count("hubbub is running") == 1
        assert "workers           2" in crew.log
        assert crew.stop() == 0
        assert crew.process.stdout is not None
        assert not crew.process.stdout.read()


def test_the_log_says_which_worker_speaks() -> None:
    with Crew() as crew:
        crew.stop()
        for worker in range(2):
            assert f"info worker={worker} hubbub.transport.serve: draining" in crew.log


def test_logs_in_json_are_nothing_else_and_name_the_worker() -> None:
    with Crew("--log-format", "json", "--log-level", "debug") as crew:
        crew.stop()
        entries = [json.loads(line) for line in crew.log.splitlines()]
    workers = {entry.get("worker") for entry in entries}
    assert workers == {None, "0", "1"}


def test_the_keys_do_not_stand_in_the_command_lines_of_workers() -> None:
    with Crew() as crew:
        for pid in crew.pids():
            assert "hubbub.transport.worker" in command_of(pid)
            assert KEY not in command_of(pid)


def test_workers_read_the_variables_and_the_file_of_the_user(tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    config.write_text("[hubs.chat]\nanonymous = true")
    environment = {"HUBBUB_CONFIG": str(config), "HUBBUB_LOG_LEVEL": "debug"}
    with Crew(environment=environment) as crew:
        assert "debug worker=1 " in crew.log
        for _ in range(20):
            with RawClient(crew) as client:
                assert client.upgrade("/client/hubs/chat").status == 101


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for temporary files with a path as short as a socket's must be."""
    return tmp_path_factory.mktemp("w")


def test_the_folder_of_the_workers_is_private_and_goes_with_them(folder: Path) -> None:
    with Crew(environment={"TMPDIR": str(folder)}) as crew:
        (site,) = sockets_of(folder)
        assert stat.S_IMODE(site.stat().st_mode) == 0o700
        assert crew.stop() == 0
        assert sockets_of(folder) == []


def test_a_long_path_for_temporary_files_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with Crew(environment={"TMPDIR": str(folder)}) as crew, Spread(crew):
        assert sockets_of(folder) == []


# Refusals.


@pytest.mark.parametrize("first", [1, 2])
def test_a_port_that_is_taken_is_said_once_and_not_shared(first: int) -> None:
    with GatewayProcess(workers=first) as taken:
        second = hubbub("serve", "--workers", "2", "--port", str(taken.port))
        assert second.returncode == 1
        (line,) = second.stderr.splitlines()
        assert f"cannot listen on 127.0.0.1 port {taken.port}" in line
        assert "is another gateway running?" in line
        assert not second.stdout


def test_when_no_worker_can_start_that_is_said_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with socket.create_server(("127.0.0.1", port + 1)):
            place = f"tcp://127.0.0.1:{port}"
            options = ["--workers", "2", "--port", "0", "--peer-listen", place]
            result = hubbub("serve", *options)
    assert result.returncode == 1
    said = result.stderr.splitlines()
    for line, number in zip(said, (port, port + 1), strict=True):
        assert "no worker can start: cannot listen for gateways at" in line
        assert f"127.0.0.1:{number}: " in line
    assert not result.stdout
    assert "Traceback" not in result.stderr


def test_a_trace_of_several_processes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    result = hubbub("serve", "--workers", "2", "--port", "0", "--trace", str(path))
    assert result.returncode == 2
    assert "add --workers 1" in result.stderr
    assert not path.exists()


def test_bad_settings_are_refused_before_any_worker_starts() -> None:
    result = hubbub("serve", "--workers", "2", "--host", "0.0.0.0")
    assert result.returncode == 2
    assert result.stderr.count("set an access key of your own") == 1


@pytest.mark.parametrize("arguments", [[], ["x"], ["99"]])
def test_a_worker_is_started_by_its_supervisor_alone(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "hubbub.transport.worker", *arguments]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 2
    assert "hubbub serve --workers N" in result.stderr


# Ends.


def test_a_worker_that_is_killed_comes_back_and_the_others_notice_nothing() -> None:
    with Crew() as crew, Spread(crew) as clients:
        old = crew.pids()[0]
        os.kill(old, signal.SIGKILL)
        cut = {
            gateway: [client.read_to_end() == b"" for client in ones]
            for gateway, ones in clients.items()
            if not may_be_well(ones[0])
        }
        assert len(cut) == 1
        (gone,) = cut
        (others,) = (ones for gateway, ones in clients.items() if gateway != gone)
        assert all(is_well(client) for client in others)
        crew.await_pid(0, old)
        assert "worker 0 has ended: SIGKILL; starting it again in 0.1 s" in crew.log
        with Spread(crew, "after") as newcomers:
            assert gone not in newcomers
            assert len(newcomers) == 2


def may_be_well(client: RawClient) -> bool:
    """Ping somebody whose gateway may be gone."""
    client.send_if_possible(PING)
    try:
        return bool(client.message() == PONG)
    except AssertionError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_worker_drains_and_the_exit_code_is_0(number: signal.Signals) -> None:
    with Crew() as crew, Spread(crew) as clients:
        pids = crew.pids()
        crew.signal(number)
        for client in (one for ones in clients.values() for one in ones):
            messages, (code, reason) = client.messages_to_close()
            assert [message["event"] for message in messages] == ["disconnected"]
            assert code == 1001
            assert "shutting down" in reason
            client.send(close(1001))
        assert crew.process.wait(30) == 0
        assert not any(alive(pid) for pid in pids)
        assert "Traceback" not in crew.log


def test_newcomers_are_refused_during_the_drain() -> None:
    with Crew() as crew:
        _, slow = join(crew)
        crew.signal(signal.SIGTERM)
        assert slow.messages_to_close()[1][0] == 1001
        awaited(lambda: refused(crew))
        assert crew.process.poll() is None
        slow.send(close(1001))
        assert crew.process.wait(30) == 0
        slow.socket.close()


def refused(crew: Crew) -> bool:
    try:
        with RawClient(crew):
            return False
    except ConnectionRefusedError:
        return True


def test_the_second_interrupt_ends_everything_at_once(tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    config.write_text("drain_seconds = 600\n[limits]\nclose_seconds = 600")
    with Crew("--config", str(config)) as crew:
        pids = crew.pids()
        _, stubborn = join(crew)
        crew.signal(signal.SIGINT)
        assert stubborn.messages_to_close()[1][0] == 1001
        assert crew.process.poll() is None
        crew.signal(signal.SIGINT)
        assert crew.process.wait(30) == 130
        assert not any(alive(pid) for pid in pids)
        stubborn.socket.close()


def test_a_worker_that_does_not_end_is_killed_in_the_end(tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    config.write_text("drain_seconds = 0.1")
    with Crew("--config", str(config)) as crew:
        held = crew.pids()[1]
        os.kill(held, signal.SIGSTOP)
        assert crew.stop() == 0
        assert "1 workers did not drain in time: killed" in crew.log
        assert not alive(held)


def test_without_the_supervisor_the_workers_drain_by_themselves(folder: Path) -> None:
    with (
        Crew(environment={"TMPDIR": str(folder)}) as crew,
        Spread(crew) as clients,
    ):
        pids = crew.pids()
        crew.process.kill()
        crew.process.wait()
        for client in (one for ones in clients.values() for one in ones):
            assert client.messages_to_close()[1][0] == 1001
            client.send(close(1001))
        awaited(lambda: not any(alive(pid) for pid in pids))
        assert crew.log.count("the supervisor is gone; draining") == 2
        assert sockets_of(folder) == []


# Reload.


def test_a_reload_reaches_one_worker_at_a_time_and_costs_no_client(
    tmp_path: Path,
) -> None:
    config = tmp_path / "hubbub.toml"
    config.write_text("[hubs.chat]\nanonymous = true")
    with (
        Crew("--config", str(config), "--log-level", "debug") as crew,
        Spread(crew) as clients,
    ):
        config.write_text("[hubs.chat]\nanonymous = false")
        crew.signal(signal.SIGHUP)
        said = crew.await_log("settings reloaded")
        assert said.count("settings reloaded") == 1
        steps = ("0 reloads", "0 is done", "1 reloads", "1 is done", "reloaded")
        places = [said.index(step) for step in steps]
        assert places == sorted(places)
        for _ in range(20):
            with RawClient(crew) as client:
                assert client.upgrade("/client/hubs/chat").status == 401
        assert all(is_well(one) for ones in clients.values() for one in ones)


def test_a_bad_file_reaches_no_worker(tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    config.write_text("")
    with (
        Crew("--config", str(config), "--log-level", "debug") as crew,
        Spread(crew) as clients,
    ):
        config.write_text("colour = 1")
        pids = crew.pids()
        for number, told in (
            (signal.SIGHUP, "not reloaded, the old settings stay"),
            (signal.SIGUSR2, "not replaced, the old workers stay"),
        ):
            crew.signal(number)
            said = crew.await_log(told)
            assert "colour: unknown key" in said.rpartition(told)[2]
        assert "reloads" not in crew.log
        assert crew.pids() == pids
        assert all(is_well(one) for ones in clients.values() for one in ones)


# Replacement.


def test_workers_are_replaced_one_at_a_time_and_clients_come_back() -> None:
    with Crew() as crew, Spread(crew) as clients:
        old = crew.pids()
        crew.signal(signal.SIGUSR2)
        returned = []
        for client in (one for ones in clients.values() for one in ones):
            client.socket.settimeout(3 * SECONDS)  # until it is its worker's turn
            assert client.messages_to_close()[1][0] == 1001
            client.send(close(1001))
            _, newcomer = join(crew)  # a worker is there at any time
            returned.append(newcomer)
        said = crew.await_log("workers replaced", 3 * SECONDS)
        new = crew.pids()
        assert not set(old) & set(new)
        steps = (
            "replacing worker 0",
            f"worker 0 is process {new[0]}",
            "replacing worker 1",
            f"worker 1 is process {new[1]}",
        )
        places = [said.index(step) for step in steps]
        assert places == sorted(places)
        assert not any(alive(pid) for pid in old)
        with Spread(crew, "after") as newcomers:
            assert not set(newcomers) & set(clients)
        for newcomer in returned:
            newcomer.socket.close()


def test_without_workers_there_is_nobody_to_replace() -> None:
    with GatewayProcess("--log-level", "info", workers=1) as gateway:
        gateway.signal(signal.SIGUSR2)
        gateway.await_log("here are none")
        assert gateway.stop() == 0
