"""One contract for all event handlers: thread, async, webhook, attached server.

Each form has the same concierge behind it, and the upstream cannot tell them apart.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import pytest
from aiohttp import web

from hubbub.actors import (
    Accept,
    Allow,
    AsyncEventHandler,
    Binary,
    Deny,
    EventHandler,
    Fail,
    Json,
    Protobuf,
    Reject,
    Respond,
    Text,
    events,
)
from hubbub.actors.policy.routes import event_name
from hubbub.actors.upstream_mail import ServerSetup
from hubbub.transport.subprotocols.server_v1 import CBOR_NAME, JSON_NAME
from support.attached import WireServer, event_of, frame_of
from support.handlers import (
    PATIENCE,
    Inbox,
    Received,
    Stage,
    application,
    client,
    connect,
    connected,
    disconnected,
    said,
    spec_of,
    webhook,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from hubbub.actors.messages.payload import Payload

MEDIA: dict[str, Callable[[Any], Payload]] = {
    "text/plain": lambda body: Text(body.decode()),
    "application/json": Json,
    "application/octet-stream": Binary,
    "application/x-protobuf": Protobuf,
}
METADATA = "X-WebPubSub-Metadata-"


class Concierge:
    """How the handler of each form behaves."""

    def __init__(self) -> None:
        self.notices = Inbox().listen()

    def admit(self, event: events.Connect) -> Accept | Reject | None:
        match event.query.get("name", ("",))[0]:
            case "plain":
                return None
            case "crash":
                raise RuntimeError("no luck")
            case "":
                return Reject(403, "name, please")
            case name:
                roles = ("webpubsub.sendToGroup",)
                return Accept(name, ("lobby",), roles, event.subprotocols[0], "s1")

    def reply(self, event: events.UserEvent) -> Respond | None:
        who = event.client
        match event.event:
            case "echo":
                return Respond(event.payload, metadata=event.metadata)
            case "remember":
                return Respond(state=f"{who.state}+")
            case "forget":
                return Respond(state="")
            case "who":
                return Respond(Text(f"{who.user_id} by {who.subprotocol}"))
            case "crash":
                raise RuntimeError("no luck")
            case _:
                return None

    def decide(self, event: events.Interception) -> Allow | Deny | None:
        match event:
            case events.Subscribe(group="closed"):
                return Deny("full")
            case events.Subscribe(group="old"):
                return Allow(group="new")
            case events.Publish(group="crash"):
                raise RuntimeError("no luck")
            case events.Publish(payload=Text(text=text)):
                return Allow(Text(text.upper()), {"by": "concierge"})
            case _:
                return None

    def note(self, event: events.Notice) -> None:
        detail = getattr(event, "reason", getattr(event, "group", None))
        self.notices.post((event_name(event), event.client.connection_id, detail))
        if detail == "crash":
            raise RuntimeError("no luck")


class Scene(Stage):
    """A stage with one handler of some form on it."""

    def __init__(
        self,
        concierge: Concierge,
        release: Callable[[], None],
        *specs: Any,
        servers: ServerSetup | None = None,
    ) -> None:
        super().__init__(*specs, servers=servers)
        self.notices = concierge.notices
        self.release = release
        """Let the event ``wait`` go on."""


@asynccontextmanager
async def threaded(seconds: float) -> AsyncIterator[Scene]:
    concierge, go_on = Concierge(), threading.Event()

    class Threaded(EventHandler):
        def on_connect(self, event: events.Connect) -> Accept | Reject | None:
            return concierge.admit(event)

        def on_event(self, event: events.UserEvent) -> Respond | None:
            if event.event == "wait":
                go_on.wait(PATIENCE)
            return concierge.reply(event)

        def on_connected(self, event: events.Notice) -> None:
            concierge.note(event)

        on_disconnected = on_joined = on_left = on_connected

        def on_publish(self, event: events.Interception) -> Allow | Deny | None:
            return concierge.decide(event)

        on_subscribe = on_publish

    scene = Scene(concierge, go_on.set, spec_of(Threaded, timeout=seconds))
    yield scene
    go_on.set()
    await scene.end()


@asynccontextmanager
async def awaiting(seconds: float) -> AsyncIterator[Scene]:
    concierge, go_on = Concierge(), asyncio.Event()

    class Awaiting(AsyncEventHandler):
        def on_connect(self, event: events.Connect) -> Accept | Reject | None:
            return concierge.admit(event)

        async def on_event(self, event: events.UserEvent) -> Respond | None:
            if event.event == "wait":
                await go_on.wait()
            return concierge.reply(event)

        async def on_connected(self, event: events.Notice) -> None:
            concierge.note(event)

        on_disconnected = on_joined = on_left = on_connected

        async def on_publish(self, event: events.Interception) -> Allow | Deny | None:
            return concierge.decide(event)

        on_subscribe = on_publish

    scene = Scene(concierge, go_on.set, spec_of(Awaiting, timeout=seconds))
    yield scene
    await scene.end()


@asynccontextmanager
async def called(seconds: float) -> AsyncIterator[Scene]:
    concierge, go_on = Concierge(), asyncio.Event()

    async def answer(received: Received) -> web.Response:
        if received.headers["ce-eventName"] == "wait":
            await go_on.wait()
        try:
            return told(concierge, received)
        except RuntimeError:
            return web.Response(status=400, text="a detail that is not for clients")

    async with application() as app:
        app.answer = answer
        spec = webhook(f"{app.url}/{{event}}", timeout=seconds)
        scene = Scene(concierge, go_on.set, spec)
        yield scene
        go_on.set()
        await scene.end()


def told(concierge: Concierge, received: Received) -> web.Response:
    """Read a CloudEvent as an application would, and ask the concierge."""
    headers = received.headers
    who = events.Client(
        headers["ce-hub"],
        headers["ce-connectionId"],
        headers.get("ce-userId"),
        headers.get("ce-subprotocol"),
        headers.get("ce-connectionState"),
    )
    name, number = headers["ce-eventName"], int(headers["ce-id"])
    if headers["ce-type"] == f"azure.webpubsub.user.{name}":
        payload = MEDIA[headers["Content-Type"].partition(";")[0]](received.body)
        metadata = {
            key.removeprefix(METADATA): value.decode()
            for key, value in received.raw
            if key.startswith(METADATA)
        }
        event = events.UserEvent(who, number, name, payload, metadata)
        return reply_of(concierge.reply(event))
    body = json.loads(received.body)
    match name:
        case "connect":
            query = {key: tuple(values) for key, values in body["query"].items()}
            offer = tuple(body["subprotocols"])
            return admission_of(
                concierge.admit(events.Connect(who, 0, query, {}, {}, offer))
            )
        case "connected":
            concierge.note(events.Connected(who, number))
        case "disconnected":
            concierge.note(events.Disconnected(who, number, body["reason"]))
        case "joined":
            concierge.note(events.Joined(who, number, body["group"]))
        case "left":
            concierge.note(events.Left(who, number, body["group"]))
    return web.Response(text="ignored")


def server_frame(concierge: Concierge, frame: dict[str, Any]) -> dict[str, Any]:
    """Read an event frame as an application would, and ask the concierge."""
    event = event_of(frame)
    try:
        match event:
            case events.Connect():
                return frame_of(concierge.admit(event) or Accept())
            case events.UserEvent():
                return frame_of(concierge.reply(event) or Respond())
            case events.Publish() | events.Subscribe():
                return frame_of(concierge.decide(event) or Allow())
            case _:
                concierge.note(event)
    except RuntimeError:
        return {"type": "fail", "reason": "a detail that is not for clients"}
    return {"type": "done"}


def admission_of(outcome: Accept | Reject | None) -> web.Response:
    match outcome:
        case None:
            return web.Response(status=204)
        case Reject(status=status, reason=reason):
            return web.Response(status=status, text=reason)
        case Accept():
            content = {
                "userId": outcome.user_id,
                "groups": outcome.groups,
                "roles": outcome.roles,
                "subprotocol": outcome.subprotocol,
            }
            headers = {"ce-connectionState": outcome.state or ""}
            return web.json_response(content, headers=headers)


def reply_of(respond: Respond | None) -> web.Response:
    if respond is None:
        return web.Response()
    metadata = respond.metadata or {}
    headers = {METADATA + key: value for key, value in metadata.items()}
    if respond.state is not None:
        headers["ce-connectionState"] = respond.state
    match respond.payload:
        case None:
            return web.Response(headers=headers)
        case Text(text=text):
            return web.Response(text=text, headers=headers)
        case Json(raw=body):
            media = "application/json"
        case Binary(data=body):
            media = "application/octet-stream"
        case Protobuf(data=body):
            media = "application/x-protobuf"
        case _:
            assert_never(respond.payload)
    headers["Content-Type"] = media
    return web.Response(body=body, headers=headers)


def attached(subprotocol: str) -> Form:
    """Make the form of a server that is attached with one of the two subprotocols."""

    @asynccontextmanager
    async def play(seconds: float) -> AsyncIterator[Scene]:
        concierge, go_on = Concierge(), asyncio.Event()

        async def serve(frame: dict[str, Any]) -> dict[str, Any]:
            if frame.get("event") == "wait":
                await go_on.wait()
            return server_frame(concierge, frame)

        scene = Scene(concierge, go_on.set, servers=ServerSetup(timeout=seconds))
        server = WireServer(scene, subprotocol, serve)
        await server.open()
        yield scene
        go_on.set()
        await server.leave()
        await scene.end()

    return play


Form: TypeAlias = "Callable[[float], AbstractAsyncContextManager[Scene]]"
"""Plays a scene whose events have so many seconds."""

FORMS: dict[str, Form] = {
    "thread": threaded,
    "async": awaiting,
    "webhook": called,
    "json server": attached(JSON_NAME),
    "cbor server": attached(CBOR_NAME),
}
INTERCEPTING = {name: form for name, form in FORMS.items() if name != "webhook"}
"""The service's webhooks know no interception."""


