"""`python -m hubbub.transport.bench.subprotocols`: fan-out, by what is spoken."""

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
    """Measure subprotocols in turn: ratios of one run compare, figures do not."""
    spread = (os.cpu_count() or 1) > 1
    if spread:
        os.sched_setaffinity(0, {1})
    best: dict[str, Outcome] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(SPOKEN))
        for _ in range(rounds):
            with server("hubbub", pinned=spread) as place:
                url = client_path(place.port)
                for spoken in SPOKEN:
                    progress.update(task, description=spoken.name)
                    work = measure_fan_out(place, url, spoken, members, seconds, size)
                    found = uvloop.run(work)
                    best[spoken.name] = max(best.get(spoken.name, found), found)
                    progress.advance(task)
    if as_json:
        sys.stdout.write(msgspec.json.encode(best).decode() + "\n")
    else:
        Console().print(_table(best, members))


def _table(best: dict[str, Outcome], members: int) -> Table:
    table = Table(
        title=f"1 publisher to {members:,} subscribers, the best of all rounds"
    )
    table.add_column("subprotocol of the subscribers", no_wrap=True)
    for name in ("deliveries/s", "ratio", "us of CPU", "lost"):
        table.add_column(name, justify="right")
    plain = best[SPOKEN[0].name].deliveries_per_second
    for name, one in best.items():
        rate = one.deliveries_per_second
        table.add_row(
            name,
            f"{rate:,.0f}",
            f"{rate / plain:.2f}",
            f"{one.cpu:.2f}",
            f"{one.lost:,}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
