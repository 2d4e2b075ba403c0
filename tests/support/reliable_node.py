"""Official JavaScript clients with their default, reliable protocol: reliable.mjs."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from support.official import NODE
from support.storm import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

SECONDS: Final = 30.0
LONGEST_LINE: Final = 1 << 26


class Story(NamedTuple):
    """What one client has seen."""

    heard: list[Heard]
    connected: list[str]
    disconnected: list[str | None]


class NodeListeners:
    """A process of Node with a client for each URL.

    Args:
        urls: Where the clients connect to, and with what token.
        heard: Called with the place of a client and how much it has heard.
    """

    def __init__(self, urls: Sequence[str], heard: Callable[[int, int], None]) -> None:
        self._urls = list(urls)
        self._note = heard
        self.ids: list[str] = []
        """The connection id of each client at first."""
        self._stories: asyncio.Future[list[Any]] = asyncio.Future()
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "reliable.mjs",
            cwd=NODE,
            env={**os.environ, "URLS": json.dumps(self._urls)},
            stdin=pipe,
            stdout=pipe,
            limit=LONGEST_LINE,
        )
        async with asyncio.timeout(SECONDS):
            self.ids = (await self._line())["ready"]
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def stories(self) -> list[Story]:
        """End the clients, and give what each has seen."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(SECONDS):
            stories = await self._stories
        return [
            Story(
                [Heard(*one) for one in story["heard"]],
                story["connected"],
                story["disconnected"],
            )
            for story in stories
        ]

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return line

    async def _read(self) -> None:
        while "stories" not in (line := await self._line()):
            self._note(line["place"], line["heard"])
        self._stories.set_result(line["stories"])
