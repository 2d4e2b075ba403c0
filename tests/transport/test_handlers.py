"""Settings of event handlers as specs, and what is wrong with them in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hubbub.actors import events
from hubbub.actors.handler import AsyncEventHandler, EventHandler
from hubbub.transport.handlers import handler_specs, load_class, origin_of
from hubbub.transport.settings import HandlerSettings, HubSettings, Live, Settings
from support.handlers import KEYS, client, connect, connected, said

if TYPE_CHECKING:
    from pathlib import Path


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
