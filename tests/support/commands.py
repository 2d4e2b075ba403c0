"""Runs ``hubbub`` commands in tests, and awaits what they say."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from typer.testing import CliRunner

from hubbub.transport.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import GatewayProcess

SECONDS = 20
_hubs = itertools.count()


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
        """Run a command to its end; gives exit code, stdout and stderr."""
        return self.start(*arguments).end(text)

    def publish(self, *arguments: str, text: str = "") -> tuple[int, str, str]:
        """Publish, in this process because that is quicker."""
        options = ["--connection-string", self.connection_string, "--hub", self.hub]
        command = ["publish", *arguments, *options]
        result = CliRunner().invoke(app, command, input=text)
        return result.exit_code, result.stdout, result.stderr


@contextmanager
def place_at(gateway: GatewayProcess) -> Iterator[Place]:
    """Give a hub that no other test uses; its commands end with the block."""
    place = Place(gateway, f"cli{next(_hubs)}")
    try:
        yield place
    finally:
        for command in place.commands:
            command.process.kill()
            command.end()
