"""HTTP calls to one webhook: kept-alive connections, a bound, retries.

Source: the service's event handler reference (retries, keep-alive). Here are sockets;
what a call says, and what its answer means, is not known here.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
from yarl import URL

from hubbub.transport.cookies import Cookies
from hubbub.transport.wire.webhook_answers import ANSWER_LIMIT, Answer, Headers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

IDLE_SECONDS: Final = 4.0
"""How long an idle connection is kept; servers on Node close theirs after five."""
HEADER_LENGTH: Final = 32 << 10
"""Longest header read: longer than a state may be, so that we are who refuses it."""

_USER_AGENT: Final = f"hubbub/{version('hubbub')}"
_REQUEST_TIMEOUT: Final = 408
_SERVER_ERRORS: Final = 500
_CONNECTION_ERRORS: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)

logger = logging.getLogger(__name__)


class UndeliveredError(aiohttp.ClientError):
    """Says why an event was not sent, or its answer not read, and will not be."""


class Call(msgspec.Struct, frozen=True):
    """One HTTP request; ``connection_id`` says whose cookies it carries."""

    method: str
    url: str
    headers: Headers
    body: bytes = b""
    connection_id: str | None = None


class Caller:
    """Sends calls over kept-alive connections, again where that may help.

    Args:
        concurrency: Calls of events under way at a time.
        delays: Seconds before each retry.
        tls: How servers are verified; None trusts the usual authorities.
    """

    def __init__(
        self, concurrency: int, delays: tuple[float, ...], tls: ssl.SSLContext | None
    ) -> None:
        self.cookies = Cookies()
        self._slots = asyncio.Semaphore(concurrency)
        self._delays = delays
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the slots are the limit; consent needs none
                keepalive_timeout=IDLE_SECONDS,
                ssl=True if tls is None else tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": _USER_AGENT},
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
            max_line_size=HEADER_LENGTH,
            max_field_size=HEADER_LENGTH,
            trace_configs=[trace],
        )

    async def send(self, call: Call) -> Answer:
        """Send an event's call, after those that wait already.

        Raises:
            UndeliveredError: The answer is too long.
            OSError, aiohttp.ClientError: Nobody answered, retries included.
        """
        return await self._repeat(partial(self._in_slot, call))

    async def ask(self, call: Call) -> Answer:
        """Send a call that does not wait for others; as ``send`` otherwise."""
        return await self._repeat(partial(self._attempt, call))

    async def close(self) -> None:
        """Close the kept connections."""
        await self._session.close()

    async def _repeat(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        for delay in self._delays:
            try:
                answer = await attempt()
            except _CONNECTION_ERRORS as error:
                logger.debug("retry in %s s after %s", delay, type(error).__name__)
            else:
                if answer.status != _REQUEST_TIMEOUT and answer.status < _SERVER_ERRORS:
                    return answer
                logger.debug("retry in %s s after status %d", delay, answer.status)
            await asyncio.sleep(delay)
        return await attempt()

    async def _in_slot(self, call: Call) -> Answer:
        async with self._slots:
            return await self._attempt(call)

    async def _attempt(self, call: Call) -> Answer:
        """Send once; twice if a kept connection turns out to be closed."""
        reused: list[bool] = []
        try:
            return await self._exchange(call, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not reused:
                raise
        return await self._exchange(call, [])

    async def _exchange(self, call: Call, reused: list[bool]) -> Answer:
        url, who = URL(call.url, encoded=True), call.connection_id
        cookies = () if who is None else self.cookies.header(who, url)
        async with self._session.request(
            call.method,
            url,
            headers=(*call.headers, *cookies),
            data=call.body,
            allow_redirects=False,
            trace_request_ctx=reused,
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise UndeliveredError("its answer is too long")
            answer = Answer(
                response.status, tuple(response.headers.items()), bytes(body)
            )
            if who is not None and answer.succeeded:
                self.cookies.keep(who, response)
            return answer


async def _note_reuse(_session: Any, context: Any, _parameters: Any) -> None:
    context.trace_request_ctx.append(True)
