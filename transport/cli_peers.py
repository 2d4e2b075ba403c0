"""``hubbub peers``: shows the mesh as one gateway sees it.

Annotations are read when the program runs: no postponed evaluation here.
"""

import asyncio
from typing import Annotated

import typer

from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    ConnectionStringOption,
    gateway_at,
)
from hubbub.transport.cli_output import errors_for_people


def peers(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print what the gateway says, a line of JSON."),
    ] = False,
    watch: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="SECONDS", help="Ask again and again, so often."),
    ] = None,
    connection_string: ConnectionStringOption = DEVELOPMENT_STRING,
) -> None:
    """Show the peers of a gateway: who is up, what is on its way, what was lost."""
    from hubbub.transport.cli_peers_network import show  # noqa: PLC0415 - slow

    with errors_for_people():
        # The key is checked as for other commands; the mesh belongs to no hub.
        gateway = gateway_at(connection_string, DEFAULT_HUB)
        asyncio.run(show(gateway, as_json=as_json, every=watch))
