"""Settings from file, environment and flags: what counts, and what errors say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from support.settings import KEY, OTHER_KEY, settings_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


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
