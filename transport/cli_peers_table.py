"""Draws a mesh for people: one table where it fits, else two under each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hubbub.actors.messages.mesh import LinkState
from hubbub.transport.cli_output import out, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hubbub.actors.messages.mesh import MeshView, PeerView

_STYLES: Final = {
    LinkState.UP: "green",
    LinkState.GREETING: "yellow",
    LinkState.REFUSED: "red",
}
_WIDEST: Final = 10_000
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_EXACT: Final = 10
"""Seconds below which a tenth matters."""


class _Column(NamedTuple):
    """A heading, and what stands below it for a peer."""

    name: str
    of: Callable[[PeerView], Text]
    justify: Literal["left", "right"] = "right"


def print_mesh(view: MeshView) -> None:
    """Print a line about the gateway that was asked, and its peers."""
    out.print(Text(headline(view)), soft_wrap=True)
    if not view.peers:
        return
    whole = _table(view.peers, (_WHO, *_LINK, *_TRAFFIC))
    unbounded = out.options.update(width=_WIDEST)
    fits = Measurement.get(out, unbounded, whole).maximum <= out.width
    parts = ((_WHO, *_LINK), (_WHO, *_TRAFFIC))
    for table in [whole] if fits else [_table(view.peers, part) for part in parts]:
        out.print()
        out.print(table)
    troubled = [peer for peer in view.peers if peer.trouble]
    if troubled:
        out.print()
    for peer in troubled:
        out.print(_trouble(peer), soft_wrap=True)


def headline(view: MeshView) -> str:
    """Say who was asked, and how its mesh is."""
    who = f"gateway {visible(view.gateway)}"
    if view.worker:
        who += f" (worker {visible(view.worker)})"
    if not view.endpoint:
        return f"{who} has no mesh: it serves alone"
    who += f" at {visible(view.endpoint)}, cluster {visible(view.cluster)}"
    if not view.peers:
        return f"{who}: no peers yet"
    up = sum(peer.state is LinkState.UP for peer in view.peers)
    return f"{who}: {up} of {len(view.peers)} peers up"


def duration(seconds: float) -> str:
    """Write a time for people, in its two largest units."""
    if seconds <= 0:
        return "-"
    if seconds < _EXACT:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def _trouble(peer: PeerView) -> Text:
    style = _STYLES[peer.state]
    return Text.assemble((visible(peer.endpoint), style), f": {visible(peer.trouble)}")


def _table(peers: Sequence[PeerView], columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        # An endpoint may be long; it is never cut, for it is copied.
        if column is _WHO:
            table.add_column(column.name, overflow="fold")
        else:
            table.add_column(column.name, justify=column.justify, no_wrap=True)
    for peer in peers:
        table.add_row(*(column.of(peer) for column in columns))
    return table


def _count(number: int, style: str = "") -> Text:
    return Text(f"{number:,}", style=style if number else "")


_WHO: Final = _Column("peer", lambda peer: Text(visible(peer.endpoint)), justify="left")
_LINK: Final = (
    _Column("gateway", lambda peer: Text(visible(peer.gateway) or "-"), justify="left"),
    _Column(
        "state",
        lambda peer: Text(peer.state, style=_STYLES[peer.state]),
        justify="left",
    ),
    _Column("epoch", lambda peer: _count(peer.epoch)),
    _Column("age", lambda peer: Text(duration(peer.age))),
    _Column("silent", lambda peer: Text(duration(peer.silent))),
)
_TRAFFIC: Final = (
    _Column("queued", lambda peer: _count(peer.queued, "yellow")),
    _Column("relayed", lambda peer: _count(peer.relayed)),
    _Column("received", lambda peer: _count(peer.received)),
    _Column("resent", lambda peer: _count(peer.resent)),
    _Column("lost", lambda peer: _count(peer.lost, "red")),
)