@pytest.fixture(params=tuple(FORMS.values()), ids=tuple(FORMS))
def play(request: pytest.FixtureRequest) -> Form:
    form: Form = request.param
    return form


async def test_an_accepted_client_gets_what_the_handler_says(play: Form) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(connect({"name": ("ann",)}))
    assert outcome == Accept(
        "ann",
        ("lobby",),
        ("webpubsub.sendToGroup",),
        "json.webpubsub.azure.v1",
        "s1",
    )


async def test_no_answer_to_connect_is_consent(play: Form) -> None:
    async with play(PATIENCE) as scene:
        assert await scene.ask(connect({"name": ("plain",)})) == Accept()


async def test_a_refused_client_gets_the_status(play: Form) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(connect())
    assert isinstance(outcome, Reject)
    assert outcome.status == 403


async def test_a_failed_connect_refuses_the_client(play: Form) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(connect({"name": ("crash",)}))
        assert isinstance(outcome, Reject)
        assert "luck" not in outcome.reason
        assert await scene.ask(connect({"name": ("plain",)})) == Accept()


@pytest.mark.parametrize(
    "payload",
    [
        Text("h\u00e9llo"),
        Json(b'{"n":  1.50}'),
        Binary(b"\x01\x02\xff"),
        Protobuf(b"\n\x01x"),
    ],
    ids=lambda payload: type(payload).__name__,
)
async def test_a_payload_travels_both_ways_unchanged(
    play: Form, payload: Payload
) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(said("echo", payload, metadata={"trace": "t1"}))
    assert outcome == Respond(payload, metadata={"trace": "t1"})


