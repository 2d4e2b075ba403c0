"""``python -m hubbub.transport.bench.mesh``: what many gateways cost, what they give.

Whatever is compared takes turns, a second each, so that a machine whose speed changes
changes it for both. Processor times are those of the gateways, so a load that shares
their cores slows them but is not counted.
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
import time
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich.console import Console, JustifyMethod
from rich.progress import Progress
from rich.table import Table

from hubbub.transport.bench import mesh_growth, mesh_keys, mesh_parts
from hubbub.transport.bench.mesh_measures import Figures, Options

_PARTS: Final = {**mesh_parts.PARTS, **mesh_growth.PARTS, **mesh_keys.PARTS}
_PINNED: Final = frozenset({"local", "relays", "workers", "keys"})
"""Parts whose load keeps to the second core."""
_FULL: Final = 100


class Part(enum.StrEnum):
    """What can be measured."""

    LOCAL = "local"
    WIRE = "wire"
    RELAYS = "relays"
    WORKERS = "workers"
    GROWTH = "growth"
    KEYS = "keys"
    TABLE = "table"


def main(
    seconds: Annotated[float, typer.Option(help="Seconds of a turn.")] = 1.0,
    rounds: Annotated[int, typer.Option(help="Rounds; the best counts.")] = 3,
    members: Annotated[int, typer.Option(help="Members of a wide group.")] = 1000,
    most: Annotated[int, typer.Option(help="Gateways at most.")] = 16,
    keys: Annotated[int, typer.Option(help="Groups joined at a peer.")] = 20_000,
    part: Annotated[
        list[Part] | None, typer.Option(help="A part alone; may be repeated.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Measure gateways that are linked, beside gateways that stand alone.

    Ratios of one run compare, figures of two runs do not.
    """
    cores = set(range(os.cpu_count() or 1))
    found: dict[str, Figures] = {}
    chosen = part or list(Part)
    speeds = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(chosen))

        def advance() -> None:
            speeds.append(_speed())
            progress.advance(task)

        options = Options(seconds, rounds, members, most, keys, advance)
        for name in chosen:
            progress.update(task, description=name)
            os.sched_setaffinity(0, cores & {1} if name in _PINNED else cores)
            found[name] = uvloop.run(_measure(name, options))
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    console = Console()
    for figures in found.values():
        console.print(_table(figures))
    varied = max(speeds) / min(speeds)
    console.print(f"the same work took up to {varied:.1f} times as long meanwhile")


async def _measure(name: str, options: Options) -> Figures:
    found: Figures = await _PARTS[name](options)
    await asyncio.sleep(0)  # the loop closes what was aborted
    return found


def _speed() -> float:
    """Give the processor seconds of a piece of work: how fast the machine is now."""
    began = time.process_time()
    sum(range(1_000_000))
    return time.process_time() - began


def _table(figures: Figures) -> Table:
    lost = f" ({figures.lost} lost)" if figures.lost else ""
    table = Table(title=figures.title + lost)
    for number, column in enumerate(figures.rows[0]):
        side: JustifyMethod = "right" if number else "left"
        table.add_column(column, justify=side, overflow="fold")
    for row in figures.rows:
        table.add_row(*map(_shown, row.values()))
    return table


def _shown(value: str | float) -> str:
    match value:
        case float() if value < _FULL:
            return f"{value:.3g}"
        case int() | float():
            return f"{value:,.0f}"
        case _:
            return value


if __name__ == "__main__":
    typer.run(main)
