"""The servers of a benchmark, each a process of its own on a core of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hubbub.transport.wire.audience import client_audience_url
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "a-key-for-the-benchmark-and-nothing-else-0123"
_ROLES: Final = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


class Place(NamedTuple):
    """Where a server listens, and the process it is."""

    port: int
    pid: int

    def cpu_seconds(self) -> float | None:
        """Give the processor time it has used; None where the system does not say."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
        except OSError:
            return None
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def server(name: str, *arguments: str, pinned: bool) -> Iterator[Place]:
    """Run ``hubbub``, or a peer by its name."""
    if name == "hubbub":
        command = ["hubbub.transport", "serve", "--port", "0", "--access-key", KEY]
        command += ["--log-level", "warning", *arguments]
    else:
        command = ["hubbub.transport.bench.peers", name]
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if pinned:
            os.sched_setaffinity(process.pid, {0})
        yield Place(_port(process), process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _port(process: subprocess.Popen[str]) -> int:
    """Read the port from a server's first words."""
    for line in process.stdout or ():
        words = line.rstrip("/\n").rsplit(":", 1)
        if words[-1].isdigit():
            return int(words[-1])
    raise RuntimeError("the server did not start")


def client_path(port: int) -> str:
    """Give path and query with which a client of the benchmark connects."""
    token = mint(
        KEY,
        audience=client_audience_url(f"http://127.0.0.1:{port}", "bench"),
        now=time.time(),
        lifetime=3600,
        user_id="bench",
        roles=_ROLES,
    )
    return f"/client/hubs/bench?access_token={token}"
