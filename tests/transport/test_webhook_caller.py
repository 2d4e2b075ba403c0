"""Calls to a webhook over real sockets: retries, deadlines, kept connections, TLS.

Checklist numbers of the event handler reference stand in the names' comments.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from hubbub.actors import Accept, Binary, Fail, Reject, Respond
from support.handlers import application, connect, said, stage, webhook
from support.webhooks import hooked, raw_server, status

if TYPE_CHECKING:
    from pathlib import Path

    from support.handlers import Received

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5\r\n\r\n"


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


# Connections.


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
