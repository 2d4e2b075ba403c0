"""The pages about several gateways: what they tell the reader to type, typed.

Machines are addresses of loopback here, and ports are free ones.
"""

from __future__ import annotations

import json
import shlex
import signal
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
from test_docs import DOCS, SECONDS, Reader, block, commands, the_command

from support.settings import KEY
from support.tcp_proxy import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from test_docs import Program

WORKERS = DOCS / "howto" / "run-several-workers.md"
MACHINES = DOCS / "howto" / "run-several-machines.md"
LINKS = DOCS / "howto" / "secure-links.md"
CONTAINERS = DOCS / "howto" / "run-in-containers.md"
SIZE = 3
STORY_SECONDS = 60.0
"""Several processes start and end meanwhile, on a machine that may be busy."""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def type_in(reader: Reader, line: str) -> str:
    """Type a line into a shell; it must succeed. Gives what it says."""
    with reader.run(f"bash -c {shlex.quote(line)}") as program:
        assert program.end() == 0, program.said
        return "".join(program.said)


def connect_to(reader: Reader, endpoint: str, key: str) -> None:
    reader.env["HUBBUB_CONNECTION_STRING"] = f"Endpoint={endpoint};AccessKey={key};"


def await_up(reader: Reader, number: int) -> None:
    """Ask, by the page's command, until so many peers are up."""
    line = the_command(MACHINES, "hubbub peers --json")
    deadline = time.monotonic() + SECONDS
    peers: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        peers = json.loads(reader.value(line))["peers"]
        if [peer["state"] for peer in peers].count("up") == number:
            return
    raise AssertionError(f"{number} peers are never up: {peers}")


# Workers.


def test_several_workers_are_one_service(reader: Reader) -> None:
    with reader.run(the_command(WORKERS, "hubbub serve"), STORY_SECONDS) as gateway:
        said = gateway.await_line("connection string")
        string = said.removeprefix("connection string").strip()
        reader.env["HUBBUB_CONNECTION_STRING"] = string
        gateway.await_line("ready ")
        await_up(reader, 1)
        view = reader.value(the_command(WORKERS, "hubbub peers"))
        assert "1 of 1 peers up" in view
        assert "(worker " in view
        listen = the_command(WORKERS, "hubbub listen")
        with reader.run(f"{listen} --count 8") as listener:
            listener.await_line("listening to lobby")
            for _ in range(8):  # by whichever worker takes the call
                reader.value(the_command(WORKERS, "hubbub publish"))
            assert listener.end() == 0
            assert "".join(listener.said).count("[lobby] hello\n") == 8
        gateway.signal(signal.SIGHUP)
        gateway.await_line("settings reloaded")
        gateway.signal(signal.SIGUSR2)
        gateway.await_line("workers replaced")
        await_up(reader, 1)
        gateway.signal(signal.SIGTERM)
        assert gateway.end() == 0


def test_the_settings_of_workers_are_valid(reader: Reader) -> None:
    reader.write(WORKERS, "hubbub.toml")
    (reader.folder / "primary.key").write_text(KEY)
    assert "hubbub.toml is fine" in reader.value("hubbub check hubbub.toml")


# Machines.


