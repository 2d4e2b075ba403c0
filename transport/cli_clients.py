"""``hubbub publish`` and ``hubbub listen``: a client for scripts and pipes.

Annotations are read when the program runs: no postponed evaluation here.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import aiohttp
import msgspec
import typer
from yarl import URL

from hubbub.transport.cli_messages import describe, one_line
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
from hubbub.transport.cli_output import FailedError, errors_for_people, hint, result
from hubbub.transport.cli_session import (
    Session,
    cancelled,
    connected,
    refusal,
    unreachable,
)
from hubbub.transport.wire.connection_string import ConnectionString
from hubbub.transport.wire.tokens import mint

API_VERSION = "2024-12-01"
_ACCEPTED = 202
_REST_SECONDS = 30.0


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
    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
        content_type, body = _content(text, json_data, binary)
        path = _path(everyone, group, user, connection)
        url = f"{gateway.endpoint}/api/hubs/{quote(hub, safe='')}{path}/:send"
        asyncio.run(_post(gateway, url, content_type, body))


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
    with errors_for_people():
        gateway = gateway_at(connection_string, hub)
        for group in groups or ():
            check_group(group)
        address = address_for(gateway, hub, user, JOIN_AND_SEND)
        asyncio.run(_listen(address, groups or [], as_json, number, timeout))


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


async def _post(
    gateway: ConnectionString, url: str, content_type: str, body: bytes
) -> None:
    token = mint(gateway.access_key, audience=url, now=time.time(), lifetime=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    whole = aiohttp.ClientTimeout(total=_REST_SECONDS)
    address = URL(f"{url}?api-version={API_VERSION}", encoded=True)
    try:
        async with (
            aiohttp.ClientSession(timeout=whole) as http,
            http.post(address, data=body, headers=headers) as response,
        ):
            if response.status != _ACCEPTED:
                raise FailedError(refusal(response.status, await _detail(response)))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FailedError(unreachable(url, error)) from error
    hint("published")


async def _detail(response: aiohttp.ClientResponse) -> str:
    """Read what the gateway says is wrong."""
    try:
        body = msgspec.json.decode(await response.read(), type=dict[str, object])
    except msgspec.MsgspecError:
        return ""
    return str(body.get("message") or "")


async def _listen(
    address: str,
    groups: list[str],
    as_json: bool,
    number: int | None,
    seconds: float | None,
) -> None:
    """Print messages until there were enough, or time is up."""
    try:
        async with asyncio.timeout(seconds), connected(address) as session:
            printing = asyncio.ensure_future(_print(session, as_json, number))
            try:
                for group in groups:
                    await session.request(type="joinGroup", group=group)
                hint(f"listening to {', '.join(groups) or 'messages to all and to me'}")
                await printing
            finally:
                await cancelled(printing)
    except TimeoutError:
        if number is not None:
            said = f"not {number} messages within {seconds:g} seconds"
            raise FailedError(said) from None


async def _print(session: Session, as_json: bool, number: int | None) -> None:
    seen = 0
    async for frame, text in session.messages():
        if frame.type == "message":
            result(one_line(text) if as_json else describe(frame))
            seen += 1
            if seen == number:
                return
    raise FailedError(session.ending)
