"""``hubbub scenarios``: lists the stories that come with the package, and tells them.

Annotations are read when the program runs: no postponed evaluation here.
"""

import ast
import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Annotated

import msgspec
import typer

from hubbub.transport.cli_output import (
    FAILED,
    FailedError,
    errors_for_people,
    hint,
    out,
)

_PACKAGE = "hubbub.scenarios"
_FILE = ".py"
_NAMES = 15
"""Characters that names are padded to."""


class Scenario(msgspec.Struct, frozen=True):
    """A story by name: what it says of itself, before anything is imported."""

    name: str
    text: str
    file: Path | None = None
    """Where it is, unless it comes with the package."""

    @property
    def title(self) -> str:
        """Its story in one line."""
        return self.text.partition("\n")[0]


def scenarios(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Scenarios to play, or files of your own."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Play every scenario.")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Draw the topology instead of playing.")
    ] = False,
    gateways: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Spread clients and servers over so many gateways (1), where a "
            "scenario does not choose its own number.",
        ),
    ] = 1,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a page that shows what the actors told each other.",
        ),
    ] = None,
) -> None:
    """List the scenarios, or play some; each starts what it needs, and ends it.

    The exit code is 1 when a story does not hold. With several scenarios each has a
    page of its own, FILE-NAME.html.
    """
    known = _known()
    chosen = list(known) if every else list(names or ())
    with errors_for_people():
        found = [known.get(name) or _from_file(name) for name in chosen]
        if not found:
            _list(known.values(), asked=show or gateways > 1 or trace is not None)
        elif show:
            for one in found:
                out.print(f"{one.name}: {one.text}\n")
        else:
            held = [_play(one, gateways, _page(trace, one, found)) for one in found]
            raise typer.Exit(0 if all(held) else FAILED)


def _known() -> dict[str, Scenario]:
    """Read the scenarios of the package."""
    found = [
        Scenario(name, _docstring(entry.read_text()))
        for entry in files(_PACKAGE).iterdir()
        if (name := entry.name.removesuffix(_FILE)) != entry.name
        and not name.startswith("_")
    ]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def _from_file(name: str) -> Scenario:
    path = Path(name)
    if path.suffix != _FILE:
        raise FailedError(f"there is no scenario {name}: hubbub scenarios lists them")
    try:
        return Scenario(path.stem, _docstring(path.read_text()), path.resolve())
    except (OSError, SyntaxError, ValueError) as error:
        raise FailedError(f"cannot read {path}: {error}") from error


def _docstring(source: str) -> str:
    return ast.get_docstring(ast.parse(source)) or ""


def _list(known: Iterable[Scenario], *, asked: bool) -> None:
    """Show what there is.

    Raises:
        BadParameter: More was asked for than a list.
    """
    if asked:
        raise typer.BadParameter("name a scenario, or give --all")
    for one in known:
        out.print(f"{one.name:<{_NAMES}} {one.title}", soft_wrap=True)
    hint("hubbub scenarios NAME plays one, hubbub scenarios --show NAME draws it")


def _page(trace: Path | None, one: Scenario, among: Sequence[Scenario]) -> Path | None:
    """Say where the page of a scenario goes."""
    if trace is None or len(among) == 1:
        return trace
    return trace.with_name(f"{trace.stem}-{one.name}{trace.suffix}")


def _play(one: Scenario, gateways: int, trace: Path | None) -> bool:
    from hubbub.scenarios.topology import run  # noqa: PLC0415 - slow; others need it not

    story = getattr(_module(one), "story", None)
    if not callable(story):
        raise FailedError(f"{one.name} has no function story(scene)")
    try:
        return run(story, gateways=gateways, trace=trace, console=out) == 0
    except OSError as error:
        raise FailedError(f"{error.filename}: {error.strerror}") from error


def _module(one: Scenario) -> ModuleType:
    """Import a scenario; one from a file as a program of that file would be.

    Raises:
        FailedError: It cannot be imported.
    """
    try:
        if one.file is None:
            return importlib.import_module(f"{_PACKAGE}.{one.name}")
        if one.name in sys.modules:
            raise FailedError(f"{one.file}: another module has this name, give it one")
        sys.path.insert(0, str(one.file.parent))
        return importlib.import_module(one.name)
    except ImportError as error:
        raise FailedError(f"cannot import {one.name}: {error}") from error
