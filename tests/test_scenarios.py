"""Every scenario tells its story and ends with 0; a story that is wrong does not."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from hubbub.actors import EventHandler, Respond, Text, events
from hubbub.scenarios.topology import (
    Gateway,
    Scene,
    Teller,
    Untrue,
    client_actor,
    processes,
    run,
    servers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
STORIES = sorted(
    path for path in (ROOT / "scenarios").glob("*.py") if path.stem != "__init__"
)
HUBBUB = Path(sys.executable).with_name("hubbub")
MINUTES = 120
"""Seconds that a story may take, on a machine that is busy."""


@pytest.fixture(params=STORIES, ids=lambda path: path.stem)
def story(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def plays(*line: str) -> str:
    """Play a story as a program; it must hold, and complain of nothing."""
    played = subprocess.run(
        line, check=False, capture_output=True, text=True, timeout=MINUTES
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.splitlines()[-1].startswith("the story holds: ")
    assert not played.stderr
    return played.stdout


def test_a_story_holds(story: Path) -> None:
    plays(sys.executable, str(story))


@pytest.mark.parametrize("gateways", [2, 3])
@pytest.mark.parametrize("name", [one.stem for one in STORIES if one.stem != "mesh"])
def test_a_story_holds_with_its_clients_and_servers_at_several_gateways(
    name: str, gateways: int
) -> None:
    told = plays(str(HUBBUB), "scenarios", name, "--gateways", str(gateways))
    for number in range(1, gateways + 1):
        assert f"gateway {number}   is ready at " in told


def test_a_story_is_short_enough_to_read(story: Path) -> None:
    assert len(story.read_text().splitlines()) <= 80


def test_a_story_draws_its_topology_and_can_be_run(story: Path) -> None:
    source = story.read_text()
    title, blank, *drawing = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    assert title.endswith(".")
    assert not blank
    assert any("-->" in line and line.startswith("    ") for line in drawing)
    assert f"Run it: `hubbub scenarios {story.stem}`" in drawing
    guard = 'if __name__ == "__main__":\n    raise SystemExit(run(story))\n'
    assert source.endswith(guard)


@pytest.mark.browser
def test_the_page_of_a_story_is_drawn_by_a_browser(story: Path, tmp_path: Path) -> None:
    drawn = drawn_by_a_browser(tmp_path, story.stem)
    rows = drawn.count('class="row ')
    assert rows > 20
    assert drawn.count('class="tip"') >= rows
    for text in ("pushes.", "Hub chat", "client", "Connection", "✓"):
        assert text in drawn


@pytest.mark.browser
def test_the_page_shows_which_gateway_everyone_is_at(tmp_path: Path) -> None:
    drawn = drawn_by_a_browser(tmp_path, "client_server", "--gateways", "2")
    assert re.findall(r'class="place[^>]*><span>([^<]+)', drawn) == [
        "gateway 1",
        "gateway 2",
    ]
    for who in ("client alice at gateway 1", "client bob at gateway 2"):
        assert f'title="{who}"' in drawn
    assert "Link gateway 1 at gateway 2 → Mesh at gateway 1\npeers.Batch" in drawn


def drawn_by_a_browser(folder: Path, *arguments: str) -> str:
    """Play a story with a trace, and let a browser draw its page."""
    page = folder / "trace.html"
    plays(str(HUBBUB), "scenarios", *arguments, "--trace", str(page))
    assert "access_token" not in page.read_text()
    return subprocess.run(
        [
            shutil.which("chromium") or "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            f"--user-data-dir={folder / 'profile'}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=MINUTES,
    ).stdout


# Stories that are wrong.


def playing(story: Callable[[Scene], None], gateways: int = 1) -> tuple[int, str]:
    """Play a story; gives the exit code and what was told."""
    told = StringIO()
    console = Console(file=told, width=200, highlight=False)
    return run(story, gateways=gateways, console=console), told.getvalue()


def test_a_story_holds_in_a_test_as_well() -> None:
    def story(scene: Scene) -> None:
        gateway = scene.gateway()
        ann, bob = scene.clients("ann", "bob", place=gateway)
        bob.joins("lobby")
        ann.publishes("lobby", {"n": 1})
        bob.hears({"n": 1}, group="lobby", sender="ann")

    status, told = playing(story)
    assert status == 0, told
    assert "✓ bob         hears {'n': 1} in lobby from ann" in told


def heard_something_else(scene: Scene) -> None:
    gateway = scene.gateway()
    ann = scene.client("ann", gateway)
    ann.joins("lobby")
    ann.publishes("lobby", "hello")
    ann.hears("goodbye", group="lobby")


def heard_it_elsewhere(scene: Scene) -> None:
    gateway = scene.gateway()
    ann = scene.client("ann", gateway)
    ann.joins("lobby")
    ann.publishes("lobby", "hello")
    ann.hears("hello", group="kitchen")


def was_refused(scene: Scene) -> None:
    gateway = scene.gateway()
    scene.client("eve", gateway, roles=[]).joins("lobby")


def was_refused_otherwise(scene: Scene) -> None:
    gateway = scene.gateway()
    scene.client("eve", gateway, roles=[]).joins("lobby", refused="NotFound")


def was_not_refused(scene: Scene) -> None:
    gateway = scene.gateway()
    scene.client("ann", gateway).joins("lobby", refused="Forbidden")


def was_let_in(scene: Scene) -> None:
    scene.turned_away("eve", scene.gateway(), status=401)


class Echo(EventHandler):
    def on_event(self, event: events.UserEvent) -> Respond:
        return Respond(Text(event.event))


class Bouncer(EventHandler):
    def on_connect(self, event: events.Connect) -> None:
        raise ValueError(event)


def was_turned_away_otherwise(scene: Scene) -> None:
    scene.turned_away("eve", scene.gateway(handlers=[Bouncer]), status=401)


def was_turned_away_unexpectedly(scene: Scene) -> None:
    scene.client("eve", scene.gateway(handlers=[Bouncer]))


def server_heard_something_else(scene: Scene) -> None:
    gateway = scene.gateway()
    server = scene.server("server", gateway)
    server.listens_to("lobby")
    scene.client("ann", gateway).publishes("lobby", "hello")
    server.hears("goodbye")


def server_was_given_something_else(scene: Scene) -> None:
    gateway = scene.gateway()
    server = scene.server("server", gateway)
    server.answers("*", lambda event: Respond(Text(event.event)))
    scene.client("ann", gateway).asks("order", "soup")
    server.is_given("bill", scene.client("bob", gateway))


def server_may_not_publish(scene: Scene) -> None:
    scene.server("server", scene.gateway(), roles="subscriber").publishes("g", "x")


def is_not_so(scene: Scene) -> None:
    scene.expect("the number of friends", 1, 2)


def has_no_such_handler(scene: Scene) -> None:
    class Local(EventHandler):
        pass

    scene.gateway(handlers=[Local])


def is_broken(scene: Scene) -> None:
    del scene
    raise ZeroDivisionError("access_token=s3cret")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (heard_something_else, "✗ ann         hears 'goodbye' in lobby: heard 'hello'"),
        (heard_it_elsewhere, "heard 'hello' in lobby from ann instead"),
        (was_refused, "✗ eve         joins lobby: Forbidden: No permission"),
        (was_refused_otherwise, "✗ eve         joins lobby: Forbidden: No permission"),
        (was_not_refused, "✗ ann         joins lobby: this was not refused"),
        (was_let_in, "✗ eve         is turned away with 401: was let in"),
        (was_turned_away_otherwise, "is turned away with 401: with 500"),
        (was_turned_away_unexpectedly, "breaks off: the gateway refused the conn"),
        (
            server_heard_something_else,
            "✗ server      hears 'goodbye': heard 'hello' in lobby from ann instead",
        ),
        (
            server_was_given_something_else,
            "✗ server      is given bill of bob: was given order of ann instead",
        ),
        (server_may_not_publish, "✗ server      publishes 'x' to g: Forbidden"),
        (is_not_so, "✗ the number of friends is 2: 1"),
        (has_no_such_handler, "✗ the story   breaks off: error: "),
        (is_broken, "ZeroDivisionError: access_token=***"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_story_that_does_not_hold_ends_with_1_and_says_why(
    wrong: Callable[[Scene], None], told: str
) -> None:
    status, said = playing(wrong)
    assert status == 1
    assert told in said
    assert said.splitlines()[-1].startswith("the story does not hold: ")


def ann_hears(scene: Scene) -> None:
    scene.client("ann", scene.gateway()).hears("hello")


def server_hears(scene: Scene) -> None:
    server = scene.server("server", scene.gateway())
    server.listens_to("lobby")
    server.hears("hello")


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        (ann_hears, "✗ ann         hears 'hello': a message did not come within 0.2 s"),
        (server_hears, "✗ server      hears 'hello': nothing came within 0.2 s"),
    ],
)
def test_what_never_comes_is_waited_for_but_not_for_ever(
    waits: Callable[[Scene], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (client_actor, servers):
        monkeypatch.setattr(module, "SECONDS", 0.2)
    status, said = playing(waits)
    assert status == 1
    assert told in said


def test_a_story_that_does_not_hold_shows_what_the_gateway_complained_of() -> None:
    status, told = playing(was_turned_away_otherwise)
    assert status == 1
    assert "the log of gateway:" in told
    assert "Bouncer failed at connect" in told


def test_a_story_ends_everything_it_started_even_when_it_breaks_off() -> None:
    started: list[tuple[str, int]] = []

    def breaks(scene: Scene) -> None:
        for gateway in scene.gateways(3):
            address = urlsplit(gateway.endpoint)
            started.append((str(address.hostname), int(address.port or 0)))
            scene.client("ann", scene.link(gateway))
        raise Untrue("enough")

    assert playing(breaks)[0] == 1
    assert len(set(started)) == 3
    for address in started:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address, 1).close()


def test_gateways_of_a_scene_are_one_service() -> None:
    def story(scene: Scene) -> None:
        first, second, third = scene.gateways(3)
        assert (first.name, third.name) == ("gateway 1", "gateway 3")
        ann, bob = scene.client("ann", first), scene.client("bob", second)
        for client in (ann, bob):
            client.joins("lobby")
        ann.publishes("lobby", "hello", no_echo=True)
        bob.hears("hello", group="lobby", sender="ann")
        server = scene.server("server", third)
        server.answers("*", lambda event: Respond(Text(event.event)))
        bob.asks("tea", "please")
        bob.hears("tea", group=None)

    status, told = playing(story)
    assert status == 0, told
    assert "the mesh    links gateway 1, gateway 2, gateway 3" in told


def test_services_of_a_scene_are_independent_of_each_other() -> None:
    def story(scene: Scene) -> None:
        ann = scene.client("ann", scene.gateway())
        bob = scene.client("bob", scene.gateway())
        for client in (ann, bob):
            client.joins("lobby")
        ann.publishes("lobby", "hello")
        bob.publishes("lobby", "of mine")
        bob.hears("of mine")

    status, told = playing(story)
    assert status == 0, told


def test_whoever_comes_is_sent_to_one_gateway_after_the_other() -> None:
    places: list[str] = []

    def story(scene: Scene) -> None:
        gateway = scene.gateway()
        clients = scene.clients("ann", "bob", place=gateway)
        link = scene.link(gateway)
        carl = scene.client("carl", link)
        places.append(link.name)
        for name in ("kitchen", "bar"):
            scene.server(name, gateway)
        scene.crowd(4, gateway, group="news")
        link.breaks()
        link.heals()
        carl.comes_back()
        for client in (*clients, carl):
            client.joins("lobby")
        carl.publishes("lobby", "hello", no_echo=True)
        for client in clients:
            client.hears("hello", sender="carl")

    status, told = playing(story, gateways=2)
    assert status == 0, told
    assert places == ["a link to gateway 1"]
    for line in (
        "ann         connects to gateway 1",
        "bob         connects to gateway 2",
        "kitchen     attaches to gateway 1",
        "bar         attaches to gateway 2",
    ):
        assert line in told


def test_a_story_that_chooses_the_number_of_its_gateways_keeps_it() -> None:
    def story(scene: Scene) -> None:
        (only,) = scene.gateways(1)
        for client in scene.clients("ann", "bob", place=only):
            client.joins("lobby")

    status, told = playing(story, gateways=3)
    assert status == 0, told
    assert "bob         connects to gateway 1" in told
    assert "gateway 2" not in told


def test_classes_of_a_story_are_at_each_of_its_gateways_and_a_further_one() -> None:
    def story(scene: Scene) -> None:
        (first,) = scene.gateways(1, handlers=[Echo])
        for place in (first, scene.peer(first)):
            client = scene.client("ann", place)
            client.asks("tea", "please")
            client.hears("tea", group=None)

    status, told = playing(story)
    assert status == 0, told


def test_a_number_of_gateways_must_be_one_for_a_story_that_is_played() -> None:
    for line, said in (
        (["client_server", "--gateways", "0"], "--gateways"),
        (["--gateways", "2"], "name a scenario"),
    ):
        refused = subprocess.run(
            [str(HUBBUB), "scenarios", *line],
            check=False,
            capture_output=True,
            text=True,
            timeout=MINUTES,
        )
        assert refused.returncode == 2
        assert said in refused.stderr


def pair(scene: Scene) -> list[Gateway]:
    """Start two gateways for a story that is wrong about them."""
    return scene.gateways(2)


def sees_another_epoch(scene: Scene) -> None:
    first, second = pair(scene)
    first.sees(second, epoch=7)


def sees_it_still(scene: Scene) -> None:
    first, second = pair(scene)
    first.sees_no_more(second)


def sees_a_stranger(scene: Scene) -> None:
    (first,), (stranger,) = scene.gateways(1), scene.gateways(1)
    first.sees(stranger)


def has_lost_nothing(scene: Scene) -> None:
    first, second = pair(scene)
    first.has_lost(1, second)


def does_not_count(scene: Scene) -> None:
    gateway = scene.gateway()
    ann = scene.client("ann", gateway)
    ann.joins("lobby")
    for number in (1, 2, 2):
        ann.publishes("lobby", number)
    ann.hears_count(3)


def is_joined_alone(scene: Scene) -> None:
    scene.peer(scene.gateway())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (sees_another_epoch, "sees gateway 2 up, epoch 7: up, epoch 1, nothing lost"),
        (sees_it_still, "✗ gateway 1   sees gateway 2 no more: up, epoch 1, "),
        (sees_a_stranger, "✗ gateway 1   sees gateway 1 up: it is no peer"),
        (has_lost_nothing, "1 messages or more that gateway 2 never got: up, "),
        (does_not_count, "✗ ann         hears 1 to 3, each once and in order: heard 2"),
        (is_joined_alone, "gateway takes no peers: scene.gateways(1) does"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_story_that_is_wrong_about_a_mesh_says_why(
    wrong: Callable[[Scene], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    status, said = playing(wrong)
    assert status == 1
    assert told in said


def test_a_server_of_a_scene_can_do_what_servers_do() -> None:
    def story(scene: Scene) -> None:
        gateway = scene.gateway()
        server = scene.server("server", gateway)
        ann = scene.client("ann", gateway)
        server.answers("disconnected", lambda _: None)
        server.sends(ann, {"n": 1})
        ann.hears({"n": 1}, group=None, sender=None)
        server.closes(ann, "enough")
        server.is_given("disconnected", ann)
        server.detaches()

    status, told = playing(story)
    assert status == 0, told


def test_an_expectation_that_fails_is_a_failed_assertion() -> None:
    with (
        pytest.raises(AssertionError, match="ann joins lobby"),
        Scene(Teller(Console(file=StringIO()))) as scene,
    ):
        scene.client("ann", scene.gateway()).joins("lobby", refused="Forbidden")


# The tutorial.

PAGE = ROOT / "docs" / "tutorials" / "first-scenario.md"
_FENCE = re.compile(
    r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_VARIES = re.compile(r"127.0.0.1:\d+|\d+\.\d s$", re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    """Give title and text of the blocks of the tutorial in a language."""
    found = _FENCE.findall(PAGE.read_text())
    return [(title, text) for kind, title, text in found if kind == language]


def typed(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line of the tutorial as its reader does."""
    path = f"{HUBBUB.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(line),
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=MINUTES,
    )


def test_the_first_scenario_works_as_its_tutorial_says(tmp_path: Path) -> None:
    for title, text in blocks("python"):
        (tmp_path / title).write_text(text)
    play, trace, spread, test = (text.strip() for _, text in blocks("sh"))
    drawing, holds, fails, alone = (text for _, text in blocks("text"))

    file = tmp_path / "auction.py"
    source = file.read_text()
    assert drawing in source

    played = typed(play, tmp_path)
    assert played.returncode == 0, played.stderr
    assert _VARIES.sub("", played.stdout) == _VARIES.sub("", holds)

    assert source.count("ann.hears(20)") == 1
    file.write_text(source.replace("ann.hears(20)", "ann.hears(25)"))
    played = typed(play, tmp_path)
    assert played.returncode == 1
    assert _VARIES.sub("", played.stdout).endswith(_VARIES.sub("", fails))
    file.write_text(source)

    assert typed(trace, tmp_path).returncode == 0
    assert "more than 10, please" in (tmp_path / "auction.html").read_text()
    played = typed(spread, tmp_path)
    assert played.returncode == 1
    assert alone in played.stdout
    tested = typed(f"{test} -p no:cacheprovider", tmp_path)
    assert "1 passed" in tested.stdout, tested.stdout
