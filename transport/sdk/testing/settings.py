"""Turns what a test says about its gateway into settings, as a settings file would.

Goes through a file, so that the keys are those of ``hubbub.toml``, and so are the
checks and their words.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbub.transport.configuration import Flags, load
from hubbub.transport.settings import SYSTEM_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.transport.settings import Settings

_DEFAULTS = {"port": 0, "drain_seconds": 2.0}
_PATHS = frozenset({"tls_cert", "tls_key", "ca_file"})
_KINDS = ("user_events", "system_events", "presence_events")


def settings_from(given: Mapping[str, Any]) -> Settings:
    """Read settings; a handler that names no events gets all but presence.

    Args:
        given: As in ``hubbub.toml``; without ``access_key`` one is made up. A
            ``handler`` may be the class itself.

    Raises:
        ConfigurationError: They cannot be used; the text has a line for each problem.
    """
    everything = {"access_key": secrets.token_urlsafe(48), **_DEFAULTS, **given}
    with tempfile.TemporaryDirectory(prefix="hubbub-") as folder:
        path = Path(folder) / "hubbub.toml"
        lines = (f"{key} = {_toml(value, key)}\n" for key, value in everything.items())
        path.write_text("".join(lines), encoding="utf-8")
        return load(Flags(config=str(path)), {})


def _toml(value: object, key: str = "") -> str:
    """Write a value in one line of TOML."""
    match value:
        case dict():
            table = _all_events(value) if _is_handler(value) else value
            pairs = (
                f"{_text(name)} = {_toml(item, name)}"
                for name, item in table.items()
                if item is not None
            )
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple() | set() | frozenset():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case bool() | int() | float():
            return json.dumps(value)
        case type():
            return _text(f"{value.__module__}:{value.__qualname__}")
        case _ if key in _PATHS:
            return _text(str(Path(str(value)).absolute()))
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Write a text: TOML takes JSON's escapes, but wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_handler(table: dict[str, object]) -> bool:
    return "url" in table or "handler" in table


def _all_events(table: dict[str, object]) -> dict[str, object]:
    """Let a handler have every event if it asks for none, as ``--handler`` does."""
    if any(table.get(kind) for kind in _KINDS):
        return table
    return {**table, "user_events": "*", "system_events": SYSTEM_EVENTS}
