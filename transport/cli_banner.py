"""What ``hubbub serve`` says once it is ready, to people and to scripts."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from rich.rule import Rule
from rich.text import Text

from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    JOIN_AND_SEND,
    address_for,
)
from hubbub.transport.cli_output import err, result, say
from hubbub.transport.configuration import DEVELOPMENT_KEY
from hubbub.transport.logs import MASK
from hubbub.transport.wire.connection_string import (
    ConnectionString,
    format_connection_string,
)

if TYPE_CHECKING:
    from hubbub.transport.settings import Settings


def announce(
    settings: Settings, path: Path | None, show_key: bool, endpoint: str
) -> None:
    """Say that the gateway is ready: to people on stderr, to scripts on stdout.

    Args:
        settings: Its settings.
        path: The file they come from, if any.
        show_key: Whether a key of one's own is shown.
        endpoint: Where it is.
    """
    if settings.log_format == "text":
        err.print(Rule("hubbub is running", style="green"))
        for label, value in _facts(settings, path, show_key, endpoint):
            say(Text.assemble((f"{label:<18}", "bold"), value))
        err.print(Rule(style="green"))
    result(f"ready {endpoint}")


def _facts(
    settings: Settings, path: Path | None, show_key: bool, endpoint: str
) -> list[tuple[str, str]]:
    """List what a person wants to know of a gateway that has just started."""
    gateway = ConnectionString(endpoint, settings.keys.primary)
    shown = show_key or gateway.access_key == DEVELOPMENT_KEY
    hub = DEFAULT_HUB if settings.open_hubs else next(iter(settings.hubs))
    facts = [("settings", str(path or "no file"))]
    if settings.workers > 1:
        facts.append(("workers", str(settings.workers)))
    if shown:
        text = format_connection_string(endpoint, gateway.access_key)
        address = address_for(gateway, hub, "me", JOIN_AND_SEND)
        facts += [("connection string", text), ("client URL", address)]
        page = f"{endpoint}/#url={quote(address, safe='')}"
    else:
        text = f"Endpoint={endpoint};AccessKey={MASK};Version=1.0;"
        facts += [("connection string", f"{text}  (--show-key shows the key)")]
        page = f"{endpoint}/"
    if settings.demo:
        facts.append(("demo page", page))
    if urlsplit(endpoint).hostname in {"0.0.0.0", "::"}:  # noqa: S104 - a comparison
        facts.append(("note", "tokens must name this address: better set --endpoint"))
    for index, command in enumerate(_commands(gateway, hub, shown)):
        facts.append(("" if index else "try, elsewhere", command))
    return [*facts, ("stop", "Ctrl+C")]


def _commands(gateway: ConnectionString, hub: str, shown: bool) -> list[str]:
    """Make the commands that show a gateway at work, as they can be pasted."""
    place = "" if hub == DEFAULT_HUB else f" --hub {shlex.quote(hub)}"
    commands = [
        f"{_program()} listen lobby{place}",
        f"{_program()} publish hello --group lobby{place}",
    ]
    text = format_connection_string(gateway.endpoint, gateway.access_key)
    if text != DEVELOPMENT_STRING:
        known = shlex.quote(text) if shown else "'(the connection string)'"
        commands.insert(0, f"export HUBBUB_CONNECTION_STRING={known}")
    return commands


def _program() -> str:
    """Say how this program is called from here."""
    if shutil.which("hubbub"):
        return "hubbub"
    path = Path(sys.argv[0])
    if path.name != "hubbub":
        return "python -m hubbub.transport"
    return min(os.path.relpath(path), str(path.resolve()), key=len)
