"""``hubbub scenarios``: a list, drawings, stories of the package and of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubbub.transport.cli import app

ROOT = Path(__file__).parents[2]
HUBBUB = Path(sys.executable).with_name("hubbub")
NAMES = sorted(
    path.stem for path in (ROOT / "scenarios").glob("*.py") if path.stem != "__init__"
)

MINE = '''"""Mine says something.

    mine --> nothing
"""

from hubbub.scenarios.topology import Scene, run


def story(scene: Scene) -> None:
    scene.expect("the answer", 42, {answer})


if __name__ == "__main__":
    raise SystemExit(run(story))
'''


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["scenarios", *arguments])


def test_scenarios_are_listed_with_their_stories() -> None:
    result = run()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert all(len(line.split()) > 3 for line in lines)
    assert "hubbub scenarios NAME" in result.stderr


def test_the_topology_of_a_scenario_is_drawn_without_playing_it() -> None:
    result = run("--show", "peer_to_peer")
    assert result.exit_code == 0
    assert "    ann --publish, no echo--> gateway" in result.stdout
    assert "is ready" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nonsense"], 1, "there is no scenario nonsense"),
        (["none.py"], 1, "cannot read none.py"),
        (["--trace", "x.html"], 2, "name a scenario"),
        (["--show"], 2, "name a scenario"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], status: int, said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == status
    assert said in result.stderr
    assert not result.stdout


def program(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(HUBBUB), "scenarios", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_of_ones_own_can_be_played(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace("{answer}", "42"))
    played = program("mine.py", folder=tmp_path)
    assert played.returncode == 0, played.stderr
    assert "✓ the answer  is 42" in played.stdout


def test_a_story_that_does_not_hold_gives_1_after_all_were_played(
    tmp_path: Path,
) -> None:
    (tmp_path / "wrong.py").write_text(MINE.replace("{answer}", "41"))
    (tmp_path / "right.py").write_text(MINE.replace("{answer}", "42"))
    played = program("wrong.py", "right.py", folder=tmp_path)
    assert played.returncode == 1
    verdicts = re.findall(r"the story (?:holds|does not hold)", played.stdout)
    assert verdicts == ["the story does not hold", "the story holds"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "cannot read mine.py"),
        ("import nothing_of_the_kind", "cannot import mine"),
        ("x = 1", "mine has no function story(scene)"),
    ],
)
def test_a_file_that_is_no_scenario_is_told(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    played = program("mine.py", folder=tmp_path)
    assert played.returncode == 1
    assert said in played.stderr
    assert "Traceback" not in played.stderr


def test_a_file_named_as_another_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(MINE.replace("{answer}", "42"))
    played = program("./json.py", folder=tmp_path)
    assert played.returncode == 1
    assert "another module has this name" in played.stderr


def test_several_traces_have_a_page_each(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(MINE.replace("{answer}", "42"))
    played = program("first.py", "second.py", "--trace", "t.html", folder=tmp_path)
    assert played.returncode == 0, played.stderr
    pages = sorted(path.name for path in tmp_path.glob("*.html"))
    assert pages == ["t-first.html", "t-second.html"]


def test_a_trace_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace("{answer}", "42"))
    played = program("mine.py", "--trace", "no/such/t.html", folder=tmp_path)
    assert played.returncode == 1
    assert "No such file" in played.stderr
    assert "Traceback" not in played.stderr


def test_scenarios_are_played_from_an_installed_wheel(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    for folder in ("actors", "transport", "scenarios"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                copy = source / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
    subprocess.run(
        [sys.executable, *install, str(source)],
        check=True,
        timeout=120,
        capture_output=True,
    )
    played = subprocess.run(
        [sys.executable, "-m", "hubbub.transport", "scenarios", "client_server"],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    assert "the story holds" in played.stdout
