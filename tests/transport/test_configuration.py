"""Settings from file, environment and flags: what counts, and what errors say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport import config_tables
from hubbub.transport.config_environment import ENVIRONMENT, OTHER_VARIABLES
from hubbub.transport.configuration import (
    DEVELOPMENT_KEY,
    ConfigurationError,
    Flags,
    config_path,
    is_loopback,
    load,
    uses_development_key,
)
from hubbub.transport.settings import (
    HandlerSettings,
    HubSettings,
    Limits,
    Settings,
)

KEY = "an-access-key-of-the-tests-0123456789"
OTHER_KEY = "another-key-of-the-tests-0123456789ab"
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def settings_of(
    folder: Path, toml: str, environ: dict[str, str] | None = None, **flags: object
) -> Settings:
    file = folder / "hubbub.toml"
    file.write_text(toml)
    return load(Flags(config=str(file), **flags), environ or {})  # type: ignore[arg-type]


def fault_of(
    folder: Path, toml: str, environ: dict[str, str] | None = None, **flags: object
) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings_of(folder, toml, environ, **flags)
    return str(caught.value).replace(f"{folder}/", "")


# --- what counts ---


def test_without_anything_the_defaults_and_the_development_key_hold() -> None:
    settings = load(Flags(), {})
    assert settings.keys.all() == (DEVELOPMENT_KEY,)
    assert uses_development_key(settings)
    assert settings.demo
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.hub("anything") == HubSettings()


def test_the_demo_page_is_off_with_a_key_of_ones_own_unless_asked_for() -> None:
    assert not load(Flags(access_key=(KEY,)), {}).demo
    assert load(Flags(access_key=(KEY,), demo=True), {}).demo
    assert not load(Flags(demo=False), {}).demo


LAYERS = st.tuples(*[st.none() | st.integers(1, 65_535)] * 3)


@given(ports=LAYERS)
def test_flags_override_environment_overrides_file_overrides_defaults(
    tmp_path_factory: pytest.TempPathFactory,
    ports: tuple[int | None, int | None, int | None],
) -> None:
    in_file, in_environment, in_flags = ports
    settings = settings_of(
        tmp_path_factory.mktemp("layers"),
        "" if in_file is None else f"port = {in_file}",
        {} if in_environment is None else {"HUBBUB_PORT": str(in_environment)},
        port=in_flags,
    )
    given_ones = [port for port in reversed(ports) if port is not None]
    assert settings.port == (given_ones or [8080])[0]


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("HUBBUB_HOST", "::1", "host", "::1"),
        ("HUBBUB_PORT", "81", "port", 81),
        (
            "HUBBUB_ENDPOINT",
            "https://a.example/, https://b.example/base",
            "endpoints",
            ("https://a.example", "https://b.example/base"),
        ),
        ("HUBBUB_COMPRESSION", "yes", "compression", True),
        ("HUBBUB_KEEP_ALIVE", "2.5", "keep_alive", 2.5),
        ("HUBBUB_DRAIN_SECONDS", "3", "drain_seconds", 3.0),
        ("HUBBUB_LOG_FORMAT", "JSON", "log_format", "json"),
        ("HUBBUB_LOG_LEVEL", "debug", "log_level", "debug"),
        ("HUBBUB_DEMO", "1", "demo", True),
    ],
)
def test_a_variable_sets_its_key(
    variable: str, text: str, key: str, value: object
) -> None:
    settings = load(Flags(), {variable: text, "HUBBUB_ACCESS_KEY": KEY})
    assert getattr(settings, key) == value


def test_an_empty_variable_counts_as_absent() -> None:
    assert load(Flags(), {"HUBBUB_PORT": "", "HUBBUB_CONFIG": ""}).port == 8080


def test_variables_that_kubernetes_adds_for_a_service_of_our_name_are_no_errors() -> (
    None
):
    environ = {
        "HUBBUB_PORT": "tcp://10.0.0.1:80",
        "HUBBUB_PORT_80_TCP": "tcp://10.0.0.1:80",
        "HUBBUB_PORT_80_TCP_ADDR": "10.0.0.1",
        "HUBBUB_SERVICE_HOST": "10.0.0.1",
        "HUBBUB_SERVICE_PORT_HTTP": "80",
    }
    assert load(Flags(), environ).port == 8080


def test_client_variables_are_no_errors() -> None:
    load(Flags(), {"HUBBUB_CONNECTION_STRING": "x", "HUBBUB_HUB": "y", "PATH": "z"})


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("port = 9000")
    assert load(Flags(), {"HUBBUB_CONFIG": str(file)}).port == 9000


def test_hubbub_toml_in_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path(Flags(), {}) is None
    (tmp_path / "hubbub.toml").write_text("port = 9001")
    assert load(Flags(), {}).port == 9001


def test_two_access_key_flags_are_primary_and_secondary() -> None:
    settings = load(Flags(access_key=(KEY, OTHER_KEY)), {})
    assert settings.keys.all() == (KEY, OTHER_KEY)


def test_keys_can_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "second.key").write_text(f"{OTHER_KEY}\n")
    settings = settings_of(
        tmp_path,
        'access_key = { env = "MINE" }\nsecondary_key = { file = "second.key" }',
        {"MINE": KEY},
    )
    assert settings.keys.all() == (KEY, OTHER_KEY)


def test_a_reload_reads_key_files_anew(tmp_path: Path) -> None:
    file = tmp_path / "first.key"
    for key in (KEY, OTHER_KEY):
        file.write_text(key)
        settings = settings_of(tmp_path, 'access_key = { file = "first.key" }')
        assert settings.keys.primary == key


def test_paths_in_a_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    settings = settings_of(tmp_path, 'tls_cert = "cert.pem"\ntls_key = "key.pem"')
    assert settings.tls_cert == str(tmp_path / "cert.pem")


def test_a_webhook_url_may_refer_to_the_environment(tmp_path: Path) -> None:
    toml = """