async def test_no_answer_to_an_event_is_success_without_a_message(play: Form) -> None:
    async with play(PATIENCE) as scene:
        assert await scene.ask(said("nothing")) == Respond()


async def test_a_handler_sees_who_sent_the_event(play: Form) -> None:
    who = client(user_id="\u00e9va", subprotocol="json.webpubsub.azure.v1")
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(said("who", who=who))
    assert outcome == Respond(Text("\u00e9va by json.webpubsub.azure.v1"))


async def test_a_state_is_kept_and_given_back(play: Form) -> None:
    who = client(state="s1")
    async with play(PATIENCE) as scene:
        assert await scene.ask(said("remember", who=who)) == Respond(state="s1+")
        assert await scene.ask(said("forget", number=3, who=who)) == Respond(state="")


async def test_an_event_that_fails_does_so_alone(play: Form) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(said("crash"))
        assert isinstance(outcome, Fail)
        assert "luck" not in outcome.reason
        assert await scene.ask(said("nothing", number=3)) == Respond()


async def test_notices_arrive_with_their_details(play: Form) -> None:
    async with play(PATIENCE) as scene:
        for event in (
            connected(1),
            events.Joined(client(), 2, "room"),
            events.Left(client(), 3, "room"),
        ):
            scene.tell(event)
            name, connection_id, detail = await scene.notices.next()
            assert (name, connection_id) == (event_name(event), "c0nn1")
            assert detail in {None, "room"}
        scene.tell(disconnected(4, "session expired"))
        told = ("disconnected", "c0nn1", "session expired")
        assert await scene.notices.next() == told


