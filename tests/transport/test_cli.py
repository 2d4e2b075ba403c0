"""The command line without a network: usage, check, token, what serve says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from hubbub.transport.cli import app
from hubbub.transport.cli_messages import one_line
from hubbub.transport.cli_options import DEVELOPMENT_STRING
from hubbub.transport.cli_output import visible
from hubbub.transport.configuration import DEVELOPMENT_KEY
from hubbub.transport.wire.audience import audience_matches
from hubbub.transport.wire.tokens import Keyring, client_claims, verify
from support.gateway import KEY

CLI_REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HUBBUB = Path(sys.executable).with_name("hubbub")

GOOD_FILE = f"""
access_key = "{KEY}"
[hubs.chat]
anonymous = true
[[hubs.chat.handlers]]
url = "https://app.example.com/hook?code=s3cret"
user_events = "*"
"""


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=dict(environment))


def claims_of(token: str, hub: str = "chat", key: str = DEVELOPMENT_KEY) -> object:
    claims = verify(
        token,
        Keyring(key),
        now=time.time(),
        audience=lambda aud: audience_matches(
            aud,
            endpoints=["http://127.0.0.1:8080", "https://x.example"],
            segments=("client", "hubs", hub),
        ),
    )
    return client_claims(claims)


# --- usage ---


def test_version_is_that_of_the_package() -> None:
    assert run("version").stdout == f"hubbub {version('hubbub')}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "--prot", "1"], "No such option"),
        (["serve", "--port", "x"], "Invalid value"),
        (["nonsense"], "No such command"),
        (["token", "--minutes", "0"], "Invalid value"),
        (["token", "--hub", "9"], "expected a hub name"),
        (["token", "--connection-string", "x"], "error: A part of the connection"),
        (["token", "--connection-string", "Endpoint=http://a;"], "no AccessKey"),
        (
            ["token", "--connection-string", "Endpoint=http://a;AccessKey=short;"],
            "at least 32",
        ),
        (["publish", "--all"], "give one message"),
        (["publish", "a", "--json-data", "1", "--all"], "give one message"),
        (["publish", "a"], "give one target"),
        (["publish", "a", "--all", "--group", "g"], "give one target"),
        (["publish", "--json-data", "{", "--all"], "expected JSON"),
        (["publish", "--binary", "/no/such", "--all"], "no such file"),
        (["publish", "a", "--group", " "], "expected a group name"),
        (["listen", " "], "expected a group name"),
        (["listen", "--count", "0"], "Invalid value"),
    ],
)
def test_wrong_usage_is_told_on_stderr_with_exit_code_2(
    arguments: list[str], expected: str
) -> None:
    result = run(*arguments, COLUMNS="200")
    assert result.exit_code == 2
    assert expected in result.stderr
    assert not result.stdout


def test_the_reference_lists_every_command_and_flag() -> None:
    text = CLI_REFERENCE.read_text()
    sections = {part.split("\n")[0]: part for part in text.split("\n## ")}
    shared = sections["Options of client commands"]
    commands = get_command(app).commands  # type: ignore[attr-defined]
    missing = [
        f"{name} {flag}"
        for name, command in commands.items()
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
        and flag != "--help"
        and f"`{flag}" not in sections[name]
        and f"`{flag}" not in shared
    ]
    assert missing == []


def test_python_m_runs_the_same_program() -> None:
    command = [sys.executable, "-m", "hubbub.transport", "version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"hubbub {version('hubbub')}\n"


# --- check ---


def test_check_shows_a_good_file_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "good.toml"
    file.write_text(GOOD_FILE)
    result = run("check", str(file), COLUMNS="200")
    assert result.exit_code == 0
    assert "good.toml is fine" in result.stdout
    assert "https://app.example.com/hook?... (*)" in result.stdout
    for secret in (KEY, "s3cret"):
        assert secret not in result.stdout


def test_the_installed_program_refuses_a_bad_file_with_exit_code_2(
    tmp_path: Path,
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("\nprot = 3\n[limits]\nhead_seconds = 'x'\n")
    result = subprocess.run(
        [HUBBUB, "check", file], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert not result.stdout
    place = f"{file}:4: limits.head_seconds"
    assert result.stderr.splitlines() == [
        f"error: {file}:2: prot: unknown key; did you mean port?",
        f"error: {place}: expected seconds above 0 and up to 86400, got 'x'",
    ]


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (
            "[[hubs.a.handlers]]\nhandler = 'no.such:Class'\nuser_events = '*'",
            "handler 1 of hub a: cannot import no.such",
        ),
        (
            "[[hubs.a.handlers]]\nhandler = 'json:JSONDecoder'\nuser_events = '*'",
            "is not a subclass of EventHandler",
        ),
        ("tls_cert = 'bad.toml'\ntls_key = 'bad.toml'", "expected a PEM certificate"),
    ],
)
def test_check_tries_what_settings_refer_to(
    tmp_path: Path, toml: str, expected: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(toml)
    result = run("check", str(file))
    assert result.exit_code == 2
    assert expected in result.stderr


def test_a_handler_class_of_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lobby_of_test_cli.py").write_text(
        "from hubbub.actors.handler import EventHandler\n"
        "class Lobby(EventHandler):\n"
        "    pass\n"
    )
    (tmp_path / "hubbub.toml").write_text(
        "[[hubs.a.handlers]]\nhandler = 'lobby_of_test_cli:Lobby'\nuser_events = '*'"
    )
    assert run("check").exit_code == 0


# --- token ---


def test_token_prints_a_client_url_for_the_gateway_of_this_machine() -> None:
    url = run("token").stdout.strip()
    address, _, token = url.partition("?access_token=")
    assert address == "ws://127.0.0.1:8080/client/hubs/chat"
    assert claims_of(token)


def test_token_carries_user_roles_groups_and_minutes() -> None:
    token = run(
        *("token", "--bare", "--user", "alice", "--minutes", "2", "--hub", "Room"),
        *("--role", "webpubsub.sendToGroup", "--role", "webpubsub.joinLeaveGroup"),
        *("--group", "a", "--group", "b c"),
    ).stdout.strip()
    claims = claims_of(token, "Room")
    assert claims.user_id == "alice"  # type: ignore[attr-defined]
    assert claims.groups == ("a", "b c")  # type: ignore[attr-defined]
    assert len(claims.roles) == 2  # type: ignore[attr-defined]
    times = claims.claims  # type: ignore[attr-defined]
    assert int(times["exp"][0]) - int(times["iat"][0]) == 120


def test_token_takes_gateway_and_hub_from_the_environment() -> None:
    place = f"Endpoint=https://x.example;AccessKey={KEY};Version=1.0;"
    result = run("token", "--json", HUBBUB_CONNECTION_STRING=place, HUBBUB_HUB="news")
    printed = json.loads(result.stdout)
    assert printed["url"].startswith("wss://x.example/client/hubs/news?")
    assert claims_of(printed["token"], "news", KEY)


def test_token_says_when_a_role_grants_nothing() -> None:
    result = run("token", "--bare", "--role", "sendToGroup")
    assert "sendToGroup grants nothing" in result.stderr
    assert result.stdout.count("\n") == 1


# --- output ---


def test_the_development_string_is_what_a_plain_serve_prints() -> None:
    expected = (
        f"Endpoint=http://127.0.0.1:8080;AccessKey={DEVELOPMENT_KEY};Version=1.0;"
    )
    assert expected == DEVELOPMENT_STRING


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2Jclear", "\\x1b[2Jclear"),
        ("\u202eright to left", "\\u202eright to left"),
    ],
)
def test_a_strangers_text_cannot_control_the_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_json_on_one_line_is_the_same_json() -> None:
    text = '{\r\n  "a": "x\\ny",\n "b": 1.0}'
    assert "\n" not in one_line(text)
    assert json.loads(one_line(text)) == json.loads(text)
