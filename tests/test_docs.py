"""The documentation is true: links lead somewhere, commands and programs run.

In ``python``, ``js`` and ``toml`` blocks a title is the file that the text tells the
reader to write; the tests write it too, and run what the text says to run.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from hubbub.transport.cli import app
from hubbub.transport.configuration import DEVELOPMENT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
TUTORIALS = DOCS / "tutorials"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
NODE = ROOT / "tests" / "node"
BIN = Path(sys.executable).parent
SECONDS = 60.0
OURS = "127.0.0.1:8080"

_FENCE = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """A fenced block."""

    page: str
    language: str
    title: str
    text: str


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    found = _FENCE.finditer(page.read_text())
    return [
        Block(name_of(page), match[1], (_TITLE.findall(match[2]) or [""])[0], match[3])
        for match in found
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]


def block(page: Path, title: str) -> str:
    """Give the text of the file that a page tells the reader to write."""
    (text,) = [found.text for found in blocks(page) if found.title == title]
    return text


def commands(page: Path) -> list[str]:
    """Give the command lines that a page tells the reader to type."""
    return [
        line
        for found in blocks(page)
        if found.language == "sh"
        for line in found.text.splitlines()
        if line and not line.startswith("#")
    ]


def hubbub_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in commands(page):
            for inner in re.findall(r"\$\((hubbub [^)]*)\)", line):
                yield name_of(page), inner
            if line.startswith("hubbub "):
                yield name_of(page), line


# Links.


def anchors(page: Path) -> set[str]:
    """Give the fragments of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in plain
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        path, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            fragment and target.suffix == ".md" and fragment not in anchors(target)
        ):
            broken.append(link)
    assert not broken


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for link in _LINK.findall(page.read_text()):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.is_file():
                waiting.append(target)
    changes = set((DOCS / "changes").glob("*.md"))
    assert [name_of(page) for page in PAGES if page not in seen | changes] == []


def test_pages_name_no_place_of_ours() -> None:
    places = re.compile(r"/work/|/home/\w|/root/|/tmp/")
    assert [name_of(page) for page in PAGES if places.search(page.read_text())] == []


# Blocks.


@pytest.mark.parametrize(
    "found",
    [found for found in BLOCKS if found.language == "python"],
    ids=lambda found: f"{found.page}:{found.text[:30].splitlines()[0]}",
)
def test_python_can_be_read(found: Block) -> None:
    compile(found.text, found.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "found",
    [found for found in BLOCKS if found.language in {"toml", "json"}],
    ids=lambda found: f"{found.page}:{found.text[:30].splitlines()[0]}",
)
def test_toml_and_json_can_be_read(found: Block) -> None:
    (tomllib.loads if found.language == "toml" else json.loads)(found.text)


@pytest.mark.parametrize(
    ("page", "line"), sorted(set(hubbub_commands())), ids=lambda text: text
)
def test_a_hubbub_command_is_understood(page: str, line: str) -> None:
    del page
    words = shlex.split(re.sub(r'"\$\([^)]*\)"', "value", line))
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    name, *rest = words[1:]
    program.commands[name].make_context(name, rest).close()  # parses, runs nothing


# The README.


