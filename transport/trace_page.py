"""Traces as one page: a sequence diagram that opens from a file, without a network.

Puts what several gateways recorded, and what a story told meanwhile, on one time line.
What to draw is decided here, who appears in ``trace_cast``; how, in
``pages/trace.html``.
"""

from __future__ import annotations

import html
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.transport.trace_cast import Cast, Lifeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hubbub.transport.trace import Record, Trace

MOST_ROWS: Final = 5_000
"""Rows that are drawn; a browser is at ease with these."""
_TOGETHER: Final = 0.005
"""Seconds between pushes of one sender that make one row with several arrows."""


class Note(msgspec.Struct, frozen=True):
    """Something that was said beside the trace, at a time in seconds since 1970.

    ``mark`` is ``yes`` or ``no`` for what was expected, else empty.
    """

    time: float
    text: str
    mark: str = ""


class Row(msgspec.Struct, omit_defaults=True):
    """A message to one or several, or a note; ``time`` in ms since the first row."""

    time: float
    text: str
    detail: str = ""
    sender: int | None = None
    to: list[int] = []
    count: int = 1
    mark: str = ""


class Drawing(msgspec.Struct, frozen=True):
    """What the page draws."""

    lifelines: list[Lifeline]
    rows: list[Row]
    places: list[str]
    messages: int
    left_out: int
    end: str


def page(
    title: str,
    about: str,
    traces: Sequence[Trace],
    notes: Iterable[Note] = (),
    names: Mapping[str, str] | None = None,
    places: Sequence[str] = (),
) -> str:
    """Make the page.

    Args:
        title: What it shows.
        about: A text in lines that explains it.
        traces: What was recorded, by each gateway.
        notes: What was said meanwhile.
        names: What to call those that a gateway knows by an id.
        places: The gateway of each trace; the same where one came back. Without, they
            are numbered.
    """
    data = msgspec.json.encode(draw(traces, notes, names, places)).decode()
    template = files("hubbub.transport.pages").joinpath("trace.html").read_text()
    # The data last: it may hold whatever users say, the names of the places included.
    return (
        template.replace("[[title]]", html.escape(title))
        .replace("[[about]]", html.escape(about))
        .replace("[[data]]", data.replace("<", "\\u003c"))
    )


def draw(
    traces: Sequence[Trace],
    notes: Iterable[Note] = (),
    names: Mapping[str, str] | None = None,
    places: Sequence[str] = (),
) -> Drawing:
    """Decide on lifelines and rows."""
    told = [
        (trace.started + record.time, life, record)
        for life, trace in enumerate(traces)
        for record in trace.records
    ]
    told.sort(key=lambda entry: entry[0])
    numbered = [f"gateway {number}" for number in range(1, len(traces) + 1)]
    cast = Cast(places or numbered, names or {})
    rows = _Rows(cast)
    remarks = sorted(notes, key=lambda note: note.time)
    for time, life, record in told:
        while remarks and remarks[0].time <= time:
            rows.remark(remarks.pop(0))
        rows.add(time, life, record)
    for note in remarks:
        rows.remark(note)
    ends = [trace.end for trace in traces if trace.end and "full" in trace.end]
    lifelines, stand_ins = cast.lifelines()
    shown = rows.rows[:MOST_ROWS]
    for row in shown:
        if row.sender is not None:
            row.count = len(row.to)
            row.sender = stand_ins[row.sender]
            row.to = list(dict.fromkeys(stand_ins[number] for number in row.to))
    left_out = len(rows.rows) - len(shown)
    end = ends[0] if ends else ""
    return Drawing(lifelines, shown, cast.places, len(told), left_out, end)


class _Rows:
    """Rows in the making: pushes of one turn to several clients share one."""

    def __init__(self, cast: Cast) -> None:
        self.rows: list[Row] = []
        self._cast = cast
        self._began: float | None = None
        self._run: list[tuple[Row, set[int]]] = []
        self._run_key: tuple[int, float] | None = None

    def remark(self, note: Note) -> None:
        """Add a note."""
        self._run_key = None
        self.rows.append(Row(self._since(note.time), note.text, mark=note.mark))

    def add(self, time: float, life: int, record: Record) -> None:
        """Add a message, to a row of the same turn if it is the same for others."""
        sender, recipient = self._cast.meet(life, record)
        if not record.message.startswith("pushes."):
            self._run_key = None
        else:
            if self._is_over(sender, time):
                self._run = []
            self._run_key = (sender, time)
            for row, reached in self._run:
                same = (row.text, row.detail) == (record.message, record.detail)
                if same and recipient not in reached:
                    reached.add(recipient)
                    row.to.append(recipient)
                    return
        row = Row(self._since(time), record.message, record.detail, sender, [recipient])
        self.rows.append(row)
        self._run.append((row, {recipient}))

    def _is_over(self, sender: int, time: float) -> bool:
        return self._run_key is None or (
            sender != self._run_key[0] or time - self._run_key[1] > _TOGETHER
        )

    def _since(self, time: float) -> float:
        if self._began is None:
            self._began = time
        return round((time - self._began) * 1000, 3)