class Machines:
    """The machines of the page, as addresses of this one."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._peers = free_port()
        self._http = [free_port() for _ in range(SIZE)]
        self.endpoints = [f"http://127.0.0.1:{port}" for port in self._http]
        self.key = ""

    def here(self, text: str) -> str:
        return text.replace("10.0.0.", "127.0.0.").replace("7000", str(self._peers))

    def prepare(self) -> None:
        """Do what the page says before the first start."""
        secret, key = commands(MACHINES)[:2]
        for line in (secret, key):
            type_in(self.reader, line)
        self.key = (self.reader.folder / "primary.key").read_text().strip()
        text = self.here(block(MACHINES, "hubbub.toml"))
        (self.reader.folder / "hubbub.toml").write_text(text)

    def start(self, place: int, **environment: str) -> Program:
        """Start a gateway as the page does."""
        line = self.here(
            the_command(MACHINES, f"HUBBUB_PEER_ENDPOINT=tcp://10.0.0.{place + 1}:")
        )
        name, _, endpoint = line.partition(" ")[0].partition("=")
        assert name == "HUBBUB_PEER_ENDPOINT"
        self.reader.env |= {
            # There is one machine here, and one set of ports.
            "HUBBUB_PEER_LISTEN": endpoint,
            "HUBBUB_HOST": "127.0.0.1",
            "HUBBUB_PORT": str(self._http[place]),
            "HUBBUB_ENDPOINT": ",".join(self.endpoints),
            **environment,
        }
        return self.reader.run(f"env {line}", STORY_SECONDS)

    def ask(self, place: int) -> None:
        connect_to(self.reader, self.endpoints[place], self.key)


@pytest.fixture
def machines(reader: Reader) -> Machines:
    machines = Machines(reader)
    machines.prepare()
    return machines


def test_several_machines_are_one_service(machines: Machines) -> None:
    reader = machines.reader
    with machines.start(0) as first, machines.start(1) as second:
        with machines.start(2) as third:
            for gateway in (first, second, third):
                gateway.await_line("ready ")
            for place in range(SIZE):
                machines.ask(place)
                await_up(reader, SIZE - 1)
            assert "2 of 2 peers up" in reader.value("hubbub peers")
            machines.ask(1)
            with reader.run("hubbub listen lobby --count 2") as listener:
                listener.await_line("listening to lobby")
                for place in (0, 2):
                    machines.ask(place)
                    reader.value("hubbub publish hello --group lobby")
                assert listener.end() == 0
            third.signal(signal.SIGTERM)
            assert third.end() == 0
        machines.ask(0)
        await_up(reader, SIZE - 2)


def test_what_the_page_says_of_peers_that_are_not_up_is_what_is_said(
    machines: Machines,
) -> None:
    reader = machines.reader
    other = reader.folder / "other.secret"
    type_in(reader, f"hubbub secret {other}")
    with (
        machines.start(0) as first,
        machines.start(1, HUBBUB_CLUSTER_SECRET=str(other)) as second,
    ):
        first.await_line("ready ")
        second.await_line("ready ")
        machines.ask(1)
        view = reader.value("hubbub peers")
    lines = {line.split(": ")[0]: line for line in view.splitlines() if ": " in line}
    names = machines.here("tcp://10.0.0.1:7000 tcp://10.0.0.3:7000").split()
    faults = ("another cluster secret, or none", "nothing answers there")
    for name, fault in zip(names, faults, strict=True):
        assert fault in lines[name]
        assert fault in MACHINES.read_text()


# Links.


def test_a_secret_is_made_once_and_for_its_owner(reader: Reader) -> None:
    line = the_command(LINKS, "hubbub secret cluster.secret")
    type_in(reader, line)
    file = reader.folder / "cluster.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    with reader.run(line) as again:
        assert again.end() == 1
    assert file.read_text() == before


def test_the_settings_of_links_need_their_secret(reader: Reader) -> None:
    type_in(reader, the_command(LINKS, "hubbub secret cluster.secret"))
    reader.write(LINKS, "hubbub.toml")
    check = the_command(LINKS, "hubbub check")
    assert "hubbub.toml is fine" in reader.value(check)
    file = reader.folder / "hubbub.toml"
    file.write_text(file.read_text().replace("cluster_secret =", "# "))
    with reader.run(check) as refused:
        assert refused.end() == 2
        assert "must have a secret in common" in "".join(refused.said)


# Containers.


def test_the_files_of_compose_are_made_by_the_commands_of_the_page(
    reader: Reader,
) -> None:
    for line in commands(CONTAINERS):
        if not (reader.folder / line.split()[-1]).exists():
            type_in(reader, line)
    for name in ("access.key", "cluster.secret"):
        assert (reader.folder / name).read_text().strip()
    owner = (reader.folder / "access.key").stat()
    said = (reader.folder / ".env").read_text()
    assert said == f"RUN_AS={owner.st_uid}:{owner.st_gid}\n"