def test_start_is_two_commands_that_make_knows() -> None:
    text = README.read_text()
    section = text.partition("## Start\n")[2].partition("\n## ")[0]
    (fenced,) = _FENCE.findall(section)
    assert fenced[2].splitlines() == ["make serve", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for target in ("serve", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


# Programs of the pages, run as the reader runs them.


class Program:
    """A command line of a page, in a folder where its files are."""

    def __init__(
        self,
        line: str,
        folder: Path,
        env: Mapping[str, str],
        seconds: float = SECONDS,
    ) -> None:
        self.said: list[str] = []
        self._process = subprocess.Popen(
            shlex.split(line),
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watchdog = threading.Timer(seconds, self._process.kill)
        self._watchdog.start()

    def await_line(self, text: str) -> str:
        """Wait for a line of output that holds a text."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was never said: {''.join(self.said)}")

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Close its input and wait for its exit."""
        out, _ = self._process.communicate()
        self.said.append(out)
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with contextlib.suppress(ValueError):  # read to its end already
            self._process.communicate()
        self._watchdog.cancel()


class Reader:
    """Someone who follows a page: in a folder, with a gateway on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What stands in the pages works on the default port, which may be taken here.
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HUBBUB_PORT": "0",
        }
        self.place = OURS

    def write(self, page: Path, *titles: str) -> None:
        for title in titles:
            text = block(page, title).replace(OURS, self.place)
            (self.folder / title).write_text(text)

    def run(self, line: str, seconds: float = SECONDS) -> Program:
        return Program(line, self.folder, self.env, seconds)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Program]:
        """Start ``hubbub serve`` as the pages do, without any option."""
        with self.run("hubbub serve") as gateway:
            self.place = gateway.await_line("ready ").split("//")[1].strip()
            self.env["HUBBUB_CONNECTION_STRING"] = (
                f"Endpoint=http://{self.place};AccessKey={DEVELOPMENT_KEY};Version=1.0;"
            )
            yield gateway

    def value(self, line: str) -> str:
        """Run a short ``hubbub`` command in this process, which is quicker."""
        with contextlib.chdir(self.folder):
            words = shlex.split(line)[1:]
            result = CliRunner().invoke(app, words, env=self.env)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def the_command(page: Path, beginning: str) -> str:
    """Find a command of a page; a test runs only what stands there."""
    (line,) = {line for line in commands(page) if line.startswith(beginning)}
    return line


@pytest.mark.node
def test_the_tour_works(reader: Reader) -> None:
    with reader.serving():
        reader.write(README, "listen.mjs", "publish.py")
        (reader.folder / "node_modules").symlink_to(NODE / "node_modules")
        line = the_command(README, "node listen.mjs")
        token = re.findall(r"\$\((hubbub [^)]*)\)", line)[0]
        url = reader.value(token)
        with reader.run(f"node listen.mjs {url}") as client:
            client.await_line("listening")
            with reader.run(the_command(README, "python publish.py")) as server:
                assert server.end() == 0, server.said
            assert "lobby { text: 'hello from Python' }" in client.await_line("lobby")
    assert "lobby { text: 'hello from Python' }" in README.read_text()


def test_the_first_gateway_works(reader: Reader) -> None:
    page = TUTORIALS / "first-gateway.md"
    with reader.serving() as gateway:
        reader.write(page, "client.py")
        with reader.run(the_command(page, "hubbub listen")) as listener:
            listener.await_line("listening to lobby")
            for line in commands(page):
                if line.startswith("hubbub publish"):
                    reader.value(line)
            assert listener.await_line("[lobby]") == "[lobby] hello\n"
            assert listener.await_line("[server]") == '[server] {"price": 3}\n'
            with reader.run(the_command(page, "hubbub connect")) as alice:
                alice.type("join lobby")
                alice.type("send lobby good morning")
                alice.await_line("[lobby] alice: good morning")
                alice.type("quit")
                assert alice.end() == 0
            listener.await_line("[lobby] alice: good morning")
            for line in commands(page):
                if line.startswith("hubbub token"):
                    assert reader.value(line).startswith("ws://")
            url = reader.value("hubbub token --role webpubsub.sendToGroup")
            with reader.run(f"python client.py {url}") as client:
                client.await_line("connected")
                client.await_line("{'type': 'ack', 'ackId': 1, 'success': True}")
            listener.await_line("from a program")
            gateway.signal(signal.SIGINT)
            assert listener.end() == 1
            assert gateway.end() == 0


def test_the_first_handler_works(reader: Reader) -> None:
    page = TUTORIALS / "first-handler.md"
    reader.write(page, "lobby.py", "hubbub.toml")
    with reader.run(the_command(page, "hubbub check")) as check:
        assert check.end() == 0, check.said
    with reader.serving() as gateway:
        with reader.run("hubbub connect") as nobody:
            nobody.await_line("status 401")
            assert nobody.end() == 1
        gateway.await_line("401 a name, please")
        with reader.run("hubbub connect --user alice") as alice:
            alice.await_line("[lobby] alice is here")
            alice.type('event price {"sku": "a"}')
            alice.await_line('[server] price? You sent {"sku": "a"}')
            file = reader.folder / "hubbub.toml"
            file.write_text(file.read_text().replace('"*"', '"order.*"'))
            gateway.signal(signal.SIGHUP)
            gateway.await_line("settings reloaded")
            alice.type("event price {}")
            alice.await_line("No event handler")
            alice.type("quit")
            alice.end()


def test_the_fixture_of_the_readme_works(reader: Reader) -> None:
    reader.write(README, "test_orders.py")
    with reader.run(f"{the_command(README, 'pytest')} -q -p no:cacheprovider") as tests:
        assert tests.end() == 0, tests.said
        assert "1 passed" in "".join(tests.said)


def test_the_server_of_the_readme_works(reader: Reader) -> None:
    reader.write(README, "server.py")
    with reader.serving():
        string = shlex.quote(reader.env["HUBBUB_CONNECTION_STRING"])
        with (
            reader.run(f"python server.py {string}") as server,
            reader.run("hubbub connect --user alice") as alice,
        ):
            server.await_line("attached")
            alice.type("send lobby hello")
            alice.await_line("[lobby] alice: hello")
            alice.type("send lobby HELLO")
            alice.await_line("please be quiet")
            alice.type("quit")
            alice.end()


def test_the_custom_actors_work(reader: Reader) -> None:
    page = TUTORIALS / "custom-actor.md"
    reader.write(page, "polite.py", "poll.py", "clock.py", "hubbub.toml")
    with reader.run(the_command(page, "hubbub check")) as check:
        assert check.end() == 0, check.said
    with reader.serving():
        with reader.run(the_command(page, "hubbub connect --user")) as alice:
            alice.type("join time")
            alice.await_line("[time] tick")
            for line in ("join results", 'event vote "tea"', "join polite.tea"):
                alice.type(line)
            alice.await_line('[results] "tea" leads with 1')
            alice.type("send polite.tea more tea")
            alice.await_line("[polite.tea] alice: more tea, please")
            alice.type("send polite.tea MORE TEA")
            alice.await_line("Forbidden")
            alice.type("quit")
            alice.end()
        with reader.run("hubbub connect") as stranger:
            stranger.type("join polite.tea")
            stranger.await_line("Forbidden")
            stranger.type("quit")
            stranger.end()


def test_the_script_for_ci_works(reader: Reader) -> None:
    (script,) = [
        found.text
        for found in blocks(DOCS / "howto" / "test-with-hubbub.md")
        if found.language == "bash"
    ]
    publish = 'hubbub publish hello --all --connection-string "$PUBSUB"'
    assert "npm test" in script
    (reader.folder / "job.sh").write_text(script.replace("npm test", publish))
    with reader.run("bash -e job.sh") as job:
        assert job.end() == 0, job.said
        assert "published" in "".join(job.said)


def test_the_settings_for_production_are_valid(reader: Reader) -> None:
    reader.write(DOCS / "howto" / "run-in-production.md", "hubbub.toml")
    for name in ("primary.key", "secondary.key"):
        (reader.folder / name).write_text(f"{name}-0123456789-0123456789-0123456789\n")
    assert "hubbub.toml is fine" in reader.value("hubbub check hubbub.toml")


# Tables that say what is in the code.

_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text() if path.is_file() else "")
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_proof_of_compatibility_exists() -> None:
    text = (DOCS / "reference" / "compatibility.md").read_text()
    proofs = _TEST.findall(text)
    assert proofs
    known = {
        file: functions(ROOT / "tests" / file) for file in {file for file, _ in proofs}
    }
    missing = [f"{file}::{name}" for file, name in proofs if name not in known[file]]
    assert not missing


def test_every_yes_has_a_proof() -> None:
    text = (DOCS / "reference" / "compatibility.md").read_text()
    text = text.partition("\n## Connecting\n")[2]
    rows = [line for line in text.splitlines() if "| yes |" in line]
    assert rows
    assert [row for row in rows if not _TEST.search(row)] == []


CLOSES = range(1000, 1016)
REFUSALS = range(400, 600)
UNSEEN = {"The client left during the handshake."}
"""Nobody is there to read it."""


def reasons() -> Iterator[tuple[int, str]]:
    """Find codes with their words in what closes sockets or refuses handshakes."""
    files = [
        *(ROOT / "actors").rglob("*.py"),
        *(ROOT / "transport" / "subprotocols").glob("*.py"),
        *(ROOT / "transport" / f"{n}.py" for n in ("admission", "door", "front_door")),
        ROOT / "transport" / "session.py",
    ]
    for file in files:
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                for pair in itertools.pairwise(call.args):
                    match pair:
                        case (
                            ast.Constant(value=int(code)),
                            ast.Constant(value=str(text))
                            | ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]),
                        ):
                            yield code, text


def test_every_code_and_its_words_stand_in_the_reference() -> None:
    page = (DOCS / "reference" / "close-codes.md").read_text()
    found = {
        (code, text)
        for code, text in reasons()
        if (code in CLOSES or code in REFUSALS) and text not in UNSEEN
    }
    assert len(found) > 20
    assert [
        (code, text)
        for code, text in sorted(found)
        if f"| {code}" not in page or text not in page
    ] == []


# Decisions and changes.


def test_a_decision_says_context_decision_and_consequences() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    for number, page in enumerate(decisions, 1):
        text = page.read_text()
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. "), page.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], page.name


def test_a_change_is_one_sentence() -> None:
    for page in (DOCS / "changes").glob("*.md"):
        assert page.name.split(".")[-2] in {"added", "changed", "fixed", "removed"}
        text = page.read_text()
        assert text.endswith(".\n"), page.name
        assert text.count("\n") == 1, page.name
