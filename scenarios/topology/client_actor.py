"""The actors around the clients of a scene: what a story asks them, and how it is done.

How the story puts it, and what it expects, is known to ``clients``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.sdk import (
    Backoff,
    ClosedError,
    DeadlineError,
    InvokeResult,
    Message,
    Offline,
    Online,
    WebPubSubClient,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.sdk.client.inbox import Inbox
    from hubbub.sdk.client.states import State

_SOON = Backoff(first=0.1, most=0.5)


class Open(msgspec.Struct, frozen=True):
    """Connect; answered with the connection id."""

    answer: Reply[str]


class Join(msgspec.Struct, frozen=True):
    """Join a group; answered once the gateway has."""

    group: str
    answer: Reply[None]


class Leave(msgspec.Struct, frozen=True):
    """Leave a group."""

    group: str
    answer: Reply[None]


class Publish(msgspec.Struct, frozen=True):
    """Publish to a group."""

    group: str
    data: object
    no_echo: bool
    answer: Reply[None]


class Ask(msgspec.Struct, frozen=True):
    """Send an event to the hub's handler."""

    event: str
    data: object
    answer: Reply[None]


class Invoke(msgspec.Struct, frozen=True):
    """Call a server; answered with its result, or None if the client has given up."""

    event: str
    data: object
    answer: Reply[InvokeResult | None]


class GiveUp(msgspec.Struct, frozen=True):
    """Wait no more for the result of the latest call."""

    answer: Reply[None]


class Hear(msgspec.Struct, frozen=True):
    """Take the next message; answered as soon as there is one."""

    answer: Reply[Message]


class Empty(msgspec.Struct, frozen=True):
    """Take what has arrived so far; answered with how many messages it was."""

    answer: Reply[int]


class Return(msgspec.Struct, frozen=True):
    """Wait until the connection was lost, and is there again; answered with how."""

    answer: Reply[Online]


class Close(msgspec.Struct, frozen=True):
    """Leave for good."""

    answer: Reply[None]


ToClient: TypeAlias = (
    Open
    | Join
    | Leave
    | Publish
    | Ask
    | Invoke
    | GiveUp
    | Hear
    | Empty
    | Return
    | Close
    | Done
)


class ClientActor(Part):
    """One client, from its first connection to its end.

    Args:
        url: Gives a fresh client URL for each connection.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        super().__init__()
        self._client = WebPubSubClient(url, timeout=SECONDS, backoff=_SOON)
        self._states: Inbox[State] | None = None
        self._call: asyncio.Task[InvokeResult] | None = None

    def on_receive(self, message: ToClient) -> None:
        """Do what the story asks."""
        client = self._client
        match message:
            case Open(answer=answer):
                self.work(self._open(), answer)
            case Join(group=group, answer=answer):
                self.work(client.join(group), answer)
            case Leave(group=group, answer=answer):
                self.work(client.leave(group), answer)
            case Publish(group=group, data=data, no_echo=no_echo, answer=answer):
                work = client.send_to_group(group, data, no_echo=no_echo)
                self.work(work, answer)
            case Ask(event=event, data=data, answer=answer):
                self.work(client.send_event(event, data), answer)
            case Invoke(event=event, data=data, answer=answer):
                self.work(self._invoke(event, data), answer)
            case GiveUp(answer=answer):
                if self._call is not None:
                    self._call.cancel()
                answer.post(None)
            case Hear(answer=answer):
                self.work(client.next(timeout=SECONDS), answer)
            case Empty(answer=answer):
                self.work(self._empty(), answer)
            case Return(answer=answer):
                self.work(self._return(), answer)
            case Close(answer=answer):
                self.work(client.close(), answer)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    async def _open(self) -> str:
        await self._client.__aenter__()
        self._states = self._client.states()
        return self._client.connection_id

    async def _empty(self) -> int:
        count = 0
        try:
            while True:
                await self._client.next(timeout=0)
                count += 1
        except DeadlineError:
            return count

    async def _invoke(self, event: str, data: object) -> InvokeResult | None:
        loop = asyncio.get_running_loop()
        call = self._call = loop.create_task(self._client.invoke(event, data))
        await asyncio.wait([call])
        return None if call.cancelled() else call.result()

    async def _return(self) -> Online:
        if self._states is None:
            raise ClosedError("this client was never connected")
        while not isinstance(await self._states.next(SECONDS), Offline):
            pass
        while not isinstance(state := await self._states.next(SECONDS), Online):
            pass
        return state
