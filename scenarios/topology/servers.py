"""Servers of a scene: each an actor around an attached server of the SDK."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, assert_never

import msgspec

from hubbub.actors import events
from hubbub.actors.policy.routes import event_name
from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.clients import ANY, origin
from hubbub.scenarios.topology.processes import HUB
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.scenarios.topology.telling import said
from hubbub.sdk import AckError, Message, WebPubSubServer

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address
    from hubbub.scenarios.topology.clients import Client
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller

T = TypeVar("T")

_MOST = 1000
"""Messages and events that wait for a story that does not ask for them."""

Answer: TypeAlias = Callable[[Any], Any]
"""Takes an event, gives its outcome; sync and short, or async."""


class Attach(msgspec.Struct, frozen=True):
    """Connect to the gateway; answered with the id that it gives."""

    answer: Reply[str]


class Listen(msgspec.Struct, frozen=True):
    """Hear what is published to a group."""

    group: str
    answer: Reply[None]


class Publish(msgspec.Struct, frozen=True):
    """Publish to a group."""

    group: str
    data: object
    answer: Reply[None]


class Handle(msgspec.Struct, frozen=True):
    """Declare who answers events of a name, or an interception point."""

    name: str
    function: Answer
    where: str | None
    intercepts: bool
    answer: Reply[None]


class Tell(msgspec.Struct, frozen=True):
    """Send a message to one connection."""

    connection_id: str
    data: object
    answer: Reply[None]


class Dismiss(msgspec.Struct, frozen=True):
    """Close one connection."""

    connection_id: str
    reason: str
    answer: Reply[None]


class Hear(msgspec.Struct, frozen=True):
    """Take the next message; answered as soon as there is one."""

    answer: Reply[Message]


class Notice(msgspec.Struct, frozen=True):
    """Take the next event that this server was given; answered likewise."""

    answer: Reply[events.Event]


class Retire(msgspec.Struct, frozen=True):
    """Take no new events, and finish those under way."""

    answer: Reply[None]


class Detach(msgspec.Struct, frozen=True):
    """Leave for good."""

    answer: Reply[None]


ToServer: TypeAlias = (
    Attach
    | Listen
    | Publish
    | Handle
    | Tell
    | Dismiss
    | Hear
    | Notice
    | Retire
    | Detach
    | Done
)


class ServerActor(Part):
    """One server, from its first connection to its end."""

    def __init__(self, connection_string: str, roles: str) -> None:
        super().__init__()
        self._server = WebPubSubServer(
            connection_string, HUB, roles=roles, timeout=SECONDS
        )
        self._heard: asyncio.Queue[Message] = asyncio.Queue(_MOST)
        self._given: asyncio.Queue[events.Event] = asyncio.Queue(_MOST)

    def on_receive(self, message: ToServer) -> None:
        """Do what the story asks."""
        server = self._server
        match message:
            case Attach(answer=answer):
                self.work(self._attach(), answer)
            case Publish(group=group, data=data, answer=answer):
                self.work(server.publish(group, data), answer)
            case Listen(group=group, answer=answer):
                self.work(self._listen(group), answer)
            case Handle(answer=answer):
                self.work(self._handle(message), answer)
            case Tell(connection_id=connection_id, data=data, answer=answer):
                self.work(server.client(connection_id).send(data), answer)
            case Dismiss(connection_id=connection_id, reason=reason, answer=answer):
                self.work(server.client(connection_id).close(reason), answer)
            case Hear(answer=answer):
                self.work(_next(self._heard), answer)
            case Notice(answer=answer):
                self.work(_next(self._given), answer)
            case Retire(answer=answer):
                self.work(server.drain(), answer)
            case Detach(answer=answer):
                self.work(server.close(), answer)
            case Done():
                self.done(message)
            case _:
                assert_never(message)

    async def _attach(self) -> str:
        await self._server.__aenter__()
        return self._server.server_id or ""

    async def _listen(self, group: str) -> None:
        async def heard(message: Message) -> None:
            self._heard.put_nowait(message)

        await self._server.subscribe(group, heard)

    async def _handle(self, handle: Handle) -> None:
        async def given(event: Any) -> Any:
            self._given.put_nowait(event)
            outcome = handle.function(event)
            return await outcome if inspect.isawaitable(outcome) else outcome

        server, name, where = self._server, handle.name, handle.where
        if handle.intercepts:
            await server.handle_events(name, given, filter=where)
        else:
            await server.handle_event(name, given, filter=where)


async def _next(queue: asyncio.Queue[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await queue.get()


class Server:
    """A server as a story sees it; verbs wait until they are done."""

    def __init__(
        self, name: str, address: Address, stage: Stage, teller: Teller
    ) -> None:
        self.name = name
        self.server_id = ""
        self._address = address
        self._stage = stage
        self._teller = teller

    def attaches(self) -> None:
        """Connect, or fail as the SDK does."""
        self.server_id = self._stage.ask(self._address, Attach)

    def listens_to(self, group: str) -> None:
        """Hear from now on what is published to a group."""
        self._does(f"listens to {group}", lambda answer: Listen(group, answer))

    def publishes(self, group: str, data: object) -> None:
        """Publish to a group."""
        what = f"publishes {said(data)} to {group}"
        self._does(what, lambda answer: Publish(group, data, answer))

    def sends(self, client: Client, data: object) -> None:
        """Send a message to one client."""
        what = f"sends {client.name} {said(data)}"
        self._does(what, lambda answer: Tell(client.connection_id, data, answer))

    def closes(self, client: Client, reason: str) -> None:
        """Close a client's connection."""
        what = f"closes the connection of {client.name}: {reason}"
        self._does(what, lambda answer: Dismiss(client.connection_id, reason, answer))

    def answers(self, name: str, function: Answer, *, where: str | None = None) -> None:
        """Answer events from now on.

        Args:
            name: A system event, or a pattern of user events.
            function: Takes an event, gives its outcome.
            where: A filter that events must pass.
        """
        filtered = f" where {where}" if where else ""
        self._does(
            f"answers the event {name}{filtered}",
            lambda answer: Handle(name, function, where, False, answer),
        )

    def intercepts(
        self, point: str, function: Answer, *, where: str | None = None
    ) -> None:
        """Decide from now on what clients may publish, or which groups they may join.

        Args:
            point: ``publish`` or ``subscribe``.
            function: Takes an event, gives ``Allow`` or ``Deny``.
            where: A filter that events must pass.
        """
        filtered = f" where {where}" if where else ""
        self._does(
            f"intercepts {point}{filtered}",
            lambda answer: Handle(point, function, where, True, answer),
        )

    def hears(self, data: object, *, group: object = ANY, sender: object = ANY) -> None:
        """Expect that the next message is this one; as with a client."""
        what = f"hears {said(data)}{origin(group, sender)}"
        heard = self._expect(what, Hear)
        if (heard.data, heard.group, heard.from_user) != (data, group, sender):
            came_from = origin(heard.group, heard.from_user)
            instead = f"heard {said(heard.data)}{came_from} instead"
            raise self._teller.fails(self.name, what, instead)
        self._teller.holds(self.name, what)

    def is_given(self, name: str, client: Client) -> None:
        """Expect that the next event this server was given is this one, of a client."""
        what = f"is given {name} of {client.name}"
        event = self._expect(what, Notice)
        given = (event_name(event), event.client.user_id)
        if given != (name, client.name):
            instead = f"was given {given[0]} of {given[1]} instead"
            raise self._teller.fails(self.name, what, instead)
        self._teller.holds(self.name, what)

    def drains(self) -> None:
        """Take no new events, and finish those under way."""
        self._does("drains", Retire)

    def detaches(self) -> None:
        """Leave for good."""
        self._does("detaches", Detach)

    def ends(self) -> None:
        """Leave for good, without a word; harmless when it has left."""
        self._stage.ask(self._address, Detach)

    def _does(self, what: str, question: Callable[[Reply[None]], ToServer]) -> None:
        self._teller.does(self.name, what)
        try:
            self._stage.ask(self._address, question)
        except AckError as error:
            raise self._teller.fails(self.name, what, f"{error}") from None

    def _expect(self, what: str, question: Callable[[Reply[T]], ToServer]) -> T:
        try:
            return self._stage.ask(self._address, question)
        except TimeoutError:
            late = f"nothing came within {SECONDS:g} s"
            raise self._teller.fails(self.name, what, late) from None
