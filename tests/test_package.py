"""What `pip install .` gives people: one package, one command, its data files."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that no build directory is left in the checkout."""
    target = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "hubbub"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "-w",
            target,
            ".",
        ],
        cwd=source,
        check=True,
        timeout=120,
    )
    return next(target.glob("*.whl"))


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_a_wheel_contains_only_hubbub(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hubbub"}


def test_a_wheel_contains_types_and_the_pages(wheel: Path) -> None:
    contents = names(wheel)
    for expected in (
        "hubbub/actors/py.typed",
        "hubbub/scenarios/py.typed",
        "hubbub/sdk/py.typed",
        "hubbub/transport/py.typed",
        "hubbub/transport/pages/demo.html",
        "hubbub/transport/pages/trace.html",
    ):
        assert expected in contents


def test_a_wheel_contains_every_module(wheel: Path) -> None:
    contents = names(wheel)
    for folder in ("actors", "transport", "scenarios"):
        for path in (ROOT / folder).rglob("*.py"):
            place = path.relative_to(ROOT).as_posix()
            # One folder of the tree is a package of its own.
            own = place.replace("transport/sdk/", "sdk/")
            assert f"hubbub/{own}" in contents
    assert not any(name.startswith("hubbub/transport/sdk/") for name in contents)


def test_a_wheel_brings_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry = next(n for n in archive.namelist() if n.endswith("entry_points.txt"))
        text = archive.read(entry).decode()
        assert "hubbub = hubbub.transport.cli:main" in text
        assert "[pytest11]\nhubbub = hubbub.sdk.testing" in text
