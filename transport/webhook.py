"""The event handler that posts CloudEvents to a URL of the application.

Asks for consent, bounds what waits, and gives each event its deadline. How calls travel
is in ``webhook_caller``; what they say and mean in ``wire.cloudevents`` and
``wire.webhook_answers``.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING, Final

import aiohttp

from hubbub.actors.handler import AsyncEventHandler
from hubbub.actors.messages import events
from hubbub.actors.policy.routes import event_name
from hubbub.transport.consent import Consent
from hubbub.transport.webhook_caller import Call, Caller, UndeliveredError
from hubbub.transport.wire import cloudevents, webhook_answers

if TYPE_CHECKING:
    from hubbub.transport.handlers import Webhook
    from hubbub.transport.wire.webhook_answers import Answer, Headers

_FAILURES: Final = (ValueError, OSError, aiohttp.ClientError)

logger = logging.getLogger(__name__)


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
            return webhook_answers.connect_outcome(await self._tell(event))
        except _FAILURES as error:
            self._log(event, error)
            return events.Reject(500, "The event handler failed.")

    async def on_event(self, event: events.UserEvent) -> events.Respond | events.Fail:
        """Let the webhook answer an event."""
        try:
            return webhook_answers.event_outcome(await self._tell(event))
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
