"""Receives the events of a hub over HTTP, in any ASGI application.

``WebhookApp`` goes into a Starlette or FastAPI application as a route or a mount, or is
served alone. It takes the webhooks of hubbub and of the hosted service, and answers
as the service's own server packages do; see docs/howto/receive-webhooks-in-python.md.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.websockets import WebSocketClose

from hubbub.actors.messages.events import (
    Accept,
    Client,
    Connect,
    Connected,
    Disconnected,
    Fail,
    Joined,
    Left,
    Reject,
    Respond,
    UserEvent,
)
from hubbub.actors.messages.payload import Binary, Json, Protobuf, Text
from hubbub.actors.policy.names import hub_name
from hubbub.sdk.webhooks import answers as answers
from hubbub.sdk.webhooks import reading as reading
from hubbub.sdk.webhooks.handlers import (
    Caller,
    ConnectAnswer,
    EventAnswer,
    Handler,
    Handlers,
)
from hubbub.sdk.webhooks.signature import signatures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from hubbub.transport.wire.webhook_answers import Answer

__all__ = [
    "Accept",
    "Binary",
    "Client",
    "Connect",
    "ConnectAnswer",
    "Connected",
    "Disconnected",
    "EventAnswer",
    "Fail",
    "Joined",
    "Json",
    "Left",
    "Limits",
    "Protobuf",
    "Reject",
    "Respond",
    "Text",
    "UserEvent",
    "WebhookApp",
]

logger = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one ``WebhookApp`` takes upon itself."""

    body: int = (1 << 20) + (64 << 10)
    """Longest body, in bytes; a message of a client has at most 1 MiB."""
    body_seconds: float = 30.0
    """Until a body must be there."""
    seconds: float = 90.0
    """Until a handler must have answered; the service gives up after 100."""
    requests: int = 500
    """Most events under way; the service repeats what is too much."""
    threads: int = 16
    """Most handlers at work that are not ``async def``."""


_DEFAULT: Final = Limits()


class WebhookApp(Handlers):
    """An ASGI application that receives the events of a hub.

    Register handlers with the decorators ``connect``, ``connected``, ``event``,
    ``disconnected``, ``joined`` and ``left``, then route requests to it. An event that
    no handler takes succeeds and changes nothing. An exception in a handler fails its
    event with status 500; its text goes to the log alone.

    Args:
        hub: The hub whose events it takes; ``"*"`` takes those of all hubs.
        connection_string: Of the service; its access key checks signatures.
        access_keys: Further keys, such as the secondary one; any of them suffices.
        verify: False takes events from everyone who can reach it, signed or not.
        allowed_origins: Who may send events: hosts or URLs of services, or ``*``. The
            service asks once and abides by it; what keeps strangers out is the key.
        limits: Sizes and times.

    Raises:
        ValueError: An argument cannot be used, or there is no key and ``verify`` is on.
    """

    def __init__(
        self,
        hub: str,
        *,
        connection_string: str | None = None,
        access_keys: Sequence[str] = (),
        verify: bool = True,
        allowed_origins: Sequence[str] = (answers.EVERYONE,),
        limits: Limits = _DEFAULT,
    ) -> None:
        super().__init__()
        self._hub = None if hub == "*" else hub_name(hub)
        if self._hub is None and hub != "*":
            raise ValueError(f"{hub!r} is not the name of a hub")
        self._signatures = signatures(connection_string, access_keys, verify=verify)
        self._origins = answers.allowed(allowed_origins)
        self._limits = limits
        self._caller = Caller(limits.threads)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the lifespan of a server of its own."""
        match scope["type"]:
            case "http":
                answer = await self._admit(Request(scope, receive))
                if answer is not None:
                    await _response(answer)(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case _:
                await WebSocketClose()(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        self._caller.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _admit(self, request: Request) -> Answer | None:
        if request.method == "OPTIONS":
            return answers.consent(request.headers.raw, self._origins)
        if request.method != "POST":
            allow = ("Allow", "OPTIONS, POST")
            reason = "Events are posted here."
            return answers.refusal(HTTPStatus.METHOD_NOT_ALLOWED, reason, allow)
        if self._under_way >= self._limits.requests:
            reason = "Too many events are under way."
            return answers.refusal(HTTPStatus.SERVICE_UNAVAILABLE, reason)
        self._under_way += 1
        try:
            return await self._receive(request)
        except reading.UnreadableError as error:
            return answers.refusal(error.status, error.reason)
        except ClientDisconnect:
            return None
        finally:
            self._under_way -= 1

    async def _receive(self, request: Request) -> Answer:
        told = reading.envelope(request.headers.raw, self._hub)
        who = told.client.connection_id
        if self._signatures and not self._signatures.match(who, told.signature):
            logger.warning("%s of connection %r has no valid signature", told.kind, who)
            reason = "The signature is missing or not made with our access key."
            return answers.refusal(HTTPStatus.UNAUTHORIZED, reason)
        handler = self._find(told.kind, told.name)
        if handler is None:
            logger.info("nobody takes %r of connection %r", told.name, who)
            return answers.unhandled(told)
        body = await self._body(request)
        return await self._handle(handler, told, body)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        deadline = asyncio.timeout(self._limits.body_seconds)
        try:
            async with deadline:
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._limits.body:
                        raise _too_long(self._limits.body)
        except TimeoutError:
            reason = "The body did not come in time."
            raise reading.UnreadableError(HTTPStatus.REQUEST_TIMEOUT, reason) from None
        return bytes(body)

    async def _handle(
        self, handler: Handler, told: reading.Envelope, body: bytes
    ) -> Answer:
        event = reading.read(told, body)
        deadline = asyncio.timeout(self._limits.seconds)
        try:
            async with deadline:
                result = await self._caller.call(handler, event)
            outcome = answers.outcome_of(event, result)
            version = reading.mqtt_version(body) if told.mqtt else None
            return answers.answer(outcome, told, version)
        except Exception as error:
            who = event.client.connection_id
            if isinstance(error, TimeoutError) and deadline.expired():
                logger.error("%r of connection %r took too long", told.name, who)  # noqa: TRY400 - where it waited is no news
                reason = "The event handler did not answer in time."
                return answers.refusal(HTTPStatus.SERVICE_UNAVAILABLE, reason)
            logger.exception("the handler of %r failed, connection %r", told.name, who)
            reason = "The event handler failed."
            return answers.refusal(HTTPStatus.INTERNAL_SERVER_ERROR, reason)


def _too_long(limit: int) -> reading.UnreadableError:
    reason = f"The body is longer than {limit} bytes."
    return reading.UnreadableError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response
