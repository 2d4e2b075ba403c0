"""``WebhookApp`` as an ASGI application: signatures, limits, handlers that go wrong."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Payload, Text
from hubbub.sdk.webhooks import (
    Accept,
    Connect,
    Connected,
    Limits,
    Reject,
    Respond,
    UserEvent,
    WebhookApp,
)
from hubbub.transport.wire import cloudevents
from support.asgi import Response, call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from hubbub.sdk.webhooks.reading import Event

KEYS = ("primary-key-1", "secondary-key-2")
CLIENT = events.Client("chat", "c0nn1", "ann")
NOTICES: list[Event] = [
    events.Connected(CLIENT, 1),
    events.Disconnected(CLIENT, 2, "gone"),
    events.Joined(CLIENT, 3, "lobby"),
    events.Left(CLIENT, 4, "lobby"),
]


def said(name: str = "say", payload: Payload | None = None) -> events.UserEvent:
    return events.UserEvent(CLIENT, 1, name, payload or Text("a payload"))


async def post(
    app: Any,
    event: Event,
    *,
    keys: Iterable[str] = KEYS,
    target: str = "/",
    body: bytes | Iterable[bytes] | None = None,
) -> Response:
    """Post an event as a gateway does, with a body of its own or another."""
    request = cloudevents.request(
        event,
        "http://app",
        origin="svc.example",
        sign=cloudevents.signature(event.client.connection_id, keys),
        now=1_795_536_000.0,
        guid="g",
    )
    given = request.body if body is None else body
    answer = await call(app, "POST", target, request.headers, given)
    assert answer is not None
    return answer


def trusting(limits: Limits | None = None) -> WebhookApp:
    """Make an application of the hub ``chat`` that checks no signatures."""
    return WebhookApp("chat", verify=False, limits=limits or Limits())


# Who may be heard.


@pytest.mark.parametrize("keys", [KEYS, KEYS[:1], KEYS[1:], ("new", KEYS[1])])
async def test_one_key_in_common_is_enough(keys: tuple[str, ...]) -> None:
    app = WebhookApp("chat", access_keys=KEYS)
    assert (await post(app, said(), keys=keys)).status == 200


async def test_an_event_with_another_key_reaches_no_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = WebhookApp(
        "chat", connection_string="Endpoint=http://h;AccessKey=mine;Version=1.0;"
    )
    heard: list[UserEvent] = []
    app.event("*")(heard.append)
    for keys in (KEYS, ()):
        answer = await post(app, said(), keys=keys)
        assert answer.status == 401
        assert b"mine" not in answer.body
    assert not heard
    assert (await post(app, said(), keys=["mine"])).status == 200
    assert len(heard) == 1
    assert "'c0nn1' has no valid signature" in caplog.text
    assert "mine" not in caplog.text


async def test_who_opts_out_hears_everyone() -> None:
    app = WebhookApp("chat", access_keys=KEYS, verify=False)
    assert (await post(app, said(), keys=())).status == 200


def test_to_check_nothing_must_be_said() -> None:
    with pytest.raises(ValueError, match="verify=False"):
        WebhookApp("chat")


@pytest.mark.parametrize("hub", ["", "1x", "a b", "**"])
def test_a_hub_must_have_a_name(hub: str) -> None:
    with pytest.raises(ValueError, match="hub"):
        WebhookApp(hub, access_keys=KEYS)


@pytest.mark.parametrize(
    ("hub", "status"), [("chat", 200), ("CHAT", 200), ("other", 404), ("*", 200)]
)
async def test_only_its_hub_is_heard(hub: str, status: int) -> None:
    app = WebhookApp(hub, access_keys=KEYS)
    assert (await post(app, said())).status == status


# Which handler answers.


async def test_each_event_goes_to_its_handler_once() -> None:
    app = trusting()
    heard: list[Event] = []
    app.connected(heard.append)
    app.disconnected(heard.append)
    app.joined(heard.append)
    app.left(heard.append)
    for event in NOTICES:
        assert await post(app, event) == Response(200, {"content-length": "0"}, b"")
    assert heard == NOTICES


async def test_the_first_pattern_that_fits_decides() -> None:
    app = trusting()

    @app.event("order.*")
    async def order(event: UserEvent) -> str:
        return f"order {event.event}"

    @app.event("say, shout")
    def speech(event: UserEvent) -> str:
        return f"speech {event.event}"

    @app.event("*")
    async def rest(event: UserEvent) -> str:
        return f"rest {event.event}"

    for name, answer in (
        ("order.new", b"order order.new"),
        ("Shout", b"speech Shout"),
        ("order.new.now", b"rest order.new.now"),
    ):
        assert (await post(app, said(name))).body == answer


async def test_an_event_that_nobody_takes_succeeds_unread() -> None:
    app = trusting()
    app.event("other")(lambda _: "hi")
    answer = await post(app, said(), body=b"\xff")
    assert (answer.status, answer.body) == (200, b"")


def test_a_second_handler_for_the_same_event_is_refused() -> None:
    app = trusting()
    app.connect(lambda _: None)
    app.event("say")(lambda _: None)
    with pytest.raises(ValueError, match="connect has a handler already"):
        app.connect(lambda _: None)
    with pytest.raises(ValueError, match="'say' has a handler already"):
        app.event("say")(lambda _: None)
    with pytest.raises(ValueError, match="escape"):
        app.event(r"\x*")


class Callable_:  # noqa: N801 - the built-in has the name
    async def __call__(self, event: UserEvent) -> str:
        return await awaited(event)


async def awaited(event: UserEvent, prefix: str = "") -> str:
    await asyncio.sleep(0)
    return f"{prefix}{threading.current_thread().name} {event.event}"


def threaded(event: UserEvent) -> str:
    return f"{threading.current_thread().name} {event.event}"


def deferred(event: UserEvent) -> Awaitable[str]:
    return awaited(event)


@pytest.mark.parametrize(
    ("handler", "thread"),
    [
        (awaited, "MainThread say"),
        (functools.partial(awaited, prefix="p "), "p MainThread say"),
        (Callable_(), "MainThread say"),
        (deferred, "MainThread say"),
        (threaded, "hubbub-webhooks_0 say"),
    ],
)
async def test_handlers_run_on_the_loop_or_in_threads(
    handler: Callable[[UserEvent], str], thread: str
) -> None:
    app = trusting()
    app.event("*")(handler)
    assert (await post(app, said())).body.decode() == thread


async def test_a_handler_that_blocks_does_not_hold_up_others() -> None:
    app = trusting()
    release = threading.Event()

    @app.event("wait")
    def wait(event: UserEvent) -> str:
        del event
        assert release.wait(10)
        return "released"

    @app.event("release")
    async def free(event: UserEvent) -> None:
        del event
        release.set()

    waiting = asyncio.ensure_future(post(app, said("wait")))
    await asyncio.sleep(0)
    assert (await post(app, said("release"))).status == 200
    assert (await waiting).body == b"released"


# Handlers that go wrong.


def raising(error: BaseException) -> Callable[[UserEvent], None]:
    def handler(event: UserEvent) -> None:
        del event
        raise error

    return handler


async def cancelled(event: UserEvent) -> None:
    del event
    raise asyncio.CancelledError


async def its_own_timeout(event: UserEvent) -> None:
    del event
    raise TimeoutError("a secret")


@pytest.mark.parametrize(
    "handler",
    [
        raising(RuntimeError("a secret")),
        raising(StopIteration("a secret")),
        raising(SystemExit("a secret")),
        raising(asyncio.CancelledError("a secret")),
        its_own_timeout,
        cancelled,
        lambda _: object(),
        lambda _: Reject(401, "a secret"),
        lambda _: Respond(state="a secret\r\n"),
        lambda _: Text(5),  # type: ignore[arg-type] # as people do who check no types
        lambda _: "\ud800",
    ],
)
async def test_a_handler_that_fails_fails_its_event_alone(
    handler: Callable[[UserEvent], None], caplog: pytest.LogCaptureFixture
) -> None:
    app = trusting()
    app.event("bad")(handler)
    app.event("good")(lambda _: "fine")
    answer = await post(app, said("bad"))
    assert (answer.status, answer.body) == (500, b"The event handler failed.")
    assert "the handler of 'bad' failed, connection 'c0nn1'" in caplog.text
    assert "a payload" not in caplog.text
    assert (await post(app, said("good"))).body == b"fine"


async def test_a_notice_whose_handler_fails_is_asked_for_again() -> None:
    app = trusting()

    @app.connected
    def connected(event: Connected) -> None:
        raise RuntimeError(event.client.connection_id)

    assert (await post(app, NOTICES[0])).status == 500


async def never(event: UserEvent) -> None:
    del event
    await asyncio.Event().wait()


async def test_a_handler_that_never_answers_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = trusting(Limits(seconds=0.01))
    app.event("*")(never)
    answer = await post(app, said())
    assert (answer.status, b"in time" in answer.body) == (503, True)
    assert "'say' of connection 'c0nn1' took too long" in caplog.text


async def test_threads_that_hang_are_not_made_without_end() -> None:
    app = trusting(Limits(seconds=0.3, threads=1))
    release = threading.Event()
    called: list[str] = []

    @app.event("*")
    def hang(event: UserEvent) -> None:
        called.append(event.event)
        release.wait(10)

    try:
        for name in ("first", "second", "third"):
            assert (await post(app, said(name))).status == 503
        assert called == ["first"]
        assert app._caller._pool._work_queue.qsize() == 0, "calls pile up"
    finally:
        release.set()
    while (await post(app, said("last"))).status == 503:
        pass  # it waited for a place
    assert called[:2] == ["first", "last"]


# Sizes and times.


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
async def test_a_body_has_a_limit_however_it_comes(size: int, status: int) -> None:
    app = trusting(Limits(body=10))
    app.event("*")(lambda event: event.payload)
    for body in (b"x" * size, [b"x" * 5, b"x" * (size - 5)], [b"x"] * size):
        assert (await post(app, said(), body=body)).status == status


async def test_a_message_of_the_longest_kind_fits() -> None:
    app = trusting()
    app.event("*")(lambda event: event.payload)
    text = "x" * (1 << 20)
    assert (await post(app, said(payload=Text(text)))).body == text.encode()


async def slow_body(app: WebhookApp, ends: bool) -> Response | None:
    request = cloudevents.request(
        said(), "http://app", origin="o", sign="", now=0.0, guid="g"
    )
    body: Any = [] if ends else None
    return await call(app, "POST", "/", request.headers, body)


async def test_a_body_that_does_not_come_is_given_up() -> None:
    app = trusting(Limits(body_seconds=0.01))
    app.event("*")(lambda _: "hi")
    answer = await slow_body(app, ends=False)
    assert answer is not None
    assert answer.status == 408


async def test_a_caller_that_leaves_gets_no_answer() -> None:
    app = trusting()
    heard: list[UserEvent] = []
    app.event("*")(heard.append)
    assert await slow_body(app, ends=True) is None
    assert not heard


async def test_events_beyond_the_limit_are_sent_away_at_once() -> None:
    app = trusting(Limits(requests=1))
    arrived, release = asyncio.Event(), asyncio.Event()

    @app.event("*")
    async def wait(event: UserEvent) -> str:
        arrived.set()
        await release.wait()
        return event.event

    first = asyncio.ensure_future(post(app, said("first")))
    await arrived.wait()
    assert (await post(app, said("second"))).status == 503
    release.set()
    assert (await first).body == b"first"
    assert (await post(app, said("third"))).body == b"third"


# Where it stands.


@pytest.mark.parametrize(
    ("route", "target"),
    [
        (lambda app: Route("/events", app), "/events"),
        (lambda app: Route("/events/{event}", app), "/events/say"),
        (lambda app: Mount("/events", app), "/events/"),
        (lambda app: Mount("/events", app), "/events/say"),
    ],
)
async def test_it_is_a_route_and_a_mount(
    route: Callable[[WebhookApp], Route | Mount], target: str
) -> None:
    app = trusting()
    app.event("*")(lambda _: "hi")
    around = Starlette(routes=[route(app)])
    assert (await post(around, said(), target=target)).body == b"hi"
    asked = [("ce-awpsversion", "1.0"), ("webhook-request-origin", "svc.example")]
    answer = await call(around, "OPTIONS", target, asked)
    assert answer is not None
    assert answer.headers["webhook-allowed-origin"] == "*"


async def test_other_methods_are_told_which_to_use() -> None:
    answer = await call(trusting(), "GET", "/")
    assert answer is not None
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_it_can_be_served_alone() -> None:
    said_ = await lived(trusting())
    assert said_ == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_it_can_be_served_again() -> None:
    app = trusting()
    app.event("*")(threaded)
    for _ in range(2):
        assert (await post(app, said())).status == 200
        await lived(app)


async def lived(app: WebhookApp) -> list[str]:
    """Take an application through the life of a server."""
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said_: list[str] = []

    async def receive() -> Any:
        return told.pop(0)

    async def send(message: Any) -> None:
        said_.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    return said_


async def test_it_takes_no_websockets() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await trusting()({"type": "websocket"}, receive, send)
    assert sent[0]["type"] == "websocket.close"


def test_no_key_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = WebhookApp("chat", access_keys=["s3cret"])
    shown = f"{app!r} {app._signatures!r} {caplog.text}"
    assert "s3cret" not in shown


# What mypy --strict says of handlers; `make check` reads this file.


def test_types_of_handlers_are_checked() -> None:
    app = trusting()

    async def wrong_answer(event: Connect) -> Respond:
        raise NotImplementedError(event)

    def wrong_event(event: Connected) -> None:
        raise NotImplementedError(event)

    async def right(event: Connect) -> Accept | None:
        raise NotImplementedError(event)

    app.connect(wrong_answer)  # type: ignore[type-var] # connect is not responded to
    app.event("*")(wrong_event)  # type: ignore[type-var] # it gets a UserEvent
    assert trusting().connect(right) is right
