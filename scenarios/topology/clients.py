"""Clients of a scene: each an actor around a client of the SDK, and its verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import msgspec

from hubbub.actors.runtime.reply import Reply
from hubbub.scenarios.topology.stage import SECONDS, Done, Part
from hubbub.scenarios.topology.telling import said
from hubbub.sdk import (
    AckError,
    Backoff,
    DeadlineError,
    Message,
    Offline,
    Online,
    WebPubSubClient,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.runtime.address import Address
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller
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


class Hear(msgspec.Struct, frozen=True):
    """Take the next message; answered as soon as there is one."""

    answer: Reply[Message]


class Return(msgspec.Struct, frozen=True):
    """Wait until the connection was lost, and is there again."""

    answer: Reply[str]


class Close(msgspec.Struct, frozen=True):
    """Leave for good."""

    answer: Reply[None]


ToClient: TypeAlias = Open | Join | Leave | Publish | Ask | Hear | Return | Close | Done


class ClientActor(Part):
    """One client, from its first connection to its end.

    Args:
        url: Gives a fresh client URL for each connection.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        super().__init__()
        self._client = WebPubSubClient(url, timeout=SECONDS, backoff=_SOON)
        self._states: Inbox[State] | None = None

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
            case Hear(answer=answer):
                self.work(client.next(timeout=SECONDS), answer)
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

    async def _return(self) -> str:
        if self._states is not None:
            for state in (Offline, Online):
                while not isinstance(await self._states.next(SECONDS), state):
                    pass
        return self._client.connection_id


class _Any:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment] # equal to everything, so no hash will do


ANY: Final = _Any()


class Client:
    """A client as a story sees it.

    A verb tells its line and waits until it is done; what does not come true ends the
    story. With ``refused`` it is expected that the gateway says no, by that name.
    """

    def __init__(
        self, name: str, address: Address, stage: Stage, teller: Teller
    ) -> None:
        self.name = name
        self.connection_id = ""
        self._address = address
        self._stage = stage
        self._teller = teller

    def connects(self) -> None:
        """Connect, or fail as the SDK does."""
        self.connection_id = self._stage.ask(self._address, Open)

    def joins(self, group: str, *, refused: str = "") -> None:
        """Join a group."""
        self._try(f"joins {group}", lambda answer: Join(group, answer), refused)

    def leaves(self, group: str) -> None:
        """Leave a group."""
        self._try(f"leaves {group}", lambda answer: Leave(group, answer))

    def publishes(
        self, group: str, data: object, *, no_echo: bool = False, refused: str = ""
    ) -> None:
        """Publish to a group; without echo it does not hear itself."""
        what = f"publishes {said(data)} to {group}{', without echo' if no_echo else ''}"
        self._try(what, lambda answer: Publish(group, data, no_echo, answer), refused)

    def sends(self, group: str, data: object) -> None:
        """Publish to a group without a word in the story: it does so many times."""
        self._stage.ask(
            self._address, lambda answer: Publish(group, data, True, answer)
        )

    def asks(self, event: str, data: object, *, refused: str = "") -> None:
        """Send an event to whoever answers this hub's events."""
        what = f"sends the event {event}: {said(data)}"
        self._try(what, lambda answer: Ask(event, data, answer), refused)

    def hears(self, data: object, *, group: object = ANY, sender: object = ANY) -> None:
        """Expect that the next message is this one.

        Args:
            data: What it says.
            group: Where it was published; None for one from the server.
            sender: The user who published it; None for the server.
        """
        what = f"hears {said(data)}{origin(group, sender)}"
        try:
            heard = self._stage.ask(self._address, Hear)
        except DeadlineError as error:
            raise self._teller.fails(self.name, what, f"{error}") from None
        came = (heard.data, heard.group, heard.from_user)
        if came != (data, group, sender):
            came_from = origin(heard.group, heard.from_user)
            instead = f"heard {said(heard.data)}{came_from} instead"
            raise self._teller.fails(self.name, what, instead)
        self._teller.holds(self.name, what)

    def takes(self) -> Message:
        """Take the next message, whatever it is."""
        message = self._stage.ask(self._address, Hear)
        came_from = origin(message.group, message.from_user)
        self._teller.does(self.name, f"gets {said(message.data)}{came_from}")
        return message

    def comes_back(self) -> None:
        """Expect that it has lost its connection, and has found a new one."""
        try:
            self.connection_id = self._stage.ask(self._address, Return)
        except DeadlineError as error:
            raise self._teller.fails(self.name, "comes back", f"{error}") from None
        self._teller.holds(self.name, "comes back by itself, into its groups")

    def disconnects(self) -> None:
        """Leave for good."""
        self._teller.does(self.name, "disconnects")
        self.ends()

    def ends(self) -> None:
        """Leave for good, without a word; harmless when it has left."""
        self._stage.ask(self._address, Close)

    def _try(
        self, what: str, question: Callable[[Reply[None]], ToClient], refused: str = ""
    ) -> None:
        if not refused:
            self._teller.does(self.name, what)
        try:
            self._stage.ask(self._address, question)
        except AckError as error:
            if error.name != refused:
                raise self._teller.fails(self.name, what, f"{error}") from None
            self._teller.holds(self.name, f"{what}, which is refused: {error}")
        else:
            if refused:
                raise self._teller.fails(self.name, what, "this was not refused")


def origin(group: object, sender: object) -> str:
    """Say where a message came from, as far as that is told."""
    if group is None:
        return " from the server"
    text = "" if group is ANY else f" in {group}"
    match sender:
        case _Any():
            return text
        case None:
            return f"{text} from the server"
        case _:
            return f"{text} from {sender}"
