"""``hubbub publish`` and ``hubbub listen``: a client for scripts and pipes.

Annotations are read when the program runs: no postponed evaluation here.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    JOIN_AND_SEND,
    ConnectionStringOption,
    HubOption,
    UserOption,
    address_for,
    check_group,
    gateway_at,
)
from hubbub.transport.cli_output import errors_for_people


def publish(  # noqa: PLR0913, PLR0917 - a parameter for each flag, as typer wants it
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The message, as text.")
    ] = None,
    json_data: Annotated[
        str | None, typer.Option(metavar="JSON", help="The message, as JSON.")
    ] = None,
    binary: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The message, as bytes; - reads stdin."),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="To every client of the hub.")
    ] = False,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="To the members of a group.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="To the connections of a user.")
    ] = None,
    connection: Annotated[
        str | None, typer.Option(metavar="ID", help="To one connection.")
    ] = None,
    hub: HubOption = DEFAULT_HUB,
    connection_string: ConnectionStringOption = DEVELOPMENT_STRING,
) -> None:
    """Publish a message through the REST interface, as a server does."""
    from hubbub.transport.cli_network import post  # noqa: PLC0415 - slow

    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
        content_type, body = _content(text, json_data, binary)
        path = _path(everyone, group, user, connection)
        url = f"{gateway.endpoint}/api/hubs/{quote(hub, safe='')}{path}/:send"
        asyncio.run(post(gateway, url, content_type, body))


def listen(
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="GROUP", help="Groups to join."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line.")
    ] = False,
    number: Annotated[
        int | None,
        typer.Option("--count", min=1, metavar="N", help="Stop after N messages."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Stop after so long; with --count, too few messages are a failure.",
        ),
    ] = None,
    user: UserOption = None,
    hub: HubOption = DEFAULT_HUB,
    connection_string: ConnectionStringOption = DEVELOPMENT_STRING,
) -> None:
    """Join groups and print each message; messages to all or to the user come too."""
    from hubbub.transport.cli_network import print_messages  # noqa: PLC0415 - slow

    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
        for group in groups or ():
            check_group(group)
        address = address_for(gateway, hub, user, JOIN_AND_SEND)
        asyncio.run(print_messages(address, groups or [], as_json, number, timeout))


def _content(
    text: str | None, json_data: str | None, binary: str | None
) -> tuple[str, bytes]:
    """Take the one message there must be."""
    match (text, json_data, binary):
        case (str(), None, None):
            return "text/plain; charset=utf-8", text.encode()
        case (None, str(), None):
            try:
                msgspec.json.decode(json_data)
            except msgspec.DecodeError as error:
                said = f'expected JSON, as {{"price": 3}} ({error})'
                raise typer.BadParameter(said, param_hint="--json-data") from error
            return "application/json", json_data.encode()
        case (None, None, str()):
            return "application/octet-stream", _bytes_of(binary)
    raise typer.BadParameter("give one message: TEXT, --json-data or --binary")


def _bytes_of(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        said = f"{file}: {(error.strerror or 'cannot be read').lower()}"
        raise typer.BadParameter(said, param_hint="--binary") from error


def _path(
    everyone: bool, group: str | None, user: str | None, connection: str | None
) -> str:
    """Take the one target there must be."""
    if group is not None:
        check_group(group)
    named = {"groups": group, "users": user, "connections": connection}
    paths = [f"/{kind}/{quote(name, safe='')}" for kind, name in named.items() if name]
    if everyone:
        paths.append("")
    if len(paths) != 1:
        raise typer.BadParameter(
            "give one target: --all, --group, --user or --connection"
        )
    return paths[0]
