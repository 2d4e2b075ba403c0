"""Who may import whom, and what each layer may touch: house rules, read off the code.

``transport`` imports ``actors``, never the reverse; bytes and clocks stay at the rim.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
LAYERS = ("actors", "transport")

LINES = 320
LONGER: dict[str, tuple[int, str]] = {}
"""Files that may be longer, with how long at most and why."""

PURE = ("actors/messages", "actors/policy", "transport/subprotocols", "transport/wire")
IMPURE = frozenset({"asyncio", "random", "select", "selectors", "socket", "ssl"}) | {
    *("subprocess", "threading", "time", "zmq"),
}
WIRE = frozenset({"aiohttp", "cbor2", "json", "starlette", "uvicorn", "websockets"})
"""What only those who make bytes may know: JSON too, which actors carry as bytes."""


class Import(NamedTuple):
    """One module that a file imports; ``typing`` means that it is not at run time."""

    file: str
    line: int
    module: str
    typing: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


MODULES = {
    ".".join(("hubbub", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in sources(*LAYERS)
}


@cache
def imports(path: Path) -> tuple[Import, ...]:
    file = str(path.relative_to(ROOT))

    def walk(body: Sequence[ast.AST], typing: bool) -> Iterator[Import]:
        for node in body:
            match node:
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    yield from walk(node.body, True)
                    yield from walk(node.orelse, typing)
                case ast.Import():
                    for alias in node.names:
                        yield Import(file, node.lineno, alias.name, typing)
                case ast.ImportFrom(module=str(module)):
                    for alias in node.names:
                        whole = f"{module}.{alias.name}"
                        name = whole if whole in MODULES else module
                        yield Import(file, node.lineno, name, typing)
                case ast.ImportFrom():
                    yield Import(file, node.lineno, ".", typing)
                case _:
                    yield from walk(list(ast.iter_child_nodes(node)), typing)

    return tuple(walk(ast.parse(path.read_text()).body, False))


def within(module: str, *packages: str) -> bool:
    return any(
        module == package or module.startswith(f"{package}.") for package in packages
    )


def told(broken: Iterator[Import]) -> list[str]:
    return [str(found) for found in broken]


def test_imports_are_found_wherever_they_stand() -> None:
    modules = {found.module for path in sources(*LAYERS) for found in imports(path)}
    assert "hubbub.actors.messages.commands" in modules  # from a package
    assert "hubbub.transport.serve" in modules  # within a function
    assert "." not in modules, "imports are absolute"


def test_actors_do_not_know_transport() -> None:
    assert not told(
        found
        for path in sources("actors")
        for found in imports(path)
        if within(found.module, "hubbub") and not within(found.module, "hubbub.actors")
    )


def test_messages_know_messages_and_references_alone() -> None:
    runtime = "hubbub.actors.runtime"
    may = ("hubbub.actors.messages", *(f"{runtime}.{n}" for n in ("address", "reply")))
    assert not told(
        found
        for path in sources("actors/messages")
        for found in imports(path)
        if within(found.module, "hubbub")
        and not within(found.module, *may, f"{runtime}.ports")
    )


def test_policy_knows_messages_and_policy_alone() -> None:
    runtime = ("hubbub.actors.runtime.address", "hubbub.actors.runtime.ports")
    may = ("hubbub.actors.messages", "hubbub.actors.policy")
    assert not told(
        found
        for path in sources("actors/policy")
        for found in imports(path)
        if within(found.module, "hubbub")
        and not within(found.module, *may, *(runtime if found.typing else ()))
    )


def test_the_runtime_knows_no_message_and_no_policy_at_run_time() -> None:
    assert not told(
        found
        for path in sources("actors/runtime")
        for found in imports(path)
        if within(found.module, "hubbub")
        and not within(found.module, "hubbub.actors.runtime")
        and not (found.typing and within(found.module, "hubbub.actors.messages"))
    )


@pytest.mark.parametrize("folder", PURE)
def test_a_pure_folder_has_no_clock_no_chance_and_no_io(folder: str) -> None:
    assert not told(
        found
        for path in sources(folder)
        for found in imports(path)
        if found.module.partition(".")[0] in IMPURE and not found.typing
    )


def test_what_is_pure_in_transport_knows_nothing_of_its_top() -> None:
    pure = ("hubbub.transport.subprotocols", "hubbub.transport.wire")
    assert not told(
        found
        for path in sources("transport/subprotocols", "transport/wire")
        for found in imports(path)
        if within(found.module, "hubbub.transport") and not within(found.module, *pure)
    )


def test_actors_make_no_bytes() -> None:
    assert not told(
        found
        for path in sources("actors")
        for found in imports(path)
        if found.module.partition(".")[0] in WIRE
    )


def test_actors_outside_the_runtime_do_not_touch_the_loop_or_threads() -> None:
    assert not told(
        found
        for path in sources("actors")
        for found in imports(path)
        if found.module.partition(".")[0] in IMPURE
        and not found.file.startswith("actors/runtime/")
    )


def test_private_names_of_pykka_stay_in_the_runtime() -> None:
    assert not told(
        found
        for path in sources(*LAYERS)
        for found in imports(path)
        if found.module.startswith("pykka._")
        and not found.file.startswith("actors/runtime/")
    )


def test_no_file_is_longer_than_it_may_be() -> None:
    too_long = []
    for path in sources(*LAYERS):
        file = str(path.relative_to(ROOT))
        most, _ = LONGER.get(file, (LINES, ""))
        lines = len(path.read_text().splitlines())
        if lines > most:
            too_long.append(f"{file} has {lines} lines, more than {most}")
    assert not too_long


def test_files_that_may_be_longer_exist_and_say_why() -> None:
    for file, (most, reason) in LONGER.items():
        assert (ROOT / file).is_file(), file
        assert most > LINES
        assert reason, file
