"""`python -m hubbub.transport.bench`: the workloads on hubbub and on its peers."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hubbub.transport.bench.load import Result, Workload, measure
from hubbub.transport.bench.servers import client_path, server

WORKLOADS = (
    Workload("1 publisher to 1,000 members", 1, 1000, 16),
    Workload("round trips of 64 clients", 64, 1, 1),
    Workload("100 groups of 10", 100, 10, 16),
)
PEERS = ("uvloop", "websockets")


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
                with server(name, pinned=spread) as place:
                    port = place.port
                    url = client_path(port) if name == "hubbub" else "/"
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
