"""The gateways of the mesh benchmark: processes, what they use, whom they link."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.messages.mesh import LinkState, MeshView
from hubbub.transport.bench.servers import KEY
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PATIENCE = 60.0
"""Seconds until gateways that do not come up, or do not link up, are given up."""
_NANO = 1e9


class Gateway:
    """A gateway of the benchmark; a supervisor counts as the workers it looks after.

    Args:
        process: What was started.
        port: Where clients come in.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._own = process.pid
        self._workers = _children(process.pid)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that serve: one, or the workers."""
        return self._workers or (self._own,)

    def cpu(self) -> tuple[float, ...]:
        """Give the seconds of processor time that each process has used."""
        return tuple(map(_cpu_seconds, self.pids))

    def memory(self) -> int:
        """Give the bytes of resident memory of all processes."""
        return sum(map(_resident, self.pids))

    def files(self) -> int:
        """Count the open files of all processes."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids)


@contextlib.contextmanager
def gateways(
    starts: Sequence[Sequence[str]], cores: Sequence[int | None] = ()
) -> Iterator[list[Gateway]]:
    """Run gateways that know nothing of each other, unless their arguments say so.

    Args:
        starts: The arguments of each.
        cores: The core of each; None or none leaves it to the system.
    """
    with contextlib.ExitStack() as ends:
        processes = []
        for number, arguments in enumerate(starts):
            process = _start(arguments)
            ends.callback(process.wait, 20)
            ends.callback(process.terminate)
            core = cores[number] if number < len(cores) else None
            if core is not None and core < (os.cpu_count() or 1):
                # At once: threads that it starts later inherit it.
                os.sched_setaffinity(process.pid, {core})
            processes.append(process)
        yield [Gateway(process, _port(process)) for process in processes]


@contextlib.contextmanager
def meshed(
    counts: Iterable[int], cores: Sequence[int | None] = ()
) -> Iterator[list[list[Gateway]]]:
    """Run several services beside each other, each of so many linked gateways.

    Args:
        counts: The gateways of each; a single one has no mesh at all.
        cores: The core of each gateway, in order.
    """
    with contextlib.ExitStack() as ends:
        services, begun = [], 0
        for count in counts:
            own = cores[begun : begun + count]
            services.append(ends.enter_context(_service(count, own)))
            begun += count
        for service in services:
            _await_links(service)
        yield services


@contextlib.contextmanager
def _service(count: int, cores: Sequence[int | None]) -> Iterator[list[Gateway]]:
    """Run so many gateways; the first is the seed of the others."""
    listening = () if count == 1 else ("--peer-listen", "tcp://127.0.0.1:0")
    with gateways([listening], cores) as first:
        seed = _view(first[0]).endpoint
        others = [(*listening, "--peers", seed)] * (count - 1)
        with gateways(others, cores[1:]) as rest:
            yield [*first, *rest]


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hubbub.transport", "serve", "--port", "0"]
    command += ["--access-key", KEY, "--log-level", "warning", *arguments]
    return subprocess.Popen(  # noqa: S603 - our own module
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _port(process: subprocess.Popen[str]) -> int:
    """Read the port from the line that says that it is ready."""
    for line in process.stdout or ():
        if line.startswith("ready "):
            return int(line.rstrip("/\n").rpartition(":")[2])
    raise RuntimeError("a gateway did not start")


def _await_links(service: Sequence[Gateway]) -> None:
    """Wait until each gateway says that it has a link to every other."""
    end = time.monotonic() + _PATIENCE
    for gateway in service:
        while len(service) > 1 and _links(gateway) < len(service) - 1:
            if time.monotonic() > end:
                raise RuntimeError("the gateways did not link up")
            time.sleep(0.1)


def _links(gateway: Gateway) -> int:
    return sum(peer.state is LinkState.UP for peer in _view(gateway).peers)


def _view(gateway: Gateway) -> MeshView:
    """Ask a gateway what it sees of its mesh."""
    path = "/api/peers"
    audience = f"http://127.0.0.1:{gateway.port}{path}"
    token = mint(KEY, audience=audience, now=time.time(), lifetime=60)
    asked = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=_PATIENCE)
    with contextlib.closing(asked):
        asked.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return msgspec.json.decode(asked.getresponse().read(), type=MeshView)


# What a process uses, as Linux tells it.


def _children(pid: int) -> tuple[int, ...]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = [(task / "children").read_text().split() for task in tasks]
    except OSError:
        return ()
    return tuple(int(child) for children in found for child in children)


def _cpu_seconds(pid: int) -> float:
    """Sum the threads: the nanoseconds of ``schedstat`` beat the ticks of ``stat``."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            used += int((task / "schedstat").read_text().split()[0])
    return used / _NANO


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
