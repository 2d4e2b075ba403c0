"""A reliable client that follows the rules, and notices when a gateway does not.

It reads its sockets one after the other, drops numbers that it has seen, acknowledges
cumulatively, and holds what it reads against what a gateway may send (client protocols,
reliable subprotocols).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.messages import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.fakes import FakeSocket


class ReliableClient:
    """One session, over all its sockets.

    Args:
        socket: The first one; the client may still be at the door.
        gaps: Whether numbers may be missing on the wire, because messages were too
            late.
    """

    def __init__(self, socket: FakeSocket, *, gaps: bool = False) -> None:
        self.socket = socket
        self.connection_id = ""
        self.token = ""
        self.data: list[Any] = []
        """The data of all messages, without those that came again."""
        self.seen = 0
        """The highest number of a message that was read."""
        self.acknowledged = 0
        """The highest number that was acknowledged."""
        self._gaps = gaps
        self._read = 0
        self._last: int | None = None
        self._cut = False

    def read(self, *, but: int = 0) -> ReliableClient:
        """Read what has come, except for so many messages at the end."""
        if self._cut:
            return self
        journal = self.socket.journal
        for kind, what in journal[self._read : len(journal) - but]:
            if kind == "push":
                self._take(what)
        self._read = len(journal) - but
        return self

    def acknowledge(self, number: int | None = None) -> None:
        """Acknowledge all that was read, or up to a number."""
        number = self.seen if number is None else number
        self.acknowledged = max(self.acknowledged, number)
        self.socket.send(requests.AckSequence(number))

    def cut(self, *, unread: int = 0) -> None:
        """Lose the socket; of what was sent, some of the last was not read."""
        self.drop(unread=unread)
        self.socket.cut()

    def drop(self, *, unread: int = 0) -> None:
        """Lose the socket with its gateway, which hears nothing of it."""
        self.read(but=min(unread, len(self.socket.journal) - self._read))
        self.socket.gone = self._cut = True

    def come_back(self, knock: Callable[[str], FakeSocket]) -> FakeSocket:
        """Stand at a door, with proof of who this is; time must pass until it opens."""
        self.socket = knock(self.connection_id)
        self._read, self._last, self._cut = 0, None, False
        return self.socket

    # What became of it.

    @property
    def is_in(self) -> bool:
        """Whether the door has opened."""
        return bool(self.socket.all("accepted"))

    @property
    def is_to_try_again(self) -> bool:
        """Whether the door was not opened this time."""
        return bool(self.socket.all("rejected"))

    @property
    def is_lost(self) -> bool:
        """Whether it was told that its session is over."""
        return bool(self.socket.all("lost"))

    @property
    def is_paused(self) -> bool:
        """Whether nobody reads what it sends."""
        journal = self.socket.journal
        kinds = [kind for kind, _ in journal if kind in {"paused", "resumed"}]
        return kinds[-1:] == ["paused"]

    @property
    def closed(self) -> int | None:
        """The code with which the gateway has closed the socket."""
        closes = self.socket.all("closed")
        return closes[-1][0] if closes else None

    # Messages.

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._take_message(message)
            return
        assert "sequenceId" not in message, f"{message} is no message"
        if message.get("event") == "connected":
            name = message["connectionId"]
            assert self.connection_id in {"", name}, f"{name} is somebody else"
            self.connection_id, self.token = name, message["reconnectionToken"]
        if self._last is None:
            assert message.get("event") == "connected", f"{message} came first"
            self._last = 0

    def _take_message(self, message: dict[str, Any]) -> None:
        number, last = message["sequenceId"], self._last
        assert last is not None, f"{message} came before connected"
        assert number > self.acknowledged, f"{message} came although acknowledged"
        if last == 0:
            assert self._gaps or number <= self.seen + 1, f"{message} after {self.seen}"
        elif self._gaps:
            assert number > last, f"{message} came after {last}"
        else:
            assert number == last + 1, f"{message} came after {last}"
        self._last = number
        if number > self.seen:
            self.seen = number
            self.data.append(message["data"])
