"""What ``hubbub peers`` does over the network.

Loaded when it is called: the HTTP client takes a quarter of a second.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
from yarl import URL

from hubbub.actors.messages.mesh import MeshView
from hubbub.transport.cli_output import FailedError, complain, out, result
from hubbub.transport.cli_peers_table import print_mesh
from hubbub.transport.cli_session import refusal, unreachable
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from hubbub.transport.wire.connection_string import ConnectionString

_SECONDS: Final = 30.0
_OK: Final = 200
_NOT_FOUND: Final = 404


async def show(
    gateway: ConnectionString, *, as_json: bool, every: float | None
) -> None:
    """Print what the gateway says of its mesh.

    Args:
        gateway: Whom to ask.
        as_json: Whether to print its words as they are.
        every: Seconds until it is asked again; None asks once. A gateway that has
            answered may be away for a while.

    Raises:
        FailedError: It is not there, or refuses.
    """
    _print(await _ask(gateway), as_json=as_json)
    while every is not None:
        await asyncio.sleep(every)
        try:
            said = await _ask(gateway)
        except FailedError as error:
            complain(str(error))
        else:
            if out.is_terminal:
                out.clear()
            _print(said, as_json=as_json)


async def _ask(gateway: ConnectionString) -> bytes:
    url = f"{gateway.endpoint}/api/peers"
    token = mint(gateway.access_key, audience=url, now=time.time(), lifetime=60)
    headers = {"Authorization": f"Bearer {token}"}
    whole = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=whole) as http,
            http.get(URL(url, encoded=True), headers=headers) as response,
        ):
            if response.status == _NOT_FOUND:
                raise FailedError(f"there is nothing at {url}: is it a hubbub gateway?")
            if response.status != _OK:
                raise FailedError(refusal(response.status, ""))
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise FailedError(unreachable(url, error)) from error


def _print(said: bytes, *, as_json: bool) -> None:
    try:
        view = msgspec.json.decode(said, type=MeshView)
    except msgspec.MsgspecError as error:
        raise FailedError(f"what is there is no gateway: {error}") from error
    if as_json:
        result(said.decode())
    else:
        print_mesh(view)
