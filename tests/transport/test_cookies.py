"""Cookies that a webhook sets for a client."""

from __future__ import annotations

from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from yarl import URL

from hubbub.transport.cookies import Cookies
from support.handlers import client, connect, disconnected, said
from support.webhooks import hooked, status


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
