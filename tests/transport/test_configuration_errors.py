"""What errors in settings say: where, what was expected, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubbub.transport.configuration import (
    ConfigurationError,
    Flags,
    load,
)
from support.settings import KEY, OTHER_KEY, fault_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


# --- what errors say ---

FILE_FAULTS = [
    ("prot = 1", "hubbub.toml:1: prot: unknown key; did you mean port?"),
    ("\nport = 'x'", "hubbub.toml:2: port: expected a whole number from 0 to 65535"),
    ("port = true", "expected a whole number from 0 to 65535, got True"),
    ("port = 70000", "got 70000"),
    ("host = 'a:80'", "host: expected a host name or IP address"),
    ("host = ''", "host: expected a host name or IP address"),
    ("compression = 'on'", "compression: expected true or false, got 'on'"),
    ("keep_alive = 0", "keep_alive: expected seconds above 0"),
    ("keep_alive = nan", "keep_alive: expected seconds above 0"),
    ("log_format = 'xml'", "log_format: expected one of text, json"),
    ("endpoints = 'https://a.example'", "endpoints: expected a list"),
    ("endpoints = ['a.example']", 'expected a URL as "https://pubsub.example.com"'),
    ("endpoints = ['ws://a.example']", "endpoints: expected a URL"),
    ("endpoints = ['http://a.example?x=1']", "without user, query and fragment"),
    ("endpoints = ['http://a.example:port']", "endpoints: expected a URL"),
    ("access_key = 'short'", "access_key: expected a key of at least 32 bytes"),
    ("access_key = 3", 'expected a text, { env = "NAME" } or { file = "path" }'),
    ("access_key = { enw = 'X' }", '{ env = "NAME" } or { file = "path" }'),
    ("access_key = { env = 'NOPE' }", "the environment variable NOPE is not set"),
    ("access_key = { file = 'nope' }", "access_key: cannot read"),
    ("tls_cert = 'nope.pem'", "tls_cert: expected the path of a file that exists"),
    ("limits = 3", "hubbub.toml:1: limits: expected a table, as [limits]"),
    ("[limits]\nstash = 0", "hubbub.toml:2: limits.stash: expected a whole number"),
    ("[limits]\nqueue_byte = 1", "limits.queue_byte: unknown key; did you mean"),
    ("anonymous = true", "anonymous: this key belongs in [default] or [hubs.NAME]"),
    ("[hubs.chat]\nport = 1", "hubs.chat.port: this key belongs at the top"),
    ("hubs = []", "hubs: expected tables, as [hubs.chat]"),
    ("[hubs.9]", "hubbub.toml:1: hubs.9: expected a hub name"),
    ("[hubs.a]\n[hubs.A]", "hubbub.toml:2: hubs.A: this hub is there already"),
    ("[hubs.a]\norigins = ['x']", "expected an origin as"),
    ("[hubs.a]\norigins = ['https://x.example/path']", "without a path"),
    ("[hubs.a.handlers]\nurl = 'x'", "expected tables, as [[hubs.a.handlers]]"),
    ("open_hubs = false", "open_hubs is false and no hub is named"),
    ("secondary_key = '" + OTHER_KEY + "'", "secondary_key is set, but access_key"),
    ("port = \nx = 1", "hubbub.toml:1: not valid TOML: invalid value (column 8)"),
    ("port = 1\nport = 2\n", "hubbub.toml:2: not valid TOML: cannot overwrite a value"),
    ("x = '''", "not valid TOML: "),
]


@pytest.mark.parametrize(("toml", "expected"), FILE_FAULTS)
def test_a_fault_in_a_file_names_its_line_its_key_and_what_was_expected(
    tmp_path: Path, toml: str, expected: str
) -> None:
    assert expected in fault_of(tmp_path, toml)


HANDLER_FAULTS = [
    ("user_events = '*'", "hubbub.toml:3: hubs.a.handlers[0]: expected exactly one"),
    ("url = 'http://a.example'", "this handler would get no event"),
    (
        "url = 'http://a.example'\nhandler = 'a:B'\nuser_events = '*'",
        "expected exactly one of url (a webhook) and handler (a class)",
    ),
    ("url = '/path'\nuser_events = '*'", "expected an http or https URL"),
    ("url = 'tunnel:///x'\nuser_events = '*'", "expected an http or https URL"),
    ("url = 'http://{hub}.example'\nuser_events = '*'", "not in the host"),
    ("url = 'http://a.example/{x}'\nuser_events = '*'", "only placeholders"),
    ("url = 'http://a.example/{hub'\nuser_events = '*'", "only placeholders"),
    ("url = 'http://a.example/${NO}'\nuser_events = '*'", "variable NO is not set"),
    ("handler = 'lobby'\nuser_events = '*'", 'expected a class as "module:Class"'),
    ("handler = 'a:B'\nuser_events = 'x\\y*'", "(Invalid escape at position 1.)"),
    ("handler = 'a:B'\nuser_events = 'two words'", "expected event names of letters"),
    ("handler = 'a:B'\nuser_events = ''", "expected a pattern of event names"),
    ("handler = 'a:B'\nsystem_events = ['joined']", "one of connect, connected"),
    ("handler = 'a:B'\nsystem_events = 'connect'", "system_events: expected a list"),
    ("handler = 'a:B'\npresence_events = ['connect']", "one of joined, left"),
    (
        "handler = 'a:B'\nuser_events = '*'\npresence_groups = ['a']",
        "presence_groups needs presence_events",
    ),
    (
        "handler = 'a:B'\npresence_events = ['left']\npresence_groups = ['a\\b']",
        "expected a pattern of group names",
    ),
    ("handler = 'a:B'\nuser_events = '*'\nretries = 1", "retries has no meaning"),
    ("url = 'http://a.example'\nuser_events = '*'\nworkers = 2", "workers has no"),
    ("url = 'http://a.example'\nuser_events = '*'\nretries = 4", "from 0 to 3"),
    ("url = 'http://a.example'\nuser_event = '*'", "did you mean user_events?"),
]


@pytest.mark.parametrize(("toml", "expected"), HANDLER_FAULTS)
def test_a_fault_of_a_handler_is_named(
    tmp_path: Path, toml: str, expected: str
) -> None:
    toml = f"[hubs.a]\n\n[[hubs.a.handlers]]\n{toml}"
    assert expected in fault_of(tmp_path, toml)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HUBBUB_PROT": "1"}, "HUBBUB_PROT: unknown environment variable; did you"),
        ({"HUBBUB_QQQ": "1"}, "known are HUBBUB_HOST"),
        ({"HUBBUB_PORT": "x"}, "HUBBUB_PORT: expected a whole number"),
        ({"HUBBUB_DEMO": "maybe"}, "HUBBUB_DEMO: expected true or false, got 'maybe'"),
        ({"HUBBUB_ALLOW_ANONYMOUS": "2"}, "HUBBUB_ALLOW_ANONYMOUS: expected true"),
        ({"HUBBUB_CONFIG": "/no/such/file"}, "/no/such/file: no such file"),
        ({"HUBBUB_TLS_CERT": __file__}, "tls_cert is set, but tls_key is not"),
        ({"HUBBUB_TLS_KEY": __file__}, "tls_key is set, but tls_cert is not"),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(
    environ: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(Flags(), environ)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (Flags(port=-1), "--port: expected a whole number"),
        (Flags(endpoint=("x",)), "--endpoint: expected a URL"),
        (Flags(access_key=("x",)), "--access-key: expected a key of at least 32"),
        (Flags(access_key=(KEY,) * 3), "--access-key: expected at most two keys"),
        (Flags(hub=("a b",)), "--hub: expected a hub name"),
        (Flags(handler=("chat",)), "--handler: expected HUB=URL or HUB=module:Class"),
        (Flags(handler=("9=a:B",)), "--handler: expected a hub name"),
        (Flags(handler=("chat=x",)), '--handler: expected a class as "module:Class"'),
        (Flags(handler=("chat=a:B",), user_events=""), "would get no event"),
        (Flags(handler=("chat=a:B",), system_events="x"), "--system-events: expected"),
        (Flags(user_events="*"), "say what a --handler gets"),
        (Flags(keep_alive=0.0), "--keep-alive: expected seconds above 0"),
        (Flags(log_level="loud"), "--log-level: expected one of debug"),
    ],
)
def test_a_fault_of_a_flag_names_the_flag(flags: Flags, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(flags, {})
    assert expected in str(caught.value)


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    lines = fault_of(tmp_path, "prot = 1\nhost = 2\n[limits]\nx = 1").splitlines()
    assert len(lines) == 3


def test_lines_are_found_in_awkward_files(tmp_path: Path) -> None:
    toml = '''# port = "in a comment"
endpoints = [
  "http://localhost",
]
log_level = """
port = 1"""
[hubs."a.b"]
"origins" = [ "https://x.example" ]
[[hubs."a.b".handlers]]
handler = "a:B"
user_events = "*"
[[hubs."a.b".handlers]]
handler = "a:B"
user_events = "*"
timeout = 0
[hubs.c]
keep_alive.x = 1
'''
    fault = fault_of(tmp_path, toml)
    assert [line.partition(": expected")[0] for line in fault.splitlines()] == [
        "hubbub.toml:5: log_level",
        'hubbub.toml:15: hubs."a.b".handlers[1].timeout',
        "hubbub.toml:17: hubs.c.keep_alive",
    ]


@pytest.mark.parametrize(
    "secret", ["x" * 31, f" {KEY}", f"{KEY};x", f"{KEY}\t", "ä" * 15]
)
def test_a_bad_key_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(Flags(), {"HUBBUB_ACCESS_KEY": secret})
    assert secret.strip() not in str(caught.value)


def test_a_bad_webhook_url_is_refused_without_showing_its_secret(
    tmp_path: Path,
) -> None:
    toml = "[[hubs.a.handlers]]\nurl = 'htp://a/?code=${S}'\nuser_events = '*'"
    assert "s3cret" not in fault_of(tmp_path, toml, {"S": "s3cret"})
