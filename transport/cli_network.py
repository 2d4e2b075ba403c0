"""What ``hubbub publish`` and ``hubbub listen`` do over the network.

Loaded when one of them is called: the HTTP client takes a quarter of a second.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from yarl import URL

from hubbub.transport.cli_messages import describe, one_line
from hubbub.transport.cli_output import FailedError, hint, result
from hubbub.transport.cli_session import cancelled, connected, refusal, unreachable
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from hubbub.transport.cli_session import Session
    from hubbub.transport.wire.connection_string import ConnectionString

API_VERSION = "2024-12-01"
_ACCEPTED = 202
_REST_SECONDS = 30.0


async def post(
    gateway: ConnectionString, url: str, content_type: str, body: bytes
) -> None:
    """Post a message to the REST interface.

    Raises:
        FailedError: It is not there, or refuses.
    """
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


async def print_messages(
    address: str,
    groups: list[str],
    as_json: bool,
    number: int | None,
    seconds: float | None,
) -> None:
    """Print messages until there were enough, or time is up.

    Raises:
        FailedError: The connection ended, or there were too few in time.
    """
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
