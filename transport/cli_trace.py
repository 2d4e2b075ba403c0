"""``hubbub trace``: makes a page of what a gateway recorded.

Annotations are read when the program runs: no postponed evaluation here.
"""

from pathlib import Path
from typing import Annotated

import typer

from hubbub.transport.cli_output import FailedError, errors_for_people, hint
from hubbub.transport.trace import read_trace
from hubbub.transport.trace_page import page


def trace(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What serve --trace has written.")
    ],
    to: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE.html]", help="The page; FILE.html by default."),
    ] = None,
) -> None:
    """Draw what the actors of a gateway told each other, as a page of its own."""
    with errors_for_people():
        place = to or file.with_name(f"{file.name}.html")
        try:
            content = page(file.name, "", [read_trace(file)])
            place.write_text(content, encoding="utf-8")
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or error
            raise FailedError(f"{getattr(error, 'filename', file)}: {text}") from error
        hint(f"the trace is in {place}")
