"""Who appears on the page of a trace: parties by name, each at its gateway.

A gateway that was ended and came back wrote several traces: in the picture it is one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.transport.trace_details import short_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hubbub.transport.trace import Record

_KEPT: Final = 4
"""Lifelines of a kind that has too many, before the rest share one."""
_MANY: Final = 12
"""Lifelines that a kind may have at a gateway."""
_MESH, _LINK = "Mesh", "Link"
_PACKETS: Final = frozenset(
    {"peers.Batch", "peers.Heartbeat", "peers.Hello", "peers.Knock"}
)
"""What says which gateway it comes from, and comes from its link."""


class Lifeline(msgspec.Struct, frozen=True):
    """Someone who sends or gets messages; several when ``count`` says so.

    ``place`` is the gateway; empty when there is one.
    """

    id: int
    kind: str
    name: str
    count: int = 1
    place: str = ""


class _Party(msgspec.Struct):
    """Someone in one trace, by the last name that it had."""

    life: int
    kind: str
    name: str


class Cast:
    """Who appears; names are the last by which they were known.

    Kinds stand in the order of their first appearance, and who is of a kind stands
    together: so most arrows are short. What leads to other gateways stands last.

    Args:
        places: The gateway of each trace.
        names: What to call those that a gateway knows by an id, peers among them.
    """

    def __init__(self, places: Sequence[str], names: Mapping[str, str]) -> None:
        self.places = list(dict.fromkeys(places))
        """The gateways, where there are several."""
        self._places = places
        if len(self.places) == 1:
            self.places, self._places = [], [""] * len(places)
        self._known = {short_id(one): name for one, name in names.items()}
        self._numbers: dict[tuple[int, int], int] = {}
        self._parties: list[_Party] = []
        self._links: dict[tuple[str | None, str], int] = {}

    def meet(self, life: int, record: Record) -> tuple[int, int]:
        """Give the numbers of sender and recipient of a message in a trace."""
        sender, recipient = (
            self._number(life, *party)
            for party in zip(
                record.ids,
                record.kinds,
                (record.sender, record.recipient),
                strict=True,
            )
        )
        if sender == recipient and record.message in _PACKETS:
            sender = self._beyond(life, record, sender)
        return sender, recipient

    def lifelines(self) -> tuple[list[Lifeline], list[int]]:
        """Give lifelines, and the id of one for the number of each party.

        Late parties of a numerous kind share one; so do those of a gateway that was
        started again, with those before.
        """
        groups = [(self._places[one.life], one.kind) for one in self._parties]
        sizes = Counter(groups)
        seen: Counter[tuple[str, str]] = Counter()
        names: Counter[tuple[int, str, str]] = Counter()
        found: dict[tuple[str, str, str], int] = {}
        lifelines: list[Lifeline] = []
        stand_ins: list[int] = []
        for number, party in enumerate(self._parties):
            place, kind = group = groups[number]
            seen[group] += 1
            names[party.life, kind, party.name] += 1
            nth, count = names[party.life, kind, party.name], 1
            if kind == _LINK:
                nth = 1  # a new process at the other end has a new link: one way, still
            label = party.name if nth == 1 else f"{party.name} ({nth})"
            if sizes[group] > _MANY and seen[group] > _KEPT:
                count = sizes[group] - _KEPT
                label = f"{count} more"
            key = (*group, label)
            if key not in found:
                found[key] = number
                lifelines.append(Lifeline(number, kind, label, count, place))
            stand_ins.append(found[key])
        kinds = {kind: order for order, (_, kind) in enumerate(reversed(groups))}

        def order(one: Lifeline) -> tuple[int, bool, int, str]:
            place = self.places.index(one.place) if self.places else 0
            leads_out = one.kind in {_MESH, _LINK}
            name = one.name if one.kind == _LINK else ""
            return place, leads_out, -kinds[one.kind], name

        lifelines.sort(key=order)
        return lifelines, stand_ins

    def _number(self, life: int, number: int, kind: str, label: str) -> int:
        name = label.removeprefix(kind).strip() or label
        name = self._known.get(short_id(name) if kind == _LINK else name, name)
        found = self._numbers.setdefault((life, number), len(self._parties))
        if found == len(self._parties):
            self._parties.append(_Party(life, kind, name))
        else:
            self._parties[found].kind, self._parties[found].name = kind, name
        if kind == _LINK:
            self._links[self._places[life], name] = found
        return found

    def _beyond(self, life: int, record: Record, mesh: int) -> int:
        """Give the link at another gateway that a packet comes from, if it is known."""
        gateway = record.detail.rpartition("gateway ")[2]
        place = self._known.get(short_id(gateway))
        return self._links.get((place, self._places[life]), mesh)
