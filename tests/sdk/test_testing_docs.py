"""The page about testing: its application and its tests, run as a reader runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "test-with-hubbub.md"
FILES = re.compile(r'^```python title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OURS = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
"""Plugins that our own tests bring, and no reader has."""


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    files = dict(FILES.findall(PAGE.read_text()))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *OURS, "."],
        check=False,
        cwd=tmp_path,
        env=kept,
        capture_output=True,
        text=True,
        timeout=120,
    )
    tests = sum(text.count("def test_") for text in files.values())
    assert tests == 7
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{tests} passed" in run.stdout
