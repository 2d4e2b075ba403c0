"""`python -m hubbub.transport.bench`: the workloads on hubbub and on its peers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hubbub.transport.bench.load import Result, Workload, measure
from hubbub.transport.wire.audience import client_audience_url
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKLOADS = (
    Workload("1 publisher to 1,000 members", 1, 1000, 16),
    Workload("round trips of 64 clients", 64, 1, 1),
    Workload("100 groups of 10", 100, 10, 16),
)
PEERS = ("uvloop", "websockets")
_KEY = "a-key-for-the-benchmark-and-nothing-else-0123"
_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


def main(
    seconds: Annotated[float, typer.Option(help="Seconds to measure each.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Rounds; the best counts.")] = 2,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Measure hubbub beside its peers: ratios of one run compare, figures do not."""
    spread = (os.cpu_count() or 1) > 1
    if spread:
        os.sched_setaffinity(0, {1})
    results: dict[str, dict[str, Result]] = {w.name: {} for w in WORKLOADS}
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(WORKLOADS) * 3)
        for _ in range(rounds):
            for name in ("hubbub", *PEERS):
                with _server(name, pinned=spread) as (port, url):
                    for workload in WORKLOADS:
                        progress.update(task, description=f"{name}: {workload.name}")
                        result = uvloop.run(
                            measure(workload, "127.0.0.1", port, url, seconds)
                        )
                        best = results[workload.name].get(name, result)
                        results[workload.name][name] = max(best, result)
                        progress.advance(task)
    if as_json:
        sys.stdout.write(msgspec.json.encode(results).decode() + "\n")
    else:
        Console().print(_table(results))


@contextlib.contextmanager
def _server(name: str, *, pinned: bool) -> Iterator[tuple[int, str]]:
    """Run a server as a process of its own, on the other core."""
    if name == "hubbub":
        arguments = ["hubbub.transport", "serve", "--port", "0", "--access-key", _KEY]
        arguments += ["--log-level", "warning"]
    else:
        arguments = ["hubbub.transport.bench.peers", name]
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if pinned:
            os.sched_setaffinity(process.pid, {0})
        port = _port(process)
        yield port, _url(port) if name == "hubbub" else "/"
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


def _url(port: int) -> str:
    token = mint(
        _KEY,
        audience=client_audience_url(f"http://127.0.0.1:{port}", "bench"),
        now=time.time(),
        lifetime=3600,
        user_id="bench",
        roles=_ROLES,
    )
    return f"/client/hubs/bench?access_token={token}"


def _table(results: dict[str, dict[str, Result]]) -> Table:
    table = Table(title="deliveries per second, the best of all rounds")
    table.add_column("workload")
    for name in ("hubbub", *PEERS):
        table.add_column(name, justify="right")
        if name != "hubbub":
            table.add_column(f"hubbub / {name}", justify="right")
    for workload, row in results.items():
        ours = row["hubbub"].deliveries_per_second
        cells = [workload, _shown(row["hubbub"])]
        for name in PEERS:
            ratio = ours / max(row[name].deliveries_per_second, 1)
            cells += [_shown(row[name]), f"{ratio:.2f}"]
        table.add_row(*cells)
    return table


def _shown(result: Result) -> str:
    lost = f" ({result.lost} lost)" if result.lost else ""
    return f"{result.deliveries_per_second:,.0f}{lost}"


if __name__ == "__main__":
    typer.run(main)
