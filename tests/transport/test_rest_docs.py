"""The reference page of the REST API says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from hubbub.actors.policy.filter import FilterError, compile_filter
from hubbub.transport import openapi
from hubbub.transport.openapi_parts import QUERY
from hubbub.transport.rest_table import OPERATIONS

PAGE = Path(__file__).parents[2].joinpath("docs", "reference", "rest.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ")
]


class Someone(msgspec.Struct, frozen=True):
    """The subject of a filter."""

    connection_id: str
    user_id: str | None
    groups: tuple[str, ...] = ()
    protocol: str | None = None


PEOPLE = {
    "A": Someone("c1", "alice", ("g1",)),
    "B": Someone("c2", "O'Brien", ("g1", "g2")),
    "C": Someone("c3", None),
}
FILTERS = [
    (row[0].strip("`"), row[1])
    for row in ROWS
    if len(row) == 2 and re.match(r"nobody|[ABC]( |$)|400: ", row[1])
]


def test_the_table_of_operations_is_the_one_that_is_served() -> None:
    written = []
    for name, request, query, success in (row for row in ROWS if len(row) == 4):
        if match := re.fullmatch(r"`(\w+) (\S+)`", request):
            path = match[2].replace("{H}", "/api/hubs/{hub}")
            names = re.findall(r"`(\w+)`(\*?)", query)
            assert all((QUERY[n][1]["type"] == "array") == bool(s) for n, s in names)
            called = (name.strip("`"), match[1], path)
            written.append((*called, tuple(n for n, _ in names), int(success)))
    assert written == [
        (op.name, op.method, op.path, op.query, op.success)
        for op in OPERATIONS
        if op.name not in openapi.UNDOCUMENTED
    ]


def test_the_page_has_its_table_of_filters() -> None:
    assert len(FILTERS) == 19


@pytest.mark.parametrize(("text", "matches"), FILTERS)
def test_a_filter_of_the_page_matches_whom_it_says(text: str, matches: str) -> None:
    if matches.startswith("400"):
        with pytest.raises(FilterError):
            compile_filter(text)
    else:
        where = compile_filter(text)
        found = [name for name, someone in PEOPLE.items() if where(someone)]
        assert (" ".join(found) or "nobody") == matches
