"""A gateway of several processes: which they are, and which of them serves whom."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from support.gateway import GatewayProcess
from support.raw import EVERYTHING, JSON, RawClient, target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

SECONDS = 20.0
MOST_CLIENTS = 200
"""Enough to find a client at every worker, but for one run in 2 to the power of 199."""


class Crew(GatewayProcess):
    """``hubbub serve --workers N``, two unless said otherwise."""

    def __init__(
        self,
        *arguments: str,
        count: int = 2,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(*arguments, environment=environment, workers=count)
        self.count = count

    def pids(self) -> list[int]:
        """Give the process of each worker, as the log names the last."""
        found = dict(re.findall(r"worker (\d+) is process (\d+)", self.log))
        return [int(found[str(worker)]) for worker in range(self.count)]

    def await_pid(self, worker: int, old: int) -> int:
        """Wait until a worker is another process than before."""
        awaited(lambda: self.pids()[worker] != old)
        return self.pids()[worker]


class Spread:
    """Clients until every worker has one; use it as a context."""

    def __init__(self, crew: Crew, hub: str = "chat") -> None:
        self._crew = crew
        self._hub = hub
        self._stack = ExitStack()
        self.clients: dict[str, list[RawClient]] = {}
        """By the id of the gateway that serves them: each worker is one."""

    def __enter__(self) -> dict[str, list[RawClient]]:
        with self._stack:
            for _ in range(MOST_CLIENTS):
                if len(self.clients) == self._crew.count:
                    self._stack = self._stack.pop_all()
                    return self.clients
                gateway, client = join(self._crew, self._hub)
                self._stack.callback(client.socket.close)
                self.clients.setdefault(gateway, []).append(client)
        raise AssertionError(f"all clients are at {list(self.clients)}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def join(crew: Crew, hub: str = "chat") -> tuple[str, RawClient]:
    """Connect a client; gives the id of the gateway that serves it, too."""
    client = RawClient(crew)
    wanted = target(crew, hub, role=EVERYTHING)
    answer = client.upgrade(wanted, protocol=JSON)
    assert answer.status == 101, answer
    connected = client.message()
    assert connected["event"] == "connected"
    return connected["connectionId"][:8], client


def alive(pid: int) -> bool:
    """Tell whether there is such a process, and it has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def awaited(done: Callable[[], bool]) -> None:
    """Wait until a function says yes."""
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sockets_of(folder: Path) -> list[Path]:
    """Give the folders that gateways have made in a folder for temporary files."""
    return [path for path in folder.glob("hubbub-*") if path.is_dir()]


def command_of(pid: int) -> str:
    """Give the command line of a process, as any user of the machine sees it."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
