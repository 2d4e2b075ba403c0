"""``hubbub connect``: a client to talk with by hand, or from a script's stdin.

Annotations are read when the program runs: no postponed evaluation here.
"""

import asyncio
from typing import Annotated

import typer

from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    JOIN_AND_SEND,
    ConnectionStringOption,
    HubOption,
    UserOption,
    address_for,
    gateway_at,
)
from hubbub.transport.cli_output import errors_for_people


def connect(
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="A role of the client; without, it may join and send to any group.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line.")
    ] = False,
    user: UserOption = None,
    hub: HubOption = DEFAULT_HUB,
    connection_string: ConnectionStringOption = DEVELOPMENT_STRING,
) -> None:
    """Connect a client: type commands, see messages as they come.

    Commands: join GROUP, leave GROUP, send GROUP TEXT, event NAME JSON, help, quit.
    When they come from a file or pipe, a failed one makes the exit code 1.
    """
    from hubbub.transport.cli_conversation import converse  # noqa: PLC0415 - slow

    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
        address = address_for(gateway, hub, user, role or JOIN_AND_SEND)
        asyncio.run(converse(address, as_json))
