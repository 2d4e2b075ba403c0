"""One client publishes to many, and the story measures how long it takes.

    ann --100 messages--> gateway --group news--> 100 clients: 10,000 deliveries

Run it: `hubbub scenarios fan_out`
"""

import time
from bisect import bisect_left
from collections import Counter
from statistics import quantiles

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from hubbub.scenarios.topology import Scene, run

CLIENTS, MESSAGES = 100, 100
DELIVERIES = CLIENTS * MESSAGES
EDGES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
"""Milliseconds that bound the bars of the histogram."""


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    ann = scene.client("ann", gateway)
    crowd = scene.crowd(CLIENTS, gateway, group="news")

    scene.step(f"{DELIVERIES:,} deliveries, one message after the other")
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=scene.teller.console) as progress:
        bar = progress.add_task("", total=DELIVERIES)
        for number in range(1, MESSAGES + 1):
            ann.sends("news", {"n": number, "at": time.perf_counter()})
            progress.update(bar, completed=len(crowd.has_heard(number * CLIENTS)))
    latencies = crowd.has_heard(DELIVERIES)
    scene.expect("the number of deliveries", len(latencies), DELIVERIES)

    scene.step("From the publisher's call to the reader's hands")
    milliseconds = [latency * 1000 for latency in latencies]
    scene.teller.show(histogram(milliseconds))
    percentiles = quantiles(milliseconds, n=100)
    half, slow = percentiles[49], percentiles[98]
    scene.teller.does("latency", f"p50 {half:.1f} ms, p99 {slow:.1f} ms")


def histogram(milliseconds: list[float]) -> Table:
    """Draw how many took how long."""
    counts = Counter(bisect_left(EDGES, latency) for latency in milliseconds)
    table = Table(box=None, show_header=False)
    for place in range(min(counts), max(counts) + 1):
        limit = f"up to {EDGES[place]} ms" if place < len(EDGES) else "longer"
        width = round(50 * counts[place] / max(counts.values()))
        table.add_row(limit, "█" * width, f"{counts[place]:,}")
    return table


if __name__ == "__main__":
    raise SystemExit(run(story))
