"""The page about deploying servers: its program, run and replaced as it says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.bare_server import client
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from support.official import Bystander

PAGE = (
    Path(__file__).parents[1]
    / "docs"
    / "howto"
    / "deploy-servers-without-losing-events.md"
)
SECONDS = 20.0
FILES = dict(
    re.findall(
        r'^```\w+ title="([^"]+)"\n(.*?)^```$',
        PAGE.read_text(),
        re.MULTILINE | re.DOTALL,
    )
)


class Server:
    """The program of the page, as a process."""

    def __init__(self, folder: Path, gateway: GatewayProcess) -> None:
        self._folder = folder
        self._place = {"HUBBUB_CONNECTION_STRING": gateway.connection_string}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "server.py",
            cwd=self._folder,
            env={**os.environ, **self._place},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            assert await process.stdout.readline() == b"attached\n"

    async def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            return await self._process.wait()

    def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def keep_ordering(
    asker: Bystander, answers: asyncio.Queue[str], enough: asyncio.Event
) -> None:
    """Send order after order, and tell who did each; all must succeed."""
    while not enough.is_set():
        ack = await asker.request(type="event", event="order.new", data=1)
        assert ack["success"], ack
        answers.put_nowait(await asker.data())


async def test_clients_notice_nothing_of_a_deploy(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    config = str(tmp_path / "hubbub.toml")
    with GatewayProcess("--config", config) as gateway:
        old, new, last = (Server(tmp_path, gateway) for _ in range(3))
        arriving = client(gateway, "chat", "early")
        waiting = asyncio.create_task(arriving.__aenter__())
        try:
            await old.start()
            await waiting  # it came before any server, and had to wait
            clients = [client(gateway, "chat", f"u{number}") for number in range(5)]
            for one in clients:
                await one.__aenter__()
            answers: asyncio.Queue[str] = asyncio.Queue()
            enough = asyncio.Event()
            seen = set()
            async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
                for one in clients:
                    group.create_task(keep_ordering(one, answers, enough))
                await new.start()
                assert await old.stop() == 0
                assert await new.stop() == 0  # for a moment there is none
                await last.start()
                while (answer := await answers.get()) != f"done by {last.pid}":
                    seen.add(answer)
                enough.set()
            assert f"done by {old.pid}" in seen
            assert seen <= {f"done by {server.pid}" for server in (old, new)}
            for one in (arriving, *clients):
                await one.__aexit__(None, None, None)
        finally:
            waiting.cancel()
            for server in (old, new, last):
                server.end()
