"""Webhooks over real sockets: the checklist of the event handler reference, and more.

Checklist numbers stand in the names' comments; what needs no socket is in
``test_cloudevents`` (3, 4, 5, 6) and ``test_consent`` (7).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from yarl import URL

from hubbub.actors import Accept, Binary, Fail, Reject, Respond, Text, events
from hubbub.actors.handler import AsyncEventHandler, EventHandler
from hubbub.transport.handlers import handler_specs, load_class, origin_of
from hubbub.transport.settings import HandlerSettings, HubSettings, Live, Settings
from hubbub.transport.webhook import Cookies
from hubbub.transport.wire import cloudevents
from hubbub.transport.wire.tokens import Keyring
from support.handlers import (
    KEYS,
    Application,
    Received,
    application,
    client,
    connect,
    connected,
    disconnected,
    said,
    stage,
    webhook,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.handlers import Stage


@asynccontextmanager
async def hooked(**settings: Any) -> AsyncIterator[tuple[Stage, Application]]:
    """Play a scene whose only handler is a webhook of an application."""
    async with (
        application() as app,
        stage(
            webhook(f"{app.url}/hooks/{{hub}}/{{event}}?code=s3cret", **settings)
        ) as s,
    ):
        yield s, app


def status(code: int, **more: Any) -> Any:
    return lambda: web.Response(status=code, **more)


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
    monkeypatch.setattr("hubbub.transport.webhook.ANSWER_LIMIT", 1000)
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


# Retries and deadlines.


@pytest.mark.parametrize("code", [408, 500, 503])
async def test_a_server_error_is_retried_with_the_same_bytes(code: int) -> None:
    async with hooked() as (scene, app):
        app.answers(status(code), status(code), status(code), status(204))
        assert await scene.ask(connect()) == Accept()
    first, *others = app.events
    assert len(others) == 3
    assert all(o.raw == first.raw and o.body == first.body for o in others)


async def test_after_three_retries_the_client_gets_the_status() -> None:
    async with hooked() as (scene, app):
        app.answers(status(503))
        outcome = await scene.ask(connect())
    assert isinstance(outcome, Reject)
    assert outcome.status == 503
    assert len(app.events) == 4


@pytest.mark.parametrize("code", [400, 401, 404, 429])
async def test_a_refusal_is_not_retried(code: int) -> None:
    async with hooked() as (scene, app):
        app.answers(status(code, text="internal"))
        outcome = await scene.ask(connect())
        assert isinstance(await scene.ask(said()), Fail)
    assert isinstance(outcome, Reject)
    assert outcome.status == code
    assert len(app.events) == 2


async def test_the_number_of_retries_can_be_chosen() -> None:
    async with hooked(retries=1) as (scene, app):
        app.answers(status(500))
        await scene.ask(said())
    assert len(app.events) == 2


async def test_a_webhook_that_is_not_there_refuses_clients() -> None:
    async with application() as app:
        url = app.url
    async with stage(webhook(url, validate=False)) as scene:
        assert await scene.ask(connect()) == Reject(500, "The event handler failed.")
        assert isinstance(await scene.ask(said()), Fail)


async def test_a_webhook_that_never_answers_fails_in_time() -> None:  # 12
    async with hooked(timeout=0.5) as (scene, app):
        gate = asyncio.Event()

        async def never(_: Received) -> web.Response:
            await gate.wait()
            return web.Response()

        app.answer = never
        assert isinstance(await scene.ask(said()), Fail)
        gate.set()
    assert len(app.events) == 1


async def test_the_deadline_includes_retries() -> None:
    async with hooked(timeout=0.5, delays=(3600.0,)) as (scene, app):
        app.answers(status(500))
        assert isinstance(await scene.ask(said()), Fail)
    assert len(app.events) == 1


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


# Connections.


@asynccontextmanager
async def raw_server(
    serve: Any,
) -> AsyncIterator[str]:
    """Serve with a coroutine of (request head, writer), one call per request."""

    async def connection(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        requests = 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                requests += 1
                if not await serve(requests, head, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5\r\n\r\n"


async def test_an_answer_before_the_body_was_read_counts() -> None:  # 11
    async def hasty(
        _number: int, _head: bytes, _reader: asyncio.StreamReader, writer: Any
    ) -> bool:
        writer.write(OK)
        await writer.drain()
        await asyncio.Event().wait()  # and never reads on
        return True

    async with (
        raw_server(hasty) as url,
        stage(webhook(url, validate=False, retries=0)) as scene,
    ):
        big = Binary(bytes(8 << 20))
        assert await scene.ask(said(payload=big)) == Respond()
        assert await scene.ask(said(payload=big, number=3)) == Respond()


async def test_a_kept_connection_that_was_closed_is_replaced_once() -> None:
    heads: list[bytes] = []

    async def forgetful(
        number: int, head: bytes, reader: asyncio.StreamReader, writer: Any
    ) -> bool:
        heads.append(head)
        await reader.readexactly(2)
        if number == 1:
            writer.write(OK)
        return number == 1

    async with (
        raw_server(forgetful) as url,
        stage(webhook(url, validate=False, retries=0)) as scene,
    ):
        for number in (1, 2, 3):
            assert await scene.ask(said(number=number)) == Respond()
    assert [b"ce-id: 2" in head for head in heads] == [False, True, True, False, False]


async def test_a_fresh_connection_that_breaks_is_left_to_the_retries() -> None:
    heads: list[bytes] = []

    async def broken(_number: int, head: bytes, *_: Any) -> bool:
        heads.append(head)
        return False

    async with raw_server(broken) as url:
        async with stage(webhook(url, validate=False, retries=0)) as scene:
            assert isinstance(await scene.ask(said()), Fail)
        assert len(heads) == 1
        async with stage(webhook(url, validate=False, retries=2)) as scene:
            assert isinstance(await scene.ask(said()), Fail)
        assert len(heads) == 4


async def test_a_connection_is_used_again() -> None:
    peers: set[Any] = set()
    async with hooked() as (scene, app):

        async def answer(received: Received) -> web.Response:
            peers.add(received.peer)
            return web.Response()

        app.answer = answer
        for number in (1, 2, 3):
            await scene.ask(said(number=number))
    assert len(peers) == 1


# Cookies.


async def test_cookies_belong_to_one_client_until_it_is_gone() -> None:
    first, second = client("c1"), client("c2")
    async with hooked() as (scene, app):
        app.answers(status(200, headers={"Set-Cookie": "node=n1; Path=/hooks"}))
        await scene.ask(connect(who=first))
        app.answers(status(200))
        await scene.ask(said(who=first))
        await scene.ask(said(who=second))
        scene.tell(disconnected(3, who=first))
        for _ in range(3):
            await app.next()
        gone = await app.next()
        await scene.ask(said(number=4, who=first))
    cookies = [received.headers.get("Cookie") for received in app.events]
    assert cookies == [None, "node=n1", None, "node=n1", None]
    assert gone.headers["ce-eventName"] == "disconnected"


async def test_cookies_of_failures_and_of_consent_are_not_kept() -> None:
    sets = {"Set-Cookie": "a=1"}
    async with hooked() as (scene, app):
        app.consent = lambda _: web.Response(
            headers={"WebHook-Allowed-Origin": "*", **sets}
        )
        app.answers(status(400, headers=sets), status(200))
        await scene.ask(said())
        await scene.ask(said(number=3))
    assert all("Cookie" not in received.headers for received in app.events)


async def test_cookies_of_another_path_are_not_sent() -> None:
    async with hooked() as (scene, app):
        app.answers(status(200, headers={"Set-Cookie": "a=1; Path=/other"}))
        await scene.ask(said())
        await scene.ask(said(number=3))
    assert all("Cookie" not in received.headers for received in app.events)


async def test_cookies_that_grow_too_long_are_forgotten() -> None:
    async with hooked() as (scene, app):
        app.answers(status(200, headers={"Set-Cookie": f"a={'x' * 4096}"}))
        await scene.ask(said())
        await scene.ask(said(number=3))
    assert all("Cookie" not in received.headers for received in app.events)


async def test_the_client_unheard_for_longest_loses_its_cookies_first() -> None:
    url = URL("http://127.0.0.1/")
    sets: Any = SimpleNamespace(cookies=SimpleCookie("a=1"), url=url)
    cookies = Cookies(connections=2)
    cookies.keep("c1", sets)
    cookies.keep("c2", sets)
    assert cookies.header("c1", url) == (("Cookie", "a=1"),)
    cookies.keep("c3", sets)
    assert [bool(cookies.header(c, url)) for c in ("c1", "c2", "c3")] == [
        True,
        False,
        True,
    ]


# TLS.


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Make a certificate of our own for loopback, with its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    path = tmp_path / "own.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-days 2 -subj /CN=tests -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {path} -out {tmp_path / 'certificate.pem'}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    with path.open("a") as file:
        file.write((tmp_path / "certificate.pem").read_text())
    return path


async def test_certificates_are_verified_and_an_authority_can_be_added(
    authority: Path,
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority)
    async with application(tls) as app:
        async with stage(webhook(app.url)) as scene:
            assert isinstance(await scene.ask(said()), Fail)
        assert app.questions == []
        async with stage(webhook(app.url, ca_file=str(authority))) as scene:
            assert await scene.ask(said()) == Respond()


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


# Settings.


class Shop(EventHandler):
    pass


class AsyncShop(AsyncEventHandler):
    pass


def specs(*handlers: HandlerSettings, **settings: Any) -> Any:
    live = Live(Settings(keys=KEYS, **settings))
    return handler_specs("chat", HubSettings(handlers=handlers), live)


def test_settings_become_specs_in_order() -> None:
    shop, hook = specs(
        HandlerSettings(
            handler=f"{__name__}:Shop", user_events="order.*", workers=3, timeout=9.0
        ),
        HandlerSettings(
            url="https://me:pw@a.example/{event}?code=s3cret",
            system_events=("Connect",),
            presence_events=("joined",),
        ),
    )
    assert (shop.name, shop.workers, shop.timeout) == (f"{__name__}:Shop", 3, 9.0)
    assert shop.matches(said("order.new"))
    assert not shop.matches(said("other"))
    assert hook.name == "webhook https://a.example/{event}"
    assert hook.timeout > 100.0
    assert hook.matches(connect())
    assert not hook.matches(connected())
    assert hook.matches(events.Joined(client(), 1, "room"))


def test_equal_settings_give_equal_specs() -> None:
    live = Live(Settings(keys=KEYS))
    settings = HubSettings(
        handlers=(
            HandlerSettings(handler=f"{__name__}:AsyncShop", user_events="*"),
            HandlerSettings(url="http://a.example/", user_events="*"),
        )
    )
    assert handler_specs("chat", settings, live) == handler_specs(
        "chat", settings, live
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "either url or handler"),
        ({"url": "http://a/", "handler": "a:B"}, "either url or handler"),
        ({"handler": "shop"}, "not of the form module:Class"),
        ({"handler": "no_such_module:Shop"}, "cannot import no_such_module"),
        ({"handler": "json:NoSuchClass"}, "module json has no class NoSuchClass"),
        ({"handler": "json:JSONDecoder"}, "not a subclass of EventHandler"),
        ({"handler": "json:dumps"}, "not a subclass of EventHandler"),
        ({"url": "tunnel:///x"}, "tunnel URLs are not supported"),
        ({"url": "http://a/", "system_events": ("open",)}, "'open' is no system event"),
        ({"url": "http://a/", "presence_events": ("x",)}, "'x' is no presence event"),
        ({"url": "http://a/", "user_events": "a*\\b"}, "pattern cannot be read"),
        ({"url": "http://a/", "ca_file": "/no/such.pem"}, "ca_file /no/such.pem"),
        ({"url": "http://a/", "timeout": 0.0}, "timeout"),
        ({"url": "http://a/", "retries": 4}, "retries"),
        ({"url": "http://a/", "concurrency": 0}, "concurrency"),
        ({"url": "http://a/", "queue": -1}, "queue"),
    ],
)
def test_a_wrong_setting_is_named(settings: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"handler 1 of hub chat: ") as caught:
        specs(HandlerSettings(**settings))
    assert problem in str(caught.value)


def test_a_module_that_fails_to_load_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text("raise OSError('no database')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="broken_shop: OSError: no database"):
        load_class("broken_shop:Shop")


@pytest.mark.parametrize(
    ("endpoints", "origin"),
    [
        (("https://SVC.example:8443/base", "http://other.example"), "svc.example"),
        ((), "127.0.0.1"),
    ],
)
def test_the_origin_is_the_bare_host_of_the_first_endpoint(
    endpoints: tuple[str, ...], origin: str
) -> None:
    assert origin_of(Settings(keys=KEYS, endpoints=endpoints)) == origin
