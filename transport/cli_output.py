"""What commands say to people: results on stdout, everything else on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from hubbub.transport.config_file import ConfigurationError
from hubbub.transport.logs import mask
from hubbub.transport.wire.connection_string import ConnectionStringError

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 1
"""Exit code: refused, no connection, or not what was waited for."""
WRONG_USAGE = 2
"""Exit code: wrong usage or configuration."""

out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)


class FailedError(Exception):
    """A command could not do its work; the text says why, and what to do."""


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn the errors a person can do something about into a few lines on stderr.

    Raises:
        Exit: With the exit code that fits.
    """
    try:
        yield
    except (ConfigurationError, ConnectionStringError) as error:
        complain(str(error))
        raise typer.Exit(WRONG_USAGE) from error
    except FailedError as error:
        complain(str(error))
        raise typer.Exit(FAILED) from error


def complain(text: str) -> None:
    """Say on stderr what went wrong, each problem in its line."""
    for line in mask(text).splitlines():
        say(Text.assemble(("error: ", "bold red"), line))


def hint(text: str) -> None:
    """Say on stderr something that is worth knowing but no result."""
    say(Text(text, style="dim"))


def say(text: Text) -> None:
    """Write to stderr; long lines stay whole, so that they can be copied."""
    err.print(text, soft_wrap=True)


def result(text: str) -> None:
    """Write a line to stdout at once, for people and scripts."""
    typer.echo(text)


def visible(text: str) -> str:
    """Keep a stranger's text in one line and away from the terminal's controls."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text
    )