async def test_a_notice_that_fails_harms_nothing(play: Form) -> None:
    async with play(PATIENCE) as scene:
        scene.tell(events.Joined(client(), 1, "crash"))
        await scene.notices.next()
        assert await scene.ask(said("nothing")) == Respond()


WISHES: list[tuple[events.Interception, events.Outcome]] = [
    (events.Subscribe(client(), 2, "open"), Allow()),
    (events.Subscribe(client(), 2, "closed"), Deny("full")),
    (events.Subscribe(client(), 2, "old"), Allow(group="new")),
    (events.Publish(client(), 2, "g", Binary(b"\xff")), Allow()),
    (
        events.Publish(client(), 2, "g", Text("hi")),
        Allow(Text("HI"), {"by": "concierge"}),
    ),
]


@pytest.mark.parametrize("play", INTERCEPTING.values(), ids=tuple(INTERCEPTING))
@pytest.mark.parametrize(("wish", "outcome"), WISHES)
async def test_a_wish_is_allowed_denied_or_rewritten(
    play: Form, wish: events.Interception, outcome: events.Outcome
) -> None:
    async with play(PATIENCE) as scene:
        assert await scene.ask(wish) == outcome


@pytest.mark.parametrize("play", INTERCEPTING.values(), ids=tuple(INTERCEPTING))
async def test_a_failed_decision_fails_the_wish(play: Form) -> None:
    async with play(PATIENCE) as scene:
        outcome = await scene.ask(events.Publish(client(), 2, "crash", Text("hi")))
        assert isinstance(outcome, Fail)
        assert "luck" not in outcome.reason


async def test_the_end_is_told_after_the_event_under_way(play: Form) -> None:
    async with play(PATIENCE) as scene:
        scene.tell(said("wait"))
        scene.tell(disconnected(3))
        scene.release()
        await scene.answers.next()
        assert (await scene.notices.next())[0] == "disconnected"


async def test_an_event_without_an_answer_fails_in_time(play: Form) -> None:
    async with play(0.05) as scene:
        assert isinstance(await scene.ask(said("wait")), Fail)
        scene.release()
        while not isinstance(await scene.ask(said("nothing", number=3)), Respond):
            pass  # the thread is still busy with the event that has failed
