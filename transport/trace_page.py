"""Traces as one page: a sequence diagram that opens from a file, without a network.

Puts what several gateways recorded, and what a story told meanwhile, on one time line.
What to draw is decided here; how, in ``pages/trace.html``.
"""

from __future__ import annotations

import html
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.transport.trace_details import short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hubbub.transport.trace import Record, Trace

MOST_ROWS: Final = 5_000
"""Rows that are drawn; a browser is at ease with these."""
_TOGETHER: Final = 0.005
"""Seconds between pushes of one sender that make one row with several arrows."""
_KEPT: Final = 4
"""Lifelines of a kind that has too many, before the rest share one."""
_MANY: Final = 12
"""Lifelines that a kind may have."""


class Note(msgspec.Struct, frozen=True):
    """Something that was said beside the trace, at a time in seconds since 1970.

    ``mark`` is ``yes`` or ``no`` for what was expected, else empty.
    """

    time: float
    text: str
    mark: str = ""


class Lifeline(msgspec.Struct, frozen=True):
    """Someone who sends or gets messages; several when ``count`` says so."""

    id: int
    kind: str
    name: str
    count: int = 1


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
    messages: int
    left_out: int
    end: str


def page(
    title: str,
    about: str,
    traces: Sequence[Trace],
    notes: Iterable[Note] = (),
    names: Mapping[str, str] | None = None,
) -> str:
    """Make the page.

    Args:
        title: What it shows.
        about: A text in lines that explains it.
        traces: What was recorded, by each gateway.
        notes: What was said meanwhile.
        names: What to call those that a gateway knows by an id.
    """
    data = msgspec.json.encode(draw(traces, notes, names)).decode()
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
) -> Drawing:
    """Decide on lifelines and rows."""
    told = [
        (trace.started + record.time, gateway, record)
        for gateway, trace in enumerate(traces)
        for record in trace.records
    ]
    told.sort(key=lambda entry: entry[0])
    known = {short_id(one): name for one, name in (names or {}).items()}
    cast = _Cast(len(traces) > 1, known)
    rows = _Rows(cast)
    remarks = sorted(notes, key=lambda note: note.time)
    for time, gateway, record in told:
        while remarks and remarks[0].time <= time:
            rows.remark(remarks.pop(0))
        rows.add(time, gateway, record)
    for note in remarks:
        rows.remark(note)
    ends = [trace.end for trace in traces if trace.end and "full" in trace.end]
    return cast.drawing(rows.rows, len(told), ends[0] if ends else "")


class _Rows:
    """Rows in the making: pushes of one turn to several clients share one."""

    def __init__(self, cast: _Cast) -> None:
        self.rows: list[Row] = []
        self._cast = cast
        self._began: float | None = None
        self._run: list[tuple[Row, set[int]]] = []
        self._run_key: tuple[int, float] | None = None

    def remark(self, note: Note) -> None:
        """Add a note."""
        self._run_key = None
        self.rows.append(Row(self._since(note.time), note.text, mark=note.mark))

    def add(self, time: float, gateway: int, record: Record) -> None:
        """Add a message, to a row of the same turn if it is the same for others."""
        sender, recipient = self._cast.meet(gateway, record)
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


class _Cast:
    """Who appears; names are the last by which they were known.

    Kinds stand in the order of their first appearance, and who is of a kind stands
    together: so most arrows are short.
    """

    def __init__(self, several: bool, known: Mapping[str, str]) -> None:
        self._several = several
        self._known = known
        self._numbers: dict[tuple[int, int], int] = {}
        self._names: list[tuple[str, str]] = []

    def meet(self, gateway: int, record: Record) -> tuple[int, int]:
        """Give the numbers of sender and recipient."""
        sender, recipient = (
            self._number(gateway, *party)
            for party in zip(
                record.ids,
                record.kinds,
                (record.sender, record.recipient),
                strict=True,
            )
        )
        return sender, recipient

    def drawing(self, rows: list[Row], messages: int, end: str) -> Drawing:
        """Give lifelines to all; late ones of a numerous kind share one."""
        kinds = Counter(kind for kind, _ in self._names)
        seen: Counter[str] = Counter()
        names: Counter[tuple[str, str]] = Counter()
        shared: dict[str, int] = {}
        places: list[int] = []
        lifelines: list[Lifeline] = []
        for number, (kind, name) in enumerate(self._names):
            seen[kind] += 1
            names[kind, name] += 1
            if kinds[kind] > _MANY and seen[kind] > _KEPT:
                rest = kinds[kind] - _KEPT
                if kind not in shared:
                    shared[kind] = number
                    lifelines.append(Lifeline(number, kind, f"{rest} more", rest))
                places.append(shared[kind])
                continue
            nth = names[kind, name]
            label = name if nth == 1 else f"{name} ({nth})"
            lifelines.append(Lifeline(number, kind, label))
            places.append(number)
        shown = rows[:MOST_ROWS]
        for row in shown:
            if row.sender is not None:
                row.count = len(row.to)
                row.sender = places[row.sender]
                row.to = list(dict.fromkeys(places[number] for number in row.to))
        order = {kind: place for place, kind in enumerate(kinds)}
        lifelines.sort(key=lambda one: order[one.kind])
        return Drawing(lifelines, shown, messages, len(rows) - len(shown), end)

    def _number(self, gateway: int, number: int, kind: str, label: str) -> int:
        name = label.removeprefix(kind).strip() or label
        name = self._known.get(name, name)
        if self._several:
            kind = f"{kind} at {gateway + 1}"
        place = self._numbers.setdefault((gateway, number), len(self._names))
        if place == len(self._names):
            self._names.append((kind, name))
        else:
            self._names[place] = (kind, name)
        return place
