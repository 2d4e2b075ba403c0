"""``hubbub serve``: starts a gateway and says how to use it.

Annotations are read when the program runs: no postponed evaluation here.
"""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hubbub.transport import logs
from hubbub.transport.cli_banner import announce
from hubbub.transport.cli_check import load_and_try
from hubbub.transport.cli_output import errors_for_people
from hubbub.transport.configuration import (
    ConfigurationError,
    Flags,
    config_path,
)
from hubbub.transport.trace import tracing

_NETWORK = "Network"
_MESH = "Several processes and machines"
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
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Processes that serve the port together (1); auto: one for each core.",
            rich_help_panel=_MESH,
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ENDPOINTS",
            help="Other gateways of the service, as tcp://a:7000,tcp://b:7000; one "
            "that lives is enough.",
            rich_help_panel=_MESH,
        ),
    ] = None,
    peer_listen: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="Where other gateways reach this one, as tcp://0.0.0.0:7000.",
            rich_help_panel=_MESH,
        ),
    ] = None,
    peer_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="What other gateways are told to dial (--peer-listen).",
            rich_help_panel=_MESH,
        ),
    ] = None,
    discover: Annotated[
        str | None,
        typer.Option(
            metavar="dns://NAME:PORT",
            help="A name whose every address is a gateway; looked up all the time.",
            rich_help_panel=_MESH,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the gateways of a service call it (hubbub).",
            rich_help_panel=_MESH,
        ),
    ] = None,
    cluster_secret: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The secret of these gateways; hubbub secret makes one.",
            rich_help_panel=_MESH,
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
        peers=tuple(peers or ()),
        peer_listen=peer_listen,
        peer_endpoint=peer_endpoint,
        discover=discover,
        cluster=cluster,
        cluster_secret=cluster_secret,
        workers=workers,
    )
    raise typer.Exit(_run(flags, show_key=show_key, trace=trace))


def _run(flags: Flags, *, show_key: bool, trace: Path | None) -> int:
    with errors_for_people():
        settings = load_and_try(flags)
        if settings.workers > 1 and trace is not None:
            raise ConfigurationError(
                f"--trace shows one process, but workers is {settings.workers}: "
                "add --workers 1"
            )
        logs.set_up(settings.log_format, settings.log_level)
        path = config_path(flags, os.environ)
        say_ready = partial(announce, settings, path, show_key)
        again = partial(load_and_try, flags)
        if settings.workers > 1:
            from hubbub.transport.workers import supervise  # noqa: PLC0415 - seldom

            return supervise(settings, flags, reload=again, announce=say_ready)
        from hubbub.transport.serve import run  # noqa: PLC0415 - slow; others need it not

        with tracing(trace) as recorder:
            return run(settings, reload=again, announce=say_ready, trace=recorder)