[[hubs.Chat.handlers]]
url = "https://x.example/{event}?code=${CODE}"
user_events = "*"
"""
    settings = settings_of(tmp_path, toml, {"CODE": "s3"})
    (handler,) = settings.hubs["chat"].handlers
    assert handler.url == "https://x.example/{event}?code=s3"


def test_hubs_take_from_default_what_they_do_not_say(tmp_path: Path) -> None:
    toml = """
[default]
anonymous = true
origins = ["https://A.example"]
[hubs.chat]
anonymous = false
"""
    settings = settings_of(tmp_path, toml)
    chat = HubSettings(anonymous=False, origins=("https://a.example",))
    assert settings.hub("chat") == chat
    assert settings.hub("other") == msgspec.structs.replace(chat, anonymous=True)


def test_named_hub_flags_close_all_others(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "[hubs.filed]", hub=("Chat", "news"))
    assert set(settings.hubs) == {"chat", "news", "filed"}
    assert settings.hub("another") is None


def test_a_handler_flag_without_patterns_gets_every_event() -> None:
    settings = load(Flags(handler=("chat=http://x.example/hook?a=b",)), {})
    (handler,) = settings.hubs["chat"].handlers
    assert handler == HandlerSettings(
        url="http://x.example/hook?a=b",
        user_events="*",
        system_events=("connect", "connected", "disconnected"),
    )


def test_a_handler_flag_with_patterns_gets_these_alone() -> None:
    flags = Flags(handler=("chat=shop.lobby:Lobby",), user_events="order.*")
    (handler,) = load(flags, {}).hubs["chat"].handlers
    assert handler == HandlerSettings(handler="shop.lobby:Lobby", user_events="order.*")


def test_handler_flags_of_a_hub_keep_their_order_and_replace_those_of_the_file(
    tmp_path: Path,
) -> None:
    toml = '[[hubs.chat.handlers]]\nurl = "http://old.example"\nuser_events = "*"'
    settings = settings_of(tmp_path, toml, handler=("chat=a:A", "chat=b:B"))
    names = [handler.handler for handler in settings.hubs["chat"].handlers]
    assert names == ["a:A", "b:B"]


def test_a_handler_flag_for_every_hub_yields_to_that_of_one_hub() -> None:
    settings = load(Flags(handler=("*=a:A", "chat=b:B"), hub=("chat", "news")), {})
    assert settings.hubs["chat"].handlers[0].handler == "b:B"
    assert settings.hubs["news"].handlers[0].handler == "a:A"
    assert settings.default.handlers[0].handler == "a:A"


@pytest.mark.parametrize(
    ("environ", "flag", "expected"),
    [
        ({}, None, False),
        ({}, True, True),
        ({"HUBBUB_ALLOW_ANONYMOUS": "true"}, None, True),
        ({"HUBBUB_ALLOW_ANONYMOUS": "true"}, False, False),
    ],
)
def test_the_anonymous_policy_of_flag_and_environment_is_that_of_every_hub(
    tmp_path: Path, environ: dict[str, str], flag: bool | None, expected: bool
) -> None:
    settings = settings_of(tmp_path, "[hubs.chat]", environ, allow_anonymous=flag)
    assert settings.hubs["chat"].anonymous is expected
    assert settings.default.anonymous is expected


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


# --- the development key stays at home ---


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_the_development_key_is_fine_on_loopback(host: str) -> None:
    assert is_loopback(host)
    assert load(Flags(host=host), {}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
@pytest.mark.parametrize("keys", [(), (DEVELOPMENT_KEY,), (KEY, DEVELOPMENT_KEY)])
def test_the_development_key_is_refused_anywhere_else(
    host: str, keys: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError, match="set an access key of your own"):
        load(Flags(host=host, access_key=keys), {})


def test_the_development_key_is_refused_behind_a_public_endpoint() -> None:
    with pytest.raises(ConfigurationError, match=r"^pubsub\.example\.com can be"):
        load(Flags(endpoint=("https://pubsub.example.com",)), {})


def test_a_key_of_ones_own_may_be_used_anywhere() -> None:
    assert load(Flags(host="0.0.0.0", access_key=(KEY,)), {}).host == "0.0.0.0"


# --- nothing is forgotten ---


def test_every_setting_has_a_key_in_the_file() -> None:
    renamed = {"keys": ("access_key", "secondary_key")}
    tables = {"limits", "default", "hubs"}
    keys = {
        key
        for field in Settings.__struct_fields__
        if field not in tables
        for key in renamed.get(field, (field,))
    }
    assert keys == set(config_tables.GATEWAY)
    assert set(Limits.__struct_fields__) == set(config_tables.LIMITS)
    assert set(HandlerSettings.__struct_fields__) == set(config_tables.HANDLER)
    assert set(HubSettings.__struct_fields__) == {*config_tables.HUB, "handlers"}


def test_every_top_level_key_has_a_variable() -> None:
    assert {key for key, _ in ENVIRONMENT.values()} == set(config_tables.GATEWAY)


def test_the_reference_lists_every_key_and_variable() -> None:
    text = (REFERENCE / "settings.md").read_text()
    keys = {
        *config_tables.GATEWAY,
        *config_tables.LIMITS,
        *config_tables.HUB,
        *config_tables.HANDLER,
        *ENVIRONMENT,
        *OTHER_VARIABLES,
    }
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def test_the_reference_states_the_defaults_in_force() -> None:
    rows = {
        cells[0].strip(" `"): cells[1].strip()
        for line in (REFERENCE / "settings.md").read_text().splitlines()
        if line.startswith("| `") and len(cells := line.strip("| ").split("|")) > 2
    }
    for struct in (Limits, HandlerSettings):
        for field in msgspec.structs.fields(struct):
            if isinstance(field.default, bool):
                assert rows[field.name] == f"`{field.default}`".lower(), field.name
            elif isinstance(field.default, int | float):
                assert float(rows[field.name].strip("`")) == field.default, field.name


def test_the_sample_file_of_the_reference_is_valid_and_complete(
    tmp_path: Path,
) -> None:
    sample = (REFERENCE / "hubbub.toml").read_text()
    for name in ("fullchain.pem", "privkey.pem", "internal-ca.pem"):
        (tmp_path / name).touch()
    (tmp_path / "secondary.key").write_text(OTHER_KEY)
    environ = {"PUBSUB_KEY": KEY, "WEBHOOK_CODE": "c"}
    settings = settings_of(tmp_path, sample, environ)
    assert settings.limits == Limits()
    assert settings.hubs["kiosk"].anonymous
    assert len(settings.hubs["chat"].handlers) == 2
    keys = {
        *config_tables.GATEWAY,
        *config_tables.LIMITS,
        *config_tables.HUB,
        *config_tables.HANDLER,
    }
    lines = sample.splitlines()
    assert [
        key for key in keys if not any(line.startswith(f"{key} =") for line in lines)
    ] == []
