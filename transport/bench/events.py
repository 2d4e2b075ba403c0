"""``python -m hubbub.transport.bench.events``: what an event costs, by its handler.

A client sends an event, the handler answers with its text, the client has it: one
round trip. Gateway and load are pinned to a core each; attached servers and webhooks
are on the load's core, as lean as Python allows.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hubbub.transport.bench import applications
from hubbub.transport.bench.load import measure_events
from hubbub.transport.bench.servers import KEY, client_path, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Application: TypeAlias = Callable[[int], AsyncIterator[None]]


class Form(NamedTuple):
    """One kind of handler: the gateway's arguments, and what stands outside."""

    name: str
    arguments: tuple[str, ...] = ()
    application: Application | None = None


class Figure(NamedTuple):
    """What many clients got, in events a second, and one client's median in us."""

    events_per_second: float
    per_core: float
    """Events a second of the gateway's processor time."""
    median: float


async def _nothing(_port: int) -> AsyncIterator[None]:
    yield


def _forms(listener: socket.socket) -> tuple[Form, ...]:
    module, port = "hubbub.transport.bench.handlers", listener.getsockname()[1]
    attached = partial(_attach, subprotocol=applications.CBOR_NAME)
    readable = partial(_attach, subprotocol=applications.JSON_NAME)
    return (
        Form("in-process, on the loop", ("--handler", f"bench={module}:Loop")),
        Form("in-process, in a thread", ("--handler", f"bench={module}:Thread")),
        Form("attached, CBOR", (), attached),
        Form("attached, JSON", (), readable),
        Form(
            "webhook",
            ("--handler", f"bench=http://127.0.0.1:{port}/"),
            lambda _: applications.answer_webhooks(listener.dup()),
        ),
    )


def _attach(port: int, subprotocol: str) -> AsyncIterator[None]:
    return applications.attach(port, KEY, subprotocol)


def main(
    seconds: Annotated[float, typer.Option(help="Seconds to measure each.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Rounds; the best counts.")] = 2,
    clients: Annotated[int, typer.Option(help="Clients of the throughput.")] = 64,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Measure events per second and round trip, beside a server that only echoes.

    The clients share a core with attached servers and webhooks and may be the bound.
    What the gateway could do is in the column per core: events by its processor time.
    """
    spread = (os.cpu_count() or 1) > 1
    if spread:
        os.sched_setaffinity(0, {1})
    listener = socket.create_server(("127.0.0.1", 0))
    forms = (*_forms(listener), Form("bare uvloop echo"))
    figures: dict[str, Figure] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(forms))
        for _ in range(rounds):
            for form in forms:
                progress.update(task, description=form.name)
                found = uvloop.run(_measure(form, seconds, clients, pinned=spread))
                best = figures.get(form.name, found)
                figures[form.name] = Figure(
                    max(best.events_per_second, found.events_per_second),
                    max(best.per_core, found.per_core),
                    min(best.median, found.median),
                )
                progress.advance(task)
    if as_json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        Console().print(_table(figures, clients))


async def _measure(form: Form, seconds: float, clients: int, *, pinned: bool) -> Figure:
    bare = form.name.startswith("bare")
    name = "uvloop" if bare else "hubbub"
    with server(name, *form.arguments, pinned=pinned) as place:
        path = "/" if bare else client_path(place.port)
        application = asynccontextmanager(form.application or _nothing)
        async with application(place.port):
            many = await measure_events(place, path, clients, seconds)
            one = await measure_events(place, path, 1, seconds)
    return Figure(many.rate, many.per_core or 0.0, one.median * 1e6)


def _table(figures: dict[str, Figure], clients: int) -> Table:
    table = Table(title="client event, handler's answer, client: round trips")
    table.add_column("handler")
    table.add_column(f"events/s, {clients} clients", justify="right")
    table.add_column("per gateway core", justify="right")
    table.add_column("/ bare", justify="right")
    table.add_column("p50, 1 client", justify="right")
    bare = figures["bare uvloop echo"].per_core
    for name, (rate, per_core, median) in figures.items():
        ratio = f"{per_core / max(bare, 1):.2f}"
        table.add_row(
            name, f"{rate:,.0f}", f"{per_core:,.0f}", ratio, f"{median:,.0f} us"
        )
    return table


if __name__ == "__main__":
    typer.run(main)
