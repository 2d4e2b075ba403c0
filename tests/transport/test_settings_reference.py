"""The reference pages name every setting, with the defaults in force."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hubbub.transport import config_tables
from hubbub.transport.cluster_secret import new_secret, write_secret
from hubbub.transport.config_environment import ENVIRONMENT, OTHER_VARIABLES
from hubbub.transport.settings import (
    HandlerSettings,
    HubSettings,
    Limits,
    Settings,
)
from support.settings import KEY, OTHER_KEY, settings_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


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
    for struct in (Limits, HandlerSettings, HubSettings):
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
    write_secret(tmp_path / "cluster.secret", new_secret())
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
