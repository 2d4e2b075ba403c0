"""How a story is told: who does what line by line, ticks and crosses, notes for a page.

Knows no gateway and no client; keeps what it said, for those who want to check it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from hubbub.transport.logs import mask
from hubbub.transport.trace_page import Note

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST = 60
"""Characters shown of a value."""
_NAMES = 11
"""Characters that names are padded to."""
_COLOURS = ("cyan", "magenta", "blue", "yellow", "green")


class Untrue(AssertionError):  # noqa: N818 - a story does not hold: no program error
    """The story does not hold; the text says what came instead."""


class Teller:
    """Tells one story.

    Args:
        console: Where to; standard output when left out.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.notes: list[Note] = []
        self.held = 0
        self._colours: dict[str, str] = {}
        self._lock = threading.Lock()  # servers answer in a thread of their own

    def step(self, text: str) -> None:
        """Say what the next lines are about."""
        self._say("", text, Text.assemble("\n", (text, "bold")))

    def does(self, who: str, what: str) -> None:
        """Say what someone does."""
        self._say("", f"{who} {what}", self._line(" ", who, what))

    def holds(self, who: str, what: str) -> None:
        """Say that what was expected came true."""
        self.held += 1
        self._say("yes", f"{who} {what}", self._line("✓", who, what, "green"))

    def fails(self, who: str, what: str, instead: str) -> Untrue:
        """Say that it did not, and what came instead; gives the error to raise."""
        text = f"{what}: {mask(instead)}"
        self._say("no", f"{who} {text}", self._line("✗", who, text, "bold red"))
        return Untrue(f"{who} {text}")

    def show(self, thing: RenderableType) -> None:
        """Show a table or the like."""
        self.console.print(thing)

    def _line(self, mark: str, who: str, what: str, style: str = "") -> Text:
        colour = self._colours.setdefault(
            who, _COLOURS[len(self._colours) % len(_COLOURS)]
        )
        name = (f"{who:<{_NAMES}} ", f"bold {colour}")
        return Text.assemble(
            (f"{mark} ", style), name, (what, style if mark == "✗" else "")
        )

    def _say(self, mark: str, plain: str, shown: Text) -> None:
        with self._lock:
            self.notes.append(Note(time.time(), plain, mark))
            self.console.print(shown, soft_wrap=True)


def said(value: object) -> str:
    """Show a value in a line of the story."""
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
