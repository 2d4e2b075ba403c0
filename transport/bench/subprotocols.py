"""`python -m hubbub.transport.bench.subprotocols`: fan-out, by what is spoken."""

from __future__ import annotations

import os
import sys
from operator import truediv
from statistics import median
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hubbub.transport.bench.fan_out import SPOKEN, Outcome, measure_fan_out
from hubbub.transport.bench.servers import client_path, server


def main(
    seconds: Annotated[float, typer.Option(help="Seconds to measure each.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Rounds; the best counts.")] = 3,
    members: Annotated[int, typer.Option(help="Subscribers.")] = 1000,
    size: Annotated[int, typer.Option(help="Characters of a message.")] = 128,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Measure subprotocols in turn: ratios of one run compare, figures do not.

    The ratio to plain JSON is the median of those of the rounds.
    """
    spread = (os.cpu_count() or 1) > 1
    if spread:
        os.sched_setaffinity(0, {1})
    found: dict[str, list[Outcome]] = {spoken.name: [] for spoken in SPOKEN}
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(SPOKEN))
        for _ in range(rounds):
            with server("hubbub", pinned=spread) as place:
                url = client_path(place.port)
                for spoken in SPOKEN:
                    progress.update(task, description=spoken.name)
                    work = measure_fan_out(place, url, spoken, members, seconds, size)
                    found[spoken.name].append(uvloop.run(work))
                    progress.advance(task)
    if as_json:
        best = {name: max(outcomes) for name, outcomes in found.items()}
        sys.stdout.write(msgspec.json.encode(best).decode() + "\n")
    else:
        Console().print(_table(found, members))


def _table(found: dict[str, list[Outcome]], members: int) -> Table:
    table = Table(
        title=f"1 publisher to {members:,} subscribers, the best of all rounds"
    )
    table.add_column("subprotocol of the subscribers", no_wrap=True)
    for name in ("deliveries/s", "ratio", "us of CPU", "lost"):
        table.add_column(name, justify="right")
    plain = [one.deliveries_per_second for one in found[SPOKEN[0].name]]
    for name, outcomes in found.items():
        rates = [one.deliveries_per_second for one in outcomes]
        ratio = median(map(truediv, rates, plain))
        cpu = min(one.cpu for one in outcomes)
        lost = sum(one.lost for one in outcomes)
        table.add_row(
            name, f"{max(rates):,.0f}", f"{ratio:.2f}", f"{cpu:.2f}", f"{lost:,}"
        )
    return table


if __name__ == "__main__":
    typer.run(main)
