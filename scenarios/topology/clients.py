"""Clients of a scene as a story sees them: what they do, and what they should hear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.scenarios.topology.client_actor import (
    Ask,
    Close,
    Empty,
    GiveUp,
    Hear,
    Invoke,
    Join,
    Leave,
    Open,
    Publish,
    Return,
)
from hubbub.scenarios.topology.stage import receive
from hubbub.scenarios.topology.telling import said
from hubbub.sdk import AckError, DeadlineError, InvocationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.reply import Reply
    from hubbub.scenarios.topology.client_actor import ToClient
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller
    from hubbub.sdk import InvokeResult, Message


class _Any:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment] # equal to everything, so no hash will do


ANY: Final = _Any()


_BACK: Final = {
    "any": "comes back by itself, into its groups",
    "same": "comes back by itself, into its session",
    "new": "comes back by itself, in a new session, into its groups",
}


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

    def counts(self, group: str, last: int) -> None:
        """Publish the numbers from 1 to the last, one by one, without echo."""
        self._teller.does(self.name, f"counts to {last} in {group}")
        for number in range(1, last + 1):
            self.sends(group, number)

    def asks(self, event: str, data: object, *, refused: str = "") -> None:
        """Send an event to whoever answers this hub's events."""
        what = f"sends the event {event}: {said(data)}"
        self._try(what, lambda answer: Ask(event, data, answer), refused)

    def invokes(
        self, event: str, data: object, *, returns: object = ANY, refused: str = ""
    ) -> None:
        """Call whoever answers this event, and expect what comes back.

        Args:
            event: The event's name.
            data: What is sent; a struct or a dataclass is JSON.
            returns: What the result should say; a struct or a dataclass is what the
                result is read as.
            refused: The name of the error that should come instead.
        """
        what = f"invokes {event}: {said(data)}"
        results: list[InvokeResult | None] = []

        def ask(answer: Reply[InvokeResult | None]) -> Invoke:
            return Invoke(event, data, answer)

        def call() -> None:
            results.append(self._stage.ask(self._address, ask))

        self._attempt(what, call, refused)
        for result in results:
            value = None if result is None else result.data
            if returns is not ANY and value != msgspec.to_builtins(returns):
                raise self._teller.fails(self.name, what, f"got {said(value)}")
            self._teller.holds(self.name, f"gets {said(value)}")

    def gives_up(self, event: str, data: object, *, once: Callable[[], object]) -> None:
        """Call whoever answers this event, and wait no more once something was done."""
        self._teller.does(self.name, f"invokes {event}: {said(data)}")
        call: Reply[InvokeResult | None] = self._stage.asking(
            self._address, lambda answer: Invoke(event, data, answer)
        )
        once()
        self._teller.does(self.name, f"gives up on {event}")
        self._stage.ask(self._address, GiveUp)
        if (result := receive(call)) is not None:
            value = said(result.data)
            raise self._teller.fails(self.name, f"gives up on {event}", f"got {value}")

    def hears(self, data: object, *, group: object = ANY, sender: object = ANY) -> None:
        """Expect that the next message is this one.

        Args:
            data: What it says.
            group: Where it was published; None for one from the server.
            sender: The user who published it; None for the server.
        """
        what = f"hears {said(data)}{origin(group, sender)}"
        self._hear(what, data, group, sender)
        self._teller.holds(self.name, what)

    def hears_count(
        self, last: int, *, group: object = ANY, sender: object = ANY
    ) -> None:
        """Expect that the next messages are the numbers from 1 to the last, in order.

        The arguments are those of ``hears``.
        """
        what = f"hears 1 to {last}{origin(group, sender)}, each once and in order"
        for number in range(1, last + 1):
            self._hear(what, number, group, sender)
        self._teller.holds(self.name, what)

    def takes(self) -> Message:
        """Take the next message, whatever it is."""
        message = self._stage.ask(self._address, Hear)
        came_from = origin(message.group, message.from_user)
        self._teller.does(self.name, f"gets {said(message.data)}{came_from}")
        return message

    def empties_its_inbox(self) -> None:
        """Take what it has heard so far, whatever it is."""
        count = self._stage.ask(self._address, Empty)
        self._teller.does(self.name, f"had heard {count} messages more")

    def comes_back(self, *, recovered: object = ANY) -> None:
        """Expect that it has lost its connection, and is back.

        Args:
            recovered: Whether it is the same session; or a new one, which is in the
                groups that it joined.
        """
        what = _BACK["any" if recovered is ANY else "same" if recovered else "new"]
        try:
            online = self._stage.ask(self._address, Return)
        except DeadlineError as error:
            raise self._teller.fails(self.name, "comes back", f"{error}") from None
        self.connection_id = online.connection_id
        if online.recovered != recovered:
            instead = _BACK["same" if online.recovered else "new"]
            raise self._teller.fails(self.name, what, f"it {instead} instead")
        self._teller.holds(self.name, what)

    def disconnects(self) -> None:
        """Leave for good."""
        self._teller.does(self.name, "disconnects")
        self.ends()

    def ends(self) -> None:
        """Leave for good, without a word; harmless when it has left."""
        self._stage.ask(self._address, Close)

    def _hear(self, what: str, data: object, group: object, sender: object) -> None:
        try:
            heard = self._stage.ask(self._address, Hear)
        except DeadlineError as error:
            raise self._teller.fails(self.name, what, f"{error}") from None
        if (heard.data, heard.group, heard.from_user) != (data, group, sender):
            came_from = origin(heard.group, heard.from_user)
            instead = f"heard {said(heard.data)}{came_from} instead"
            raise self._teller.fails(self.name, what, instead)

    def _try(
        self, what: str, question: Callable[[Reply[None]], ToClient], refused: str = ""
    ) -> None:
        self._attempt(what, lambda: self._stage.ask(self._address, question), refused)

    def _attempt(self, what: str, act: Callable[[], None], refused: str) -> None:
        if not refused:
            self._teller.does(self.name, what)
        try:
            act()
        except (AckError, InvocationError) as error:
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
