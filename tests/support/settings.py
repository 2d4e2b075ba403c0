"""Settings from the text of a file, and keys to put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hubbub.transport.configuration import ConfigurationError, Flags, load

if TYPE_CHECKING:
    from pathlib import Path

    from hubbub.transport.settings import Settings

KEY = "an-access-key-of-the-tests-0123456789"
OTHER_KEY = "another-key-of-the-tests-0123456789ab"


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
