"""The event handler that posts CloudEvents to a URL of the application.

Source: the service's event handler reference, sections 2 to 5 and 7. Here are sockets
and clocks; what requests and answers look like is in ``wire.cloudevents``.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
from yarl import URL

from hubbub.actors.handler import AsyncEventHandler
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import event_name
from hubbub.transport.consent import Consent
from hubbub.transport.wire import cloudevents
from hubbub.transport.wire.cloudevents import ANSWER_LIMIT, Answer, Headers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from hubbub.transport.handlers import Webhook

RETRY_DELAYS: Final = (1.0, 3.0, 5.0)
"""Seconds before the retries (event handlers, retries)."""
IDLE_SECONDS: Final = 4.0
"""How long an idle connection is kept; servers on Node close theirs after five."""
COOKIE_CONNECTIONS: Final = 10_000
"""Clients whose cookies are remembered; beyond it the longest unheard are forgotten."""
COOKIE_LENGTH: Final = 4096
"""Longest ``Cookie`` header; a client whose cookies outgrow it loses them."""
HEADER_LENGTH: Final = 32 << 10
"""Longest header read: longer than a state may be, so that we are who refuses it."""

_USER_AGENT: Final = f"hubbub/{version('hubbub')}"
_REQUEST_TIMEOUT: Final = 408
_SERVER_ERRORS: Final = 500
_CONNECTION_ERRORS: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)

logger = logging.getLogger(__name__)


class UndeliveredError(aiohttp.ClientError):
    """Says why an event was not sent, or its answer not read, and will not be."""


_FAILURES: Final = (ValueError, OSError, aiohttp.ClientError)


class Cookies:
    """Cookies a webhook set, by client connection: never shared among clients."""

    def __init__(self, connections: int = COOKIE_CONNECTIONS) -> None:
        self._limit = connections
        self._jars: OrderedDict[str, aiohttp.CookieJar] = OrderedDict()

    def header(self, connection_id: str, url: URL) -> Headers:
        """Give the ``Cookie`` header of a request, or none."""
        jar = self._jars.get(connection_id)
        if jar is None:
            return ()
        self._jars.move_to_end(connection_id)
        morsels = jar.filter_cookies(url).values()
        text = "; ".join(f"{one.key}={one.coded_value}" for one in morsels)
        if len(text) > COOKIE_LENGTH or not text.isascii():
            del self._jars[connection_id]
            return ()
        return (("Cookie", text),) if text else ()

    def keep(self, connection_id: str, response: aiohttp.ClientResponse) -> None:
        """Remember what an answer sets."""
        if not response.cookies:
            return
        jar = self._jars.get(connection_id)
        if jar is None:
            # Applications may live at a bare IP address, which "safe" jars refuse.
            jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
            self._jars[connection_id] = jar
        jar.update_cookies(response.cookies, response.url)
        self._jars.move_to_end(connection_id)
        if len(self._jars) > self._limit:
            self._jars.popitem(last=False)

    def forget(self, connection_id: str) -> None:
        """Forget a client that is gone."""
        self._jars.pop(connection_id, None)


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


class WebhookHandler(AsyncEventHandler):
    """Tells a URL of each event, and reads its answers."""

    def __init__(self, webhook: Webhook) -> None:
        super().__init__()
        self._webhook = webhook
        self._label = webhook.template.label
        self._under_way = 0

    def on_start(self) -> None:
        """Open the pool of connections."""
        webhook, settings = self._webhook, self._webhook.settings
        delays = webhook.delays[: settings.retries]
        self._caller = Caller(settings.concurrency, delays, webhook.tls())
        now = self.dispatcher.now
        self._consent = Consent(self._label, webhook.origin, self._ask, now)

    def on_stop(self) -> None:
        """Close the pool."""
        self._consent.cancel()
        self.dispatcher.start(self._caller.close())

    async def on_connect(self, event: events.Connect) -> events.Accept | events.Reject:
        """Let the webhook decide on a client."""
        try:
            return cloudevents.connect_outcome(await self._tell(event))
        except _FAILURES as error:
            self._log(event, error)
            return events.Reject(500, "The event handler failed.")

    async def on_event(self, event: events.UserEvent) -> events.Respond | events.Fail:
        """Let the webhook answer an event."""
        try:
            return cloudevents.event_outcome(await self._tell(event))
        except _FAILURES as error:
            self._log(event, error)
            return events.Fail("The event handler failed.")

    async def on_disconnected(self, event: events.Disconnected) -> None:
        """Tell the webhook, and forget the client's cookies."""
        await self._notify(event)
        self._caller.cookies.forget(event.client.connection_id)

    async def _notify(self, event: events.Notice) -> None:
        try:
            answer = await self._tell(event)
        except _FAILURES as error:
            self._log(event, error)
        else:
            if not answer.succeeded:
                self._log(event, UndeliveredError(f"status {answer.status}"))

    on_connected = on_joined = on_left = _notify

    async def _tell(self, event: events.Event) -> Answer:
        settings = self._webhook.settings
        if self._under_way >= settings.concurrency + settings.queue:
            raise UndeliveredError("too many events wait for it")
        self._under_way += 1
        try:
            async with asyncio.timeout(settings.timeout):
                if settings.validate and not await self._consent.given():
                    raise UndeliveredError("it has not consented")
                return await self._caller.send(self._call(event))
        finally:
            self._under_way -= 1

    def _call(self, event: events.Event) -> Call:
        webhook, connection_id = self._webhook, event.client.connection_id
        keys = webhook.live.settings.keys.all()
        request = cloudevents.request(
            event,
            webhook.template.fill(event.client.hub, event_name(event)),
            origin=webhook.origin,
            sign=cloudevents.signature(connection_id, keys),
            now=time.time(),
            guid=str(uuid.uuid4()),
        )
        return Call("POST", request.url, request.headers, request.body, connection_id)

    async def _ask(self, method: str, headers: Headers) -> Answer:
        url = self._webhook.template.fill(self.hub.name, "validate")
        return await self._caller.ask(Call(method, url, headers))

    def _log(self, event: events.Event, error: Exception) -> None:
        logger.warning(
            "webhook %s failed at %s of connection %s: %s",
            self._label,
            event_name(event),
            event.client.connection_id,
            _described(error),
        )


def _described(error: Exception) -> str:
    """Say what went wrong; the text of a ClientError may hold the whole URL."""
    match error:
        case UndeliveredError():
            return str(error)
        case OSError() | aiohttp.ClientError():
            return getattr(error, "strerror", None) or type(error).__name__
        case _:
            return str(error)
