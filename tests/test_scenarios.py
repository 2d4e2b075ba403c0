"""Every scenario tells its story and ends with 0."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STORIES = sorted((Path(__file__).parent.parent / "scenarios").glob("*.py"))


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_story_holds(story: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(story)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_story_is_short_enough_to_read(story: Path) -> None:
    assert len(story.read_text().splitlines()) <= 80
