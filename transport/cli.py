"""The program ``hubbub``: its commands, and those of them that need no network.

Exit codes: 0 done, 1 refused or no connection, 2 wrong usage or configuration,
130 interrupted. Annotations are read when the program runs: no postponed evaluation.
"""

from importlib.metadata import version as version_of
from typing import Annotated

import msgspec
import typer

from hubbub.transport.cli_check import load_and_try, summarize
from hubbub.transport.cli_clients import listen, publish
from hubbub.transport.cli_connect import connect
from hubbub.transport.cli_options import (
    DEFAULT_HUB,
    DEVELOPMENT_STRING,
    ConnectionStringOption,
    HubOption,
    UserOption,
    client_token,
    gateway_at,
)
from hubbub.transport.cli_output import errors_for_people, hint, out, result
from hubbub.transport.cli_peers import peers
from hubbub.transport.cli_scenarios import scenarios
from hubbub.transport.cli_secret import secret
from hubbub.transport.cli_serve import serve
from hubbub.transport.cli_trace import trace
from hubbub.transport.configuration import CONFIG_FILE, Flags
from hubbub.transport.wire.audience import client_url

app = typer.Typer(
    help="Self-hosted realtime messaging, wire-compatible with Azure Web PubSub.",
    epilog="Exit codes: 0 done, 1 refused or no connection, 2 wrong usage or "
    "configuration, 130 interrupted.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(serve)

KNOWN_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


@app.command()
def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The settings file.")
    ] = CONFIG_FILE,
) -> None:
    """Read settings as serve would, here and now, and show what they add up to."""
    with errors_for_people():
        settings = load_and_try(Flags(config=file))
    result(f"{file} is fine")
    for table in summarize(settings):
        out.print(table)


@app.command()
def token(  # noqa: PLR0913, PLR0917 - a parameter for each flag, as typer wants it
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE", help="What the client may do, as webpubsub.sendToGroup."
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A group the client is in from the start."),
    ] = None,
    minutes: Annotated[
        int, typer.Option(min=1, metavar="N", help="How long the token is valid.")
    ] = 60,
    bare: Annotated[
        bool, typer.Option("--bare", help="Print the token alone, not a client URL.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print url and token as a JSON object.")
    ] = False,
    user: UserOption = None,
    hub: HubOption = DEFAULT_HUB,
    connection_string: ConnectionStringOption = DEVELOPMENT_STRING,
) -> None:
    """Sign a token and print the URL with which a client connects."""
    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
    for name in role or ():
        if not name.startswith("webpubsub."):
            hint(f"{name} grants nothing; roles are as {' or '.join(KNOWN_ROLES)}")
    signed = client_token(
        gateway,
        hub,
        user=user,
        roles=role or (),
        groups=group or (),
        minutes=minutes,
    )
    url = client_url(gateway.endpoint, hub, signed)
    if as_json:
        result(msgspec.json.encode({"url": url, "token": signed}).decode())
    else:
        result(signed if bare else url)


app.command()(connect)
app.command()(publish)
app.command()(listen)
app.command()(peers)
app.command()(trace)
app.command()(scenarios)
app.command()(secret)


@app.command()
def version() -> None:
    """Print the version."""
    result(f"hubbub {version_of('hubbub')}")


def main() -> None:
    """Run the program with the arguments of the process."""
    app(prog_name="hubbub")
