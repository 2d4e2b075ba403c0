"""Clients of the SDK that reach their gateway by a way that a test can cut."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from hubbub.sdk import Online

if TYPE_CHECKING:
    from hubbub.sdk.client.inbox import Inbox
    from hubbub.sdk.client.states import State
    from support.tcp_proxy import TcpProxy

SECONDS = 10.0


def by_way_of(proxy: TcpProxy, url: str) -> str:
    """Give the URL that leads through a proxy; the token stays what it is."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"127.0.0.1:{proxy.port}"))


async def until_online(states: Inbox[State], seconds: float = SECONDS) -> list[State]:
    """Give the states up to the next Online, which is the last."""
    seen = [await states.next(seconds)]
    while not isinstance(seen[-1], Online):
        seen.append(await states.next(seconds))
    return seen


async def until(states: Inbox[State], kind: type[State]) -> State:
    """Give the next state of a kind, passing over others."""
    while not isinstance(state := await states.next(SECONDS), kind):
        pass
    return state
