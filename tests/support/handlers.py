"""Helpers for tests of event handlers: events, an upstream on a stage, a webhook."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from hubbub.actors.authored import Build
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Text
from hubbub.actors.policy.routes import Route
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.supervision import spawn
from hubbub.actors.upstream import Upstream
from hubbub.transport.handlers import Webhook
from hubbub.transport.settings import HandlerSettings, Live, Settings
from hubbub.transport.wire.tokens import Keyring
from hubbub.transport.wire.url_template import UrlTemplate

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.upstream_mail import ServerSetup

T = TypeVar("T")

KEYS = Keyring("primary-key-1", "secondary-key-2")
ORIGIN = "svc.example"
PATIENCE = 10.0
"""Seconds until a test that waits for something gives up."""

ALL = Route(
    user_events="*",
    system_events=frozenset({"connect", "connected", "disconnected"}),
    presence_events=frozenset({"joined", "left"}),
    interceptions=frozenset({"publish", "subscribe"}),
)


# Events.


def client(connection_id: str = "c0nn1", **more: Any) -> events.Client:
    return events.Client("chat", connection_id, **more)


def connect(
    query: Mapping[str, tuple[str, ...]] | None = None, who: events.Client | None = None
) -> events.Connect:
    return events.Connect(
        who or client(),
        0,
        query=query or {},
        headers={"Host": ("svc.example",)},
        claims={"exp": ("1790000000",)},
        subprotocols=("json.webpubsub.azure.v1",),
    )


def connected(number: int = 1, who: events.Client | None = None) -> events.Connected:
    return events.Connected(who or client(), number)


def said(
    name: str = "say",
    payload: Payload | None = None,
    number: int = 2,
    who: events.Client | None = None,
    metadata: Mapping[str, str] | None = None,
) -> events.UserEvent:
    payload = Text("hi") if payload is None else payload
    return events.UserEvent(who or client(), number, name, payload, metadata)


def disconnected(
    number: int = 9, reason: str = "", who: events.Client | None = None
) -> events.Disconnected:
    return events.Disconnected(who or client(), number, reason)


# Who listens.


class Inbox:
    """Takes messages from any thread, for a test that waits for them."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None

    def post(self, message: Any) -> None:
        self.messages.append(message)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, message)

    def listen(self) -> Inbox:
        """Let ``next`` wait on the running loop."""
        self._loop = asyncio.get_running_loop()
        return self

    async def next(self) -> Any:
        return await within(self._queue.get())


async def within(wait: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    async with asyncio.timeout(PATIENCE):
        return await wait


class Stage:
    """An upstream with handlers on the running loop, and a connection that asks."""

    def __init__(self, *specs: HandlerSpec, servers: ServerSetup | None = None) -> None:
        self.answers = Inbox().listen()
        self.hub = Inbox().listen()
        self.dispatcher = Dispatcher(asyncio.get_running_loop())
        self.upstream: Address = spawn(
            self.dispatcher, lambda: Upstream("chat", specs, self.hub, servers)
        )

    def tell(self, event: events.Event) -> None:
        self.upstream.post(events.Delivery(event, self.answers))

    async def ask(self, event: events.Blocking) -> events.Outcome | None:
        """Post an event and wait for the answer to it."""
        self.tell(event)
        answer = await self.answers.next()
        assert isinstance(answer, events.Answered)
        assert answer.event_id == event.event_id
        return answer.outcome

    async def end(self) -> None:
        """Stop the upstream and what is under it."""
        self.upstream.stop(block=False)
        for _ in range(5):
            await asyncio.sleep(0)


@asynccontextmanager
async def stage(*specs: HandlerSpec) -> AsyncIterator[Stage]:
    scene = Stage(*specs)
    try:
        yield scene
    finally:
        await scene.end()


def spec_of(
    kind: Callable[[], Any], *, route: Route = ALL, timeout: float = PATIENCE
) -> HandlerSpec:
    return HandlerSpec(name="tested", factory=Build(kind), route=route, timeout=timeout)


# Webhooks.


class Received:
    """A request as it came over the wire."""

    def __init__(self, request: web.BaseRequest, body: bytes) -> None:
        self.method = request.method
        self.target = request.raw_path
        self.raw = [(k.decode(), v) for k, v in request.raw_headers]
        self.headers = request.headers
        self.body = body
        self.peer = request.transport and request.transport.get_extra_info("peername")

    def spelled(self, name: str) -> str:
        """Give the one value of a header that is spelled exactly so."""
        (value,) = (value for key, value in self.raw if key == name)
        return value.decode()


def consenting(_: Received) -> web.Response:
    return web.Response(headers={"WebHook-Allowed-Origin": "*"})


class Application:
    """A web server of an application; ``answer`` decides on events, one by one."""

    def __init__(self) -> None:
        self.url = ""
        self.questions: list[Received] = []
        self.events: list[Received] = []
        self.arrived: asyncio.Queue[Received] = asyncio.Queue()
        self.consent: Callable[[Received], web.Response] = consenting
        self.answer: Callable[[Received], Awaitable[web.Response]] = self.ok

    async def ok(self, _: Received) -> web.Response:
        return web.Response()

    def answers(self, *responses: Callable[[], web.Response]) -> None:
        """Answer with these in turn, and with the last from then on."""
        left = list(responses)

        async def answer(_: Received) -> web.Response:
            return (left.pop(0) if len(left) > 1 else left[0])()

        self.answer = answer

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        received = Received(request, await request.read())
        if received.method != "POST":
            self.questions.append(received)
            return self.consent(received)
        self.events.append(received)
        self.arrived.put_nowait(received)
        return await self.answer(received)

    async def next(self) -> Received:
        return await within(self.arrived.get())


@asynccontextmanager
async def application(
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Application]:
    app = Application()
    runner = web.ServerRunner(web.Server(app.serve), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    app.url = f"{'http' if tls is None else 'https'}://{host}:{port}"
    try:
        yield app
    finally:
        await runner.cleanup()


def webhook(
    url: str,
    *,
    live: Live | None = None,
    delays: tuple[float, ...] = (0.0, 0.0, 0.0),
    timeout: float = PATIENCE,
    **settings: Any,
) -> HandlerSpec:
    """Give the spec of a webhook that retries at once."""
    chosen = HandlerSettings(url=url, timeout=timeout, **settings)
    build = Webhook(
        UrlTemplate(url),
        chosen,
        ORIGIN,
        live or Live(Settings(keys=KEYS)),
        delays,
    )
    return spec_of(build, timeout=timeout + 1.0)
