"""Webhooks over real sockets: the checklist of the event handler reference, and more.

Checklist numbers stand in the names' comments; what needs no socket is in
``test_cloudevents`` and ``test_webhook_answers`` (3, 4, 5, 6) and ``test_consent`` (7),
how calls travel in ``test_webhook_caller``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from hubbub.actors import Accept, Fail, Reject, Respond, Text
from hubbub.transport.settings import Live, Settings
from hubbub.transport.wire import cloudevents
from hubbub.transport.wire.tokens import Keyring
from support.handlers import (
    KEYS,
    client,
    connect,
    connected,
    said,
    stage,
    webhook,
)
from support.webhooks import hooked, raw_server, status

if TYPE_CHECKING:
    from support.handlers import Received


# What goes over the wire.


async def test_every_request_carries_version_and_origin() -> None:  # 1, 2
    async with hooked() as (scene, app):
        await scene.ask(connect())
        (question,) = app.questions
        event = await app.next()
    assert (question.method, question.target) == (
        "OPTIONS",
        "/hooks/chat/validate?code=s3cret",
    )
    assert (event.method, event.target) == (
        "POST",
        "/hooks/chat/connect?code=s3cret",
    )
    for received in (question, event):
        assert received.spelled("ce-awpsversion") == "1.0"
        assert received.spelled("WebHook-Request-Origin") == "svc.example"
    assert not any(name.startswith("ce-s") for name, _ in question.raw)


async def test_names_of_headers_keep_their_spelling() -> None:  # 3, 5, 6
    who = client(user_id="\u00e9va", subprotocol="p", state="s")
    async with hooked() as (scene, app):
        await scene.ask(said(who=who, metadata={"trace": "t1"}))
        event = await app.next()
    for name, value in {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "2",
        "ce-specversion": "1.0",
        "ce-type": "azure.webpubsub.user.say",
        "ce-source": "/hubs/chat/client/c0nn1",
        "ce-id": "2",
        "ce-signature": cloudevents.signature("c0nn1", KEYS.all()),
        "ce-hub": "chat",
        "ce-connectionId": "c0nn1",
        "ce-eventName": "say",
        "ce-userId": "\u00e9va",
        "ce-subprotocol": "p",
        "ce-connectionState": "s",
        "X-WebPubSub-Metadata-trace": "t1",
    }.items():
        assert event.spelled(name) == value
    assert event.spelled("User-Agent").startswith("hubbub/")
    assert event.spelled("ce-time").endswith("Z")
    assert len(event.spelled("x-ms-client-request-id")) == 36
    assert "Transfer-Encoding" not in event.headers


async def test_an_empty_body_has_a_length() -> None:
    async with hooked() as (scene, app):
        await scene.ask(said(payload=Text(""), metadata={"a": "b"}))
        assert (await app.next()).headers["Content-Length"] == "0"


async def test_a_user_id_that_no_header_can_hold_fails_the_event_unsent() -> None:
    async with hooked() as (scene, app):
        assert isinstance(await scene.ask(said(who=client(user_id="a\nb"))), Fail)
    assert app.events == []


async def test_keys_are_those_in_force_at_the_event() -> None:
    live = Live(Settings(keys=KEYS))
    async with hooked(live=live) as (scene, app):
        await scene.ask(said())
        live.settings = Settings(keys=Keyring("new"))
        await scene.ask(said(number=3))
        old, new = await app.next(), await app.next()
    assert old.headers["ce-signature"].count("sha256=") == 2
    assert new.headers["ce-signature"] == cloudevents.signature("c0nn1", ["new"])


# Consent.


async def test_a_webhook_is_asked_once_and_before_the_first_event() -> None:
    async with hooked() as (scene, app):
        for number in (1, 2, 3):
            await scene.ask(said(number=number))
    assert (len(app.questions), len(app.events)) == (1, 3)


async def test_several_lines_of_allowed_origins_are_read() -> None:  # 7
    def lines(_: Received) -> web.Response:
        response = web.Response()
        for origin in ("other.example", "svc.example:8443"):
            response.headers.add("WebHook-Allowed-Origin", origin)
        return response

    async with hooked() as (scene, app):
        app.consent = lines
        assert await scene.ask(said()) == Respond()


async def test_without_consent_nothing_is_sent() -> None:
    async with hooked() as (scene, app):
        app.consent = lambda _: web.Response()
        assert await scene.ask(connect()) == Reject(500, "The event handler failed.")
        assert isinstance(await scene.ask(said()), Fail)
        scene.tell(connected(3))
        assert isinstance(await scene.ask(said(number=4)), Fail)
    assert (len(app.questions), len(app.events)) == (1, 0)


async def test_consent_need_not_be_asked_on_a_network_of_ones_own() -> None:
    async with hooked(validate=False) as (scene, app):
        assert await scene.ask(said()) == Respond()
    assert app.questions == []


# Answers.


async def test_an_empty_success_is_no_reply_whatever_its_type() -> None:  # 8
    async with hooked() as (scene, app):
        app.answers(status(200, content_type="application/octet-stream"))
        assert await scene.ask(said()) == Respond()


async def test_connect_may_be_answered_without_a_type_and_with_nulls() -> None:  # 9
    body = b'{"userId":"a","groups":null,"subprotocol":null,"roles":null}'

    async def untyped(_number: int, _head: bytes, _reader: Any, writer: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        return True

    async with (
        raw_server(untyped) as url,
        stage(webhook(url, validate=False)) as scene,
    ):
        assert await scene.ask(connect()) == Accept("a")


async def test_connect_may_be_answered_with_nothing() -> None:  # 10
    async with hooked() as (scene, app):
        app.answers(status(200), status(204))
        assert await scene.ask(connect()) == Accept()
        assert await scene.ask(connect()) == Accept()


async def test_a_redirect_is_a_failure_and_not_followed() -> None:
    async with hooked() as (scene, app):
        app.answers(status(307, headers={"Location": "/elsewhere"}))
        outcome = await scene.ask(connect())
    assert isinstance(outcome, Reject)
    assert outcome.status == 500
    assert len(app.events) == 1


async def test_an_answer_beyond_the_limit_fails_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubbub.transport.webhook_caller.ANSWER_LIMIT", 1000)
    async with hooked() as (scene, app):
        app.answers(status(200, text="x" * 1000), status(200, text="x" * 1001))
        assert await scene.ask(said()) == Respond(Text("x" * 1000))
        assert isinstance(await scene.ask(said(number=3)), Fail)
    assert len(app.events) == 2


@pytest.mark.parametrize(("length", "fails"), [(8192, False), (8193, True)])
async def test_a_state_has_a_limit_of_our_own(length: int, fails: bool) -> None:
    async with hooked() as (scene, app):
        app.answers(status(200, headers={"ce-connectionState": "x" * length}))
        assert isinstance(await scene.ask(said()), Fail) is fails


# Concurrency.


async def test_requests_under_way_and_waiting_are_bounded() -> None:
    gate, busy, most = asyncio.Event(), 0, 0

    async def slow(_: Received) -> web.Response:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await gate.wait()
        busy -= 1
        return web.Response()

    async with hooked(concurrency=2, queue=1, validate=False) as (scene, app):
        app.answer = slow
        for number in range(4):
            scene.tell(said(who=client(f"c{number}")))
        refused = await scene.answers.next()
        assert refused.connection_id == "c3"
        assert isinstance(refused.outcome, Fail)
        await app.next()
        await app.next()
        gate.set()
        for _ in range(3):
            assert (await scene.answers.next()).outcome == Respond()
    assert (most, len(app.events)) == (2, 3)


# Logs.


async def test_logs_hold_neither_payload_nor_query_nor_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with hooked() as (scene, app):
        app.answers(status(500, text="b0dy"))
        await scene.ask(said(payload=Text("payl0ad")))
        app.consent = lambda _: web.Response()
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("hubbub")]
    assert any(
        "/hooks/{hub}/{event} failed at say of connection c0nn1" in m for m in ours
    )
    for secret in ("s3cret", "b0dy", "payl0ad", KEYS.primary):
        assert secret not in "".join(ours)
