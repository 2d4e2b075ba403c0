"""A terminal client's connection: ``json.webpubsub.azure.v1`` over aiohttp."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from hubbub.transport.cli_output import FailedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SUBPROTOCOL = "json.webpubsub.azure.v1"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 30.0
_LARGEST = 16 << 20
_HEARTBEAT = 20.0

_HINTS = {
    401: "the gateway does not accept this key or endpoint: take the connection "
    "string that `hubbub serve` printed",
    403: "this origin or address is not allowed here",
    404: "is this hub among those of the gateway, and the address right?",
    413: "the message is too large for this gateway",
    429: "the gateway has all the connections it wants; try later",
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """Why a request failed."""

    name: str = ""
    message: str = ""


class Frame(msgspec.Struct, frozen=True, rename="camel"):
    """Anything the gateway says; absent fields are None."""

    type: str
    event: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    group: str | None = None
    from_user_id: str | None = None
    data_type: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    ack_id: int | None = None
    success: bool | None = None
    error: ErrorDetail | None = None
    message: str | None = None
    connection_id: str | None = None
    user_id: str | None = None


class Session:
    """One connection.

    Requests and messages may be awaited at the same time, by different tasks.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._arrived: asyncio.Queue[tuple[Frame, str] | None] = asyncio.Queue()
        self._reading = asyncio.ensure_future(self._read())
        self.ending = "the gateway closed the connection"
        """Why there are no more messages."""

    async def request(self, **message: Any) -> None:
        """Send a request and wait for its ack.

        Raises:
            FailedError: It was refused, or the connection ended before.
        """
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        content = msgspec.json.encode({**message, "ackId": number})
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if self._reading.done():
                    raise FailedError(self.ending)
                await self._socket.send_str(content.decode())
                ack = await answer
        except TimeoutError:
            text = f"no answer within {_ANSWER_SECONDS:g} seconds"
            raise FailedError(text) from None
        except aiohttp.ClientConnectionError:
            raise FailedError(self.ending) from None
        finally:
            del self._waiting[number]
        error = ack.error or ErrorDetail()
        if not ack.success and error.name != "Duplicate":
            raise FailedError(f"{error.name}: {error.message}")

    async def messages(self) -> AsyncIterator[tuple[Frame, str]]:
        """Give what arrives, except acks, each with its text, until the end."""
        while (arrived := await self._arrived.get()) is not None:
            yield arrived

    async def close(self) -> None:
        """Say goodbye, and wait for the answer."""
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(message.data)
        except msgspec.DecodeError:
            self.ending = f"this server does not speak {SUBPROTOCOL}"
        finally:
            self._end()

    def _take(self, text: str) -> None:
        frame = msgspec.json.decode(text, type=Frame)
        if frame.type == "ack":
            answer = self._waiting.get(frame.ack_id or 0)
            if answer is not None and not answer.done():
                answer.set_result(frame)
            return
        if frame.type == "system" and frame.event == "disconnected":
            self.ending = f"disconnected: {frame.message}"
        self._arrived.put_nowait((frame, text))

    def _end(self) -> None:
        code = self._socket.close_code
        if code is not None:
            self.ending += f" (close code {code})"
        self._arrived.put_nowait(None)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(FailedError(self.ending))


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Session]:
    """Connect to a client URL for as long as the block lasts.

    Raises:
        FailedError: There is no connection.
    """
    with_timeouts = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=with_timeouts) as http:
        try:
            socket = await http.ws_connect(
                URL(address, encoded=True),
                protocols=(SUBPROTOCOL,),
                heartbeat=_HEARTBEAT,
                max_msg_size=_LARGEST,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise FailedError(refusal(error.status, "")) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FailedError(unreachable(address, error)) from error
        session = Session(socket)
        try:
            if socket.protocol != SUBPROTOCOL:
                raise FailedError(f"this server does not speak {SUBPROTOCOL}")
            yield session
        finally:
            await session.close()


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def refusal(status: int, detail: str) -> str:
    """Say that the gateway answered no."""
    said = f"the gateway refused with status {status}"
    more = "; ".join(filter(None, (detail, _HINTS.get(status))))
    return f"{said}: {more}" if more else said


def unreachable(address: str, error: Exception) -> str:
    """Say that there is no gateway at an address."""
    parts = urlsplit(address)
    port = parts.port or {"http": 80, "ws": 80}.get(parts.scheme, 443)
    where = f"cannot connect to {parts.hostname}:{port}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"{where}: its certificate is not trusted here; if it is from an "
                "authority of your own, name that in SSL_CERT_FILE"
            )
        case aiohttp.ClientConnectorDNSError():
            return f"{where}: there is no such host"
        case aiohttp.ClientConnectorSSLError():
            return f"{where}: TLS failed; does this gateway speak http, not https?"
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int(number))):
            reason = os.strerror(number).lower()
        case TimeoutError():
            reason = f"no answer within {_CONNECT_SECONDS:g} seconds"
        case _:
            return f"{where}: what is there is no gateway, or wants https"
    return f"{where}: {reason}; is the gateway running? start one with: hubbub serve"
