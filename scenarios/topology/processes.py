"""The process of a gateway of a scene, kept by an actor: it starts, ends, and is asked.

Knows command lines, settings files and what a process says of its peers; what a story
makes of it, it does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never
from urllib.parse import urlsplit

import aiohttp
import msgspec

from hubbub.actors.messages.mesh import MeshView
from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB = "chat"
"""The hub that stories play in."""

STARTING = 60.0
"""Seconds that a process has until it is ready: the machine may be busy."""
PATIENCE = SECONDS
"""Seconds that peers have until they are as a story expects."""
_GLANCE = 0.05
"""Seconds between looks at the peers of a gateway."""
_MINUTE = 60.0


class GatewayError(Exception):
    """A gateway did not start, or does not do its part; the text says why."""


class Start(msgspec.Struct, frozen=True):
    """Start the process, again where it was before; answered with its endpoint."""

    answer: Reply[str]


class Halt(msgspec.Struct, frozen=True):
    """End the process as its operator would; answered with the exit status."""

    answer: Reply[int]


class Kill(msgspec.Struct, frozen=True):
    """End the process at once, as a crash would."""

    answer: Reply[int]


class Look(msgspec.Struct, frozen=True):
    """Look at its peers until they are good, or time is up; answered with the last."""

    good: Callable[[MeshView], bool]
    answer: Reply[MeshView]


ToGateway: TypeAlias = Start | Halt | Kill | Look | Done


class Classes(msgspec.Struct, frozen=True):
    """Classes of a story for the hub of its gateways; ``groups`` by pattern.

    ``presence``: patterns of groups whose members' coming and going the handlers hear
    of.
    """

    handlers: tuple[type, ...] = ()
    groups: tuple[tuple[str, type], ...] = ()
    actors: tuple[type, ...] = ()
    presence: tuple[str, ...] = ()

    def folders(self) -> Iterator[str]:
        """Give the folders that they are imported from."""
        grouped = (kind for _, kind in self.groups)
        for kind in (*self.handlers, *grouped, *self.actors):
            folder = _place(kind)[1]
            if folder is not None:
                yield folder

    def toml(self) -> str:
        """Say in a settings file where they are."""
        actors = json.dumps([_place(kind)[0] for kind in self.actors])
        groups = (
            f"{json.dumps(pattern)} = {json.dumps(_place(kind)[0])}"
            for pattern, kind in self.groups
        )
        lines = [f"[hubs.{HUB}]", f"actors = {actors}"]
        lines.append(f"groups = {{ {', '.join(groups)} }}")
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


class Setup(msgspec.Struct, frozen=True):
    """What a gateway is started with.

    Args:
        name: How it is called in the story.
        folder: Where its files are; nobody else's are there.
        key: Its access key.
        classes: What the story puts into it.
        traced: Whether it writes down what its actors tell each other.
        peered: Whether other gateways may be its peers.
        seeds: Where it looks for them.
    """

    name: str
    folder: Path
    key: str
    classes: Classes
    traced: bool = False
    peered: bool = False
    seeds: tuple[str, ...] = ()

    @property
    def peer(self) -> str:
        """Where its peers reach it: there, too, when it comes back."""
        return f"ipc://{self.folder / 'peer'}"

    @property
    def traces(self) -> list[Path]:
        """What it has written down, a file for each time that it was started."""
        return sorted(self.folder.glob("*.jsonl"))

    @property
    def log(self) -> Path:
        """Where it writes warnings and errors."""
        return self.folder / "gateway.log"

    def arguments(self, port: int, life: int) -> list[str]:
        """Make the command line, and the settings file it names.

        Args:
            port: Where it listens; 0 for a free port.
            life: How often it has been started.
        """
        file = self.folder / "hubbub.toml"
        file.write_text(self.classes.toml())
        line = ["serve", "--config", str(file), "--port", str(port), "--no-demo"]
        line += ["--log-level", "warning", "--log-format", "json"]
        if self.peered:
            line += ["--peer-listen", self.peer]
        if self.seeds:
            line += ["--peers", ",".join(self.seeds)]
        if self.traced:
            line += ["--trace", str(self.folder / f"{life:03}.jsonl")]
        return line

    def environment(self) -> dict[str, str]:
        """Let the process find the classes, and no settings but these."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        folders = dict.fromkeys(self.classes.folders())
        path = [*folders, *filter(None, [kept.get("PYTHONPATH")])]
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(path),
            "HUBBUB_ACCESS_KEY": self.key,
        }


class GatewayActor(Part):
    """Starts one process and ends it, as often as the story wants."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None
        self._life = 0
        self._endpoint = ""

    def on_receive(self, message: ToGateway) -> None:
        """Start or end the process, or ask it."""
        match message:
            case Start(answer=answer):
                self.work(self._start(), answer)
            case Halt(answer=answer):
                self.work(self._halt(), answer)
            case Kill(answer=answer):
                self.work(self._kill(), answer)
            case Look(good=good, answer=answer):
                self.work(self._look(good), answer)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    async def _start(self) -> str:
        self._life += 1
        port = urlsplit(self._endpoint).port or 0
        with self._setup.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hubbub.transport",
                *self._setup.arguments(port, self._life),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._setup.folder,
                env=self._setup.environment(),
            )
        try:
            async with asyncio.timeout(STARTING):
                self._endpoint = await self._ready(self._process)
        except TimeoutError:
            raise GatewayError(f"not ready within {STARTING:g} s") from None
        return self._endpoint

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
            return await self._kill()

    async def _kill(self) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            process.kill()
        return await process.wait()

    async def _look(self, good: Callable[[MeshView], bool]) -> MeshView:
        deadline = time.monotonic() + PATIENCE
        patience = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=patience) as http:
            while True:
                view = await self._peers(http)
                if good(view) or time.monotonic() > deadline:
                    return view
                await asyncio.sleep(_GLANCE)

    async def _peers(self, http: aiohttp.ClientSession) -> MeshView:
        """Ask what ``hubbub peers`` asks."""
        url = f"{self._endpoint}/api/peers"
        key = self._setup.key
        token = mint(key, audience=url, now=time.time(), lifetime=_MINUTE)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with http.get(url, headers=headers) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read(), type=MeshView)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            said = f"{self._setup.name} does not tell its peers: {error!r}"
            raise GatewayError(said) from error


def _place(kind: type[Any]) -> tuple[str, str | None]:
    """Say where a class is imported from: ``module:Class``, and in which folder."""
    name = kind.__qualname__
    if kind.__module__.startswith("hubbub."):
        return f"{kind.__module__}:{name}", None
    file = Path(inspect.getfile(kind)).resolve()
    return f"{file.stem}:{name}", str(file.parent)
