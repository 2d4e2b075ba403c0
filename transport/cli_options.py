"""Options that several client commands share, and what they lead to.

Annotations are read when the program runs: no postponed evaluation here.
"""

import time
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer

from hubbub.actors.policy.names import is_group_name
from hubbub.transport.config_values import MisfitError, access_key, hub_name
from hubbub.transport.configuration import DEVELOPMENT_KEY
from hubbub.transport.wire.audience import client_audience_url, client_url
from hubbub.transport.wire.connection_string import (
    ConnectionString,
    format_connection_string,
    parse_connection_string,
)
from hubbub.transport.wire.tokens import mint

DEVELOPMENT_STRING = format_connection_string("http://127.0.0.1:8080", DEVELOPMENT_KEY)
"""Where a plain ``hubbub serve`` on this machine is."""

JOIN_AND_SEND = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
"""Roles that let a client join, leave and publish to any group."""

ConnectionStringOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--connection-string",
        envvar="HUBBUB_CONNECTION_STRING",
        metavar="TEXT",
        show_default="a gateway on this machine",
        help="Where the gateway is, with its key: Endpoint=...;AccessKey=...;",
    ),
]
HubOption: TypeAlias = Annotated[
    str, typer.Option("--hub", envvar="HUBBUB_HUB", metavar="NAME", help="The hub.")
]
UserOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--user", metavar="ID", help="The user id; anonymous without."),
]

DEFAULT_HUB = "chat"


def gateway_at(connection_string: str, hub: str) -> ConnectionString:
    """Read the connection string, and check the hub's name beside it.

    Raises:
        BadParameter: There can be no such hub or key.
        ConnectionStringError: It is not one.
    """
    try:
        hub_name(hub)
    except MisfitError as error:
        raise typer.BadParameter(str(error), param_hint="--hub") from error
    gateway = parse_connection_string(connection_string)
    try:
        access_key(gateway.access_key)
    except MisfitError as error:
        said = f"its AccessKey: {error}"
        raise typer.BadParameter(said, param_hint="--connection-string") from error
    return gateway


def check_group(name: str) -> None:
    """Check the name of a group.

    Raises:
        BadParameter: There can be no such group.
    """
    if not is_group_name(name):
        said = "expected a group name of 1 to 1024 characters, not all blank"
        raise typer.BadParameter(said)


def client_token(
    gateway: ConnectionString,
    hub: str,
    *,
    user: str | None = None,
    roles: Iterable[str] = (),
    groups: Iterable[str] = (),
    minutes: float = 60,
) -> str:
    """Sign a token for a client."""
    return mint(
        gateway.access_key,
        audience=client_audience_url(gateway.endpoint, hub),
        now=time.time(),
        lifetime=minutes * 60,
        user_id=user,
        roles=roles,
        groups=groups,
    )


def address_for(
    gateway: ConnectionString, hub: str, user: str | None, roles: Iterable[str]
) -> str:
    """Make the URL that a client opens, with a token of an hour."""
    token = client_token(gateway, hub, user=user, roles=roles)
    return client_url(gateway.endpoint, hub, token)
