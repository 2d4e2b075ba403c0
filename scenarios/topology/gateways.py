"""Gateways of a scene: real processes, each kept by an actor."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.transport.wire.audience import client_audience_url, client_url
from hubbub.transport.wire.connection_string import format_connection_string
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HUB = "chat"
"""The hub that stories play in."""

_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
_HOUR = 3600.0


class GatewayError(Exception):
    """A gateway did not start; the text is the end of its log."""


class Start(msgspec.Struct, frozen=True):
    """Start the process; answered with its endpoint."""

    answer: Reply[str]


class Halt(msgspec.Struct, frozen=True):
    """End the process as its operator would; answered with the exit status."""

    answer: Reply[int]


class Setup(msgspec.Struct, frozen=True):
    """What a gateway is started with: classes of the story, for its one hub."""

    name: str
    folder: Path
    key: str
    traced: bool = False
    handlers: tuple[type, ...] = ()
    groups: tuple[tuple[str, type], ...] = ()
    actors: tuple[type, ...] = ()
    presence: tuple[str, ...] = ()

    @property
    def trace(self) -> Path:
        """Where the gateway writes its trace, if it does."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def log(self) -> Path:
        """Where it writes warnings and errors."""
        return self.folder / f"{self.name}.log"

    def arguments(self) -> list[str]:
        """Make the command line, and the settings file it names."""
        file = self.folder / f"{self.name}.toml"
        file.write_text(self._toml())
        line = ["serve", "--config", str(file), "--port", "0", "--no-demo"]
        line += ["--log-level", "warning", "--log-format", "json"]
        return [*line, "--trace", str(self.trace)] if self.traced else line

    def environment(self) -> dict[str, str]:
        """Let the process find the classes, and no settings but these."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        grouped = (kind for _, kind in self.groups)
        classes = (*self.handlers, *grouped, *self.actors)
        folders = [folder for kind in classes if (folder := _place(kind)[1])]
        path = [*dict.fromkeys(folders), *filter(None, [kept.get("PYTHONPATH")])]
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(path),
            "HUBBUB_ACCESS_KEY": self.key,
        }

    def _toml(self) -> str:
        lines = [f"[hubs.{HUB}]"]
        lines.append(
            f"actors = {json.dumps([_place(kind)[0] for kind in self.actors])}"
        )
        classes = (
            f"{json.dumps(pattern)} = {json.dumps(_place(kind)[0])}"
            for pattern, kind in self.groups
        )
        lines.append(f"groups = {{ {', '.join(classes)} }}")
        for handler in self.handlers:
            lines += [
                f"[[hubs.{HUB}.handlers]]",
                f"handler = {json.dumps(_place(handler)[0])}",
                'user_events = "*"',
                'system_events = ["connect", "connected", "disconnected"]',
            ]
            if self.presence:
                lines.append('presence_events = ["joined", "left"]')
                lines.append(f"presence_groups = {json.dumps(self.presence)}")
        return "\n".join([*lines, ""])


class GatewayActor(Part):
    """Starts one process and ends it."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None

    def on_receive(self, message: Start | Halt | Done) -> None:
        """Start or end the process."""
        match message:
            case Start(answer=answer):
                self.work(self._start(), answer)
            case Halt(answer=answer):
                self.work(self._halt(), answer)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    async def _start(self) -> str:
        with self._setup.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hubbub.transport",
                *self._setup.arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._setup.folder,
                env=self._setup.environment(),
            )
        try:
            async with asyncio.timeout(SECONDS):
                return await self._ready(self._process)
        except TimeoutError:
            raise GatewayError(f"not ready within {SECONDS:g} s") from None

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        if process.stdout is not None:
            async for line in process.stdout:
                if line.startswith(b"ready "):
                    return line.split()[1].decode()
        raise GatewayError(self._setup.log.read_text()[-1000:].strip())

    async def _halt(self) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            process.terminate()
        try:
            async with asyncio.timeout(SECONDS):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


class Gateway:
    """A running gateway as a story sees it: somewhere to connect to."""

    def __init__(self, name: str, endpoint: str, key: str) -> None:
        self.name = name
        self.endpoint = endpoint
        self._key = key

    @property
    def connection_string(self) -> str:
        """Where a server attaches, with the key."""
        return format_connection_string(self.endpoint, self._key)

    def client_url(
        self, user: str, roles: Sequence[str] | None = None, groups: Iterable[str] = ()
    ) -> str:
        """Sign a client's way in, an hour long.

        Args:
            user: The user id.
            roles: What the client may do; everything with groups when left out.
            groups: The groups it is in from the start.
        """
        token = mint(
            self._key,
            audience=client_audience_url(self.endpoint, HUB),
            now=time.time(),
            lifetime=_HOUR,
            user_id=user,
            roles=_ROLES if roles is None else roles,
            groups=groups,
        )
        return client_url(self.endpoint, HUB, token)


def _place(kind: type[Any]) -> tuple[str, str | None]:
    """Say where a class is imported from: ``module:Class``, and in which folder."""
    name = kind.__qualname__
    if kind.__module__.startswith("hubbub."):
        return f"{kind.__module__}:{name}", None
    file = Path(inspect.getfile(kind)).resolve()
    return f"{file.stem}:{name}", str(file.parent)
