"""What a reliable client may expect of its session, whatever gateways go through.

The model knows what was published for it, and for how long and how much it was away:
so it knows when its session may have ended, and when it must have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubbub.actors.messages import requests
    from hubbub.actors.policy.retention import Bounds
    from support.fakes import FakeSocket
    from support.mesh_stage import Node
    from support.moves_stage import MovesStage
    from support.reliable_client import ReliableClient

TRANSIT = 2.5
"""Seconds after which what was published has got anywhere, also over a link that was
cut for a moment."""
LATE = 30.0
"""Seconds for which a gateway at whose door a client stood may still act upon it."""


@dataclass(slots=True)
class Note:
    """A message that was published for a client."""

    text: str
    at: float
    required: bool
    """Whether it must come, or only may: nobody has said yet that it was taken."""
    allowed: bool = True
    """Whether it may come."""


class Guest:
    """A client that follows the rules, and what it may expect.

    Args:
        stage: The gateways.
        bounds: How much they keep of a session.
        user: Its user.
        client: Its session.
        home: The gateway that let it in.
    """

    def __init__(
        self,
        stage: MovesStage,
        bounds: Bounds,
        user: str,
        client: ReliableClient,
        home: Node,
    ) -> None:
        self._stage = stage
        self._bounds = bounds
        self.user = user
        self.client = client
        self.home = home
        self.door: Node | None = None
        """Where it stands and waits."""
        self.away_since: float | None = None
        """Since when it may be away, as gateways see it."""
        self.over = False
        """Whether it knows that its session is over."""
        self.is_in_h: bool | None = False
        """Whether it is in the group h; None while that changes."""
        self._notes: dict[str, list[Note]] = {}
        self._origins: dict[str, str] = {}
        self._progress = self._looked = stage.loop.now
        self._involved: dict[Node, float] = {home: stage.loop.now}
        self._may_be_lost = self._must_be_lost = False
        self._clean = False
        """Whether it is away, and nobody can have moved its session since."""
        self._attached = True
        """Whether a gateway may still believe in its socket."""

    @property
    def now(self) -> float:
        return self._stage.loop.now

    @property
    def is_there(self) -> bool:
        """Whether it has a socket, as far as it knows."""
        return self.door is None and self.client.is_in and not self.client.socket.gone

    @property
    def is_heard(self) -> bool:
        """Whether a gateway reads what it sends."""
        return self.is_there and not self.client.is_paused

    @property
    def is_settled(self) -> bool:
        """Whether its session is surely where it was, and stays there."""
        return self.is_there and self._is_alone()

    # What happens.

    def note(self, origin: str, text: str, *, required: bool = True) -> Note:
        """Note a message that is published for it.

        Those of an origin come in order: a publisher and a target, since groups hand
        out one after the other.
        """
        note = Note(text, self.now, required and not self.over)
        self._notes.setdefault(origin, []).append(note)
        self._origins[text] = origin
        self._weigh()
        return note

    def acknowledge(self, back: int) -> None:
        """Acknowledge what it has read, but for some of the last."""
        client = self.client.read()
        number = max(client.seen - back, 0)
        news = number > client.acknowledged
        client.acknowledge(number)
        if news and self.away_since is None:
            self._progress = self.now

    def cut(self, unread: int) -> None:
        """Lose the socket, some of what was sent unread."""
        self.client.cut(unread=unread)
        self._attached = False
        self._clean = self.away_since is None and self._is_alone()
        self._leave()

    def knock(self, node: Node) -> None:
        """Stand at a door, in place of wherever it was."""
        away, now = self.away_since, self.now
        if self._clean and away is not None:
            settled = [n for n in self._since(away) if away < n.at < now - TRANSIT]
            self._must_be_lost |= now - away > self._bounds.window + 1
            self._must_be_lost |= (
                sum(note.required for note in settled) > self._bounds.messages
            )
        self._clean = False
        if self.is_there:
            self.client.read()
        self.client.come_back(node.recover)
        self._involved[node] = now
        self._leave()
        self.door = node

    def drained(self, node: Node, others: list[Node]) -> None:
        """Note that a gateway drains, which may have the session."""
        if self._is_involved(node):
            self._leave()
            self._clean = False
            self._involved |= dict.fromkeys(others, self.now)

    def overdue(self, node: Node) -> None:
        """Note that a gateway may have had no time to hand the session over."""
        self._may_be_lost |= self._is_involved(node)

    def crashed(self, node: Node) -> None:
        """Note that a gateway died, which may have the session."""
        self._may_be_lost |= self._is_involved(node)
        if node is (self.door or self.home):
            self.client.drop()
            self.door = None
            self._leave()
        for origin, notes in self._notes.items():
            if origin.startswith(node.name):
                for note in notes:
                    note.required &= note.at < self.now - TRANSIT

    def forgo(self, kind: str) -> None:
        """Note that messages of some origins that are still on their way may not come.

        Args:
            kind: What the name of the origin contains.
        """
        for origin, notes in self._notes.items():
            if kind in origin:
                for note in notes:
                    note.required &= note.at < self.now - TRANSIT

    def allow(self, kind: str) -> None:
        """Note that messages of some origins that are still on their way may come."""
        for origin, notes in self._notes.items():
            if kind in origin:
                for note in notes:
                    note.allowed |= note.at > self.now - TRANSIT

    def may_end(self) -> None:
        """Note that somebody wants its session to end."""
        self._may_be_lost = True

    def must_end(self) -> None:
        """Note that its session has ended."""
        self._must_be_lost = True

    # What it sees.

    def look(self) -> None:
        """See what became of it, and judge whether that may be."""
        self._weigh()
        client = self.client
        if client.is_lost and not self.over:
            assert self._may_be_lost, "the session was lost"
            self.check(lost=True)
            self.over = True
        elif self.door is not None and client.is_in:
            is_over = client.closed is not None
            assert is_over or not self._must_be_lost, "the session should be over"
            self.home, self.door = self.door, None
            self._progress, self.away_since = self._involved[self.home], None
            self._attached = True
        elif self.door is not None and client.is_to_try_again:
            self.door = None
        if self.door is None and client.closed is not None and not self.over:
            self._attached = False
            if client.closed != 1001:
                assert self._may_be_lost, f"closed with {client.closed}"
                self._must_be_lost = True
            self._leave(self._looked)
        self._looked = self.now

    def check(self, *, lost: bool = False) -> None:
        """Hold what was read against what was published.

        Args:
            lost: Whether the session ended: then the last may be missing.
        """
        data = self.client.read().data
        assert len(set(data)) == len(data), "something came twice"
        got: dict[str, list[str]] = {}
        for text in data:
            assert text in self._origins, f"{text} was for somebody else"
            got.setdefault(self._origins[text], []).append(text)
        for origin, notes in self._notes.items():
            rest = iter(got.get(origin, ()))
            expected = next(rest, None)
            for note in notes:
                if expected is None and lost:
                    break
                if note.text == expected:
                    assert note.allowed, f"{note} of {origin} came"
                    expected = next(rest, None)
                elif note.required:
                    raise AssertionError(f"{note} of {origin} is missing")
            assert expected is None, f"{expected} of {origin} came out of order"

    # When a session may end.

    def _leave(self, since: float | None = None) -> None:
        if self.away_since is None:
            self.away_since = self.now if since is None else since

    def _since(self, moment: float) -> list[Note]:
        return [n for notes in self._notes.values() for n in notes if n.at >= moment]

    def _weigh(self) -> None:
        bounds, away = self._bounds, self.away_since
        if away is not None:
            came = len(self._since(away - TRANSIT))
            self._may_be_lost |= came > bounds.messages
            self._may_be_lost |= self.now - away > bounds.window - 1
        if self._attached and self.now - self._progress > bounds.patience - TRANSIT:
            kept = sum(map(len, self._notes.values())) - self.client.acknowledged
            self._may_be_lost |= kept > bounds.messages

    def _is_involved(self, node: Node) -> bool:
        since = self._involved.get(node)
        return node is self.home or (since is not None and self.now - since < LATE)

    def _is_alone(self) -> bool:
        return not any(
            self._is_involved(node) for node in self._involved if node is not self.home
        )


@dataclass(slots=True)
class Wish:
    """What a client asks until it has the ack."""

    guest: Guest
    request: requests.SendToGroup | requests.SendEvent
    notes: list[Note]
    socket: FakeSocket
    since: float

    def ask(self) -> None:
        for note in self.notes:
            note.at = self.guest.now
        self.socket.send(self.request)

    @property
    def is_acknowledged(self) -> bool:
        number = self.request.ack_id
        assert number is not None
        return dict(self.socket.acks).get(number) in {True, "Duplicate"}
