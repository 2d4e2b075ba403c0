"""Runs a story: from its file to an exit code, and to a page of what happened."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING

import msgspec
import pykka

from hubbub.scenarios.topology.processes import GatewayError
from hubbub.scenarios.topology.scene import Scene
from hubbub.scenarios.topology.telling import Teller, Untrue
from hubbub.sdk import HubbubError
from hubbub.transport.logs import Entry, mask
from hubbub.transport.trace_page import page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from rich.console import Console

    Story: TypeAlias = Callable[[Scene], None]

_MOST_LINES = 30
"""Lines of a log that are shown."""
HOLDS, DOES_NOT = 0, 1
"""Exit codes."""


def run(
    story: Story,
    *,
    gateways: int = 1,
    trace: Path | None = None,
    console: Console | None = None,
) -> int:
    """Tell a story.

    Args:
        story: Gets a scene, and plays in it.
        gateways: How many stand for each that the story starts.
        trace: Where to write the page that shows what was told between whom.
        console: Where to tell it; standard output when left out.

    Returns:
        0 when the story holds, else 1.

    Raises:
        OSError: The page cannot be written.
    """
    # The story tells what happens; the SDK's warnings would tell it again.
    logging.getLogger("hubbub.sdk").addHandler(logging.NullHandler())
    teller = Teller(console)
    scene = Scene(teller, gateways=gateways, traced=trace is not None)
    about = (sys.modules[story.__module__].__doc__ or "").strip()
    title = about.partition("\n")[0]
    teller.console.print(title, style="bold", markup=False)
    began = time.monotonic()
    holds = _tell(story, scene)
    seconds = time.monotonic() - began
    if not holds:
        _show_logs(scene)
    if trace is not None:
        places, traces = zip(*scene.traces, strict=True) if scene.traces else ((), ())
        text = page(title, about, traces, teller.notes, scene.names, places)
        trace.write_text(text)
        teller.console.print(f"\nthe trace is in {trace}", markup=False)
    verdict = "the story holds" if holds else "the story does not hold"
    count = f"{teller.held} expectation{'' if teller.held == 1 else 's'} came true"
    style = "bold green" if holds else "bold red"
    teller.console.print(f"\n{verdict}: {count}, {seconds:.1f} s", style=style)
    return HOLDS if holds else DOES_NOT


def _tell(story: Story, scene: Scene) -> bool:
    """Play, and end everyone, whatever happens."""
    try:
        with scene:
            story(scene)
    except Untrue:
        return False
    except (HubbubError, GatewayError, pykka.Timeout) as error:
        scene.teller.fails("the story", "breaks off", _sentence(error))
        return False
    except Exception:  # noqa: BLE001 - a story that is broken does not hold
        scene.teller.console.print(mask(traceback.format_exc()), markup=False)
        return False
    return True


def _show_logs(scene: Scene) -> None:
    """Show what the gateways complained of: it may say why."""
    for name, log in scene.logs.items():
        lines = [_read(line) for line in log.splitlines()[-_MOST_LINES:]]
        if lines:
            text = "\n".join([f"\nthe log of {name}:", *lines])
            scene.teller.console.print(text, style="dim", markup=False, soft_wrap=True)


def _read(line: str) -> str:
    """Make a line of a log fit for people, if it is one."""
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except msgspec.DecodeError:
        return line
    return "\n".join(filter(None, (f"{entry.level}: {entry.message}", entry.exception)))


def _sentence(error: Exception) -> str:
    said = str(error)
    if isinstance(error, pykka.Timeout):
        return f"no answer within {said}"
    return said or type(error).__name__
