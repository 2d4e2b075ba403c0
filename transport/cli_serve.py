"""``hubbub serve``: starts a gateway and says how to use it.

Annotations are read when the program runs: no postponed evaluation here.
"""

import os
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer
from rich.rule import Rule
from rich.text import Text

from hubbub.transport import logs
from hubbub.transport.cli_check import load_and_try
from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    JOIN_AND_SEND,
    address_for,
)
from hubbub.transport.cli_output import err, errors_for_people, result, say
from hubbub.transport.configuration import (
    DEVELOPMENT_KEY,
    Flags,
    config_path,
)
from hubbub.transport.settings import Settings
from hubbub.transport.trace import tracing
from hubbub.transport.wire.connection_string import (
    ConnectionString,
    format_connection_string,
)

_NETWORK = "Network"
_EVENTS = "Hubs and event handlers"
_OUTPUT = "Output"


def serve(  # noqa: PLR0913, PLR0917 - a parameter for each flag, as typer wants it
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The settings file; without, hubbub.toml if there is one.",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="HOST",
            help="The address to listen on (127.0.0.1).",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            help="The port to listen on (8080); 0 takes a free one.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A public URL of the gateway; the first stands in connection strings.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    access_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="The access key; given twice, primary and secondary. Other users of "
            "this machine can see it: HUBBUB_ACCESS_KEY is safer.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    tls_cert: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Certificate chain (PEM).",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    tls_key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Private key (PEM).", rich_help_panel=_NETWORK
        ),
    ] = None,
    compression: Annotated[
        bool | None,
        typer.Option(
            "--compression/--no-compression",
            help="Offer permessage-deflate (no).",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    keep_alive: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time between pings to a client (20).",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    hub: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A hub that exists; with any given, no others do.",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    handler: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HUB=URL|module:Class",
            help="Who answers a hub's events; the hub * stands for every hub.",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    user_events: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="User events that go to the handlers, as 'order.*, message'.",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    system_events: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Of connect, connected, disconnected. Neither given: all events.",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    allow_anonymous: Annotated[
        bool | None,
        typer.Option(
            "--allow-anonymous/--no-allow-anonymous",
            help="Let clients in without a token (no).",
            rich_help_panel=_EVENTS,
        ),
    ] = None,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Serve the demo page (only with the development key).",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="text|json", help="How to log (text).", rich_help_panel=_OUTPUT
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="debug, info, warning or error (info).",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write down what the actors tell each other, as lines of JSON.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    show_key: Annotated[
        bool,
        typer.Option(
            "--show-key",
            help="Print your own key in the connection string, not asterisks.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
) -> None:
    """Start a gateway; Ctrl+C stops it.

    Flags override HUBBUB_* variables, these the settings file, that the defaults. A
    line "ready ENDPOINT" goes to stdout once the port accepts connections.
    """
    flags = Flags(
        config=config,
        host=host,
        port=port,
        endpoint=tuple(endpoint or ()),
        access_key=tuple(access_key or ()),
        hub=tuple(hub or ()),
        handler=tuple(handler or ()),
        user_events=user_events,
        system_events=system_events,
        allow_anonymous=allow_anonymous,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log_format=log_format,
        log_level=log_level,
        compression=compression,
        keep_alive=keep_alive,
        demo=demo,
    )
    raise typer.Exit(_run(flags, show_key=show_key, trace=trace))


def _run(flags: Flags, *, show_key: bool, trace: Path | None) -> int:
    with errors_for_people(), tracing(trace) as recorder:
        settings = load_and_try(flags)
        logs.set_up(settings.log_format, settings.log_level)
        from hubbub.transport.serve import run  # noqa: PLC0415 - slow; others need it not

        path = config_path(flags, os.environ)
        return run(
            settings,
            reload=partial(load_and_try, flags),
            announce=partial(_announce, settings, path, show_key),
            trace=recorder,
        )


def _announce(
    settings: Settings, path: Path | None, show_key: bool, endpoint: str
) -> None:
    """Say that the gateway is ready: to people on stderr, to scripts on stdout."""
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
    if shown:
        text = format_connection_string(endpoint, gateway.access_key)
        address = address_for(gateway, hub, "me", JOIN_AND_SEND)
        facts += [("connection string", text), ("client URL", address)]
        page = f"{endpoint}/#url={quote(address, safe='')}"
    else:
        text = f"Endpoint={endpoint};AccessKey={logs.MASK};Version=1.0;"
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
