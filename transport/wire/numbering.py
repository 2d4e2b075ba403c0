"""Messages that every recipient gets under numbers of its own (reliable subprotocols).

The message is encoded once and kept without its number; the number is put in for each
recipient, or once for all who are in step. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from hubbub.actors.messages import pushes
from hubbub.transport.wire.frames import Composer, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.runtime.ports import AnyPush

_NUMBERED = (pushes.GroupMessage, pushes.ServerMessage)


class Stamper(Composer, Protocol):
    """A subprotocol whose messages carry sequence ids."""

    kind: int
    """TEXT or BINARY, of all its frames."""

    def stamp(self, body: bytes, sequence_id: int) -> bytes:
        """Put a sequence id into a message as ``compose`` says it."""


class Body(NamedTuple):
    """A message without its number, and how many seconds it may wait (0: no limit)."""

    data: bytes
    ttl: int


class Letters:
    """Messages without a number, kept until they are acknowledged."""

    __slots__ = ("_stamper", "bodies", "count", "size", "ttls")

    def __init__(self, stamper: Stamper, bodies: list[Body]) -> None:
        self._stamper = stamper
        self.bodies = bodies
        self.count = len(bodies)
        self.size = sum([len(data) for data, _ in bodies])
        self.ttls = any([ttl for _, ttl in bodies])  # noqa: C419 - faster
        """Whether one of them may not wait for ever."""

    def numbered(self, first: int, after: int = 0) -> bytes:
        """Give frames, the first message under this number.

        Args:
            first: The number.
            after: Messages of this number and below are left out.
        """
        stamp, kind = self._stamper.stamp, self._stamper.kind
        return b"".join(
            [
                frame(kind, stamp(data, number))
                for number, (data, _) in enumerate(self.bodies, first)
                if number > after
            ]
        )


class Shared:
    """A block for all who speak a reliable subprotocol, while it is handed out.

    Members that have been given as many messages before share the numbered bytes.
    """

    __slots__ = ("_made", "count", "letters")

    def __init__(self, letters: Letters) -> None:
        self.letters = letters
        self.count = letters.count
        self._made: dict[int, bytes] = {}

    def numbered(self, first: int) -> bytes:
        """Give frames, the first message under this number."""
        block = self._made.get(first)
        if block is None:
            block = self._made[first] = self.letters.numbered(first)
        return block


class StampingCodec:
    """Frames of a reliable subprotocol.

    They are never compressed: a numbered message would have to be, for each recipient.
    """

    __slots__ = ("_compose", "_stamper")

    numbers = True

    def __init__(self, stamper: Stamper) -> None:
        self._stamper = stamper
        self._compose = stamper.compose

    def encode(self, push: AnyPush) -> Body | bytes:
        """Turn a push into a message without a number, or a frame if it has none."""
        said = self._compose(push)
        if said is None:
            return b""
        if type(push) in _NUMBERED:
            return Body(said[1], push.ttl)  # type: ignore[union-attr] # as its type says
        return frame(*said)

    def join(self, frames: list[Body | bytes]) -> Shared:
        """Make one block of messages; those that cannot be said take no number."""
        bodies = [one for one in frames if type(one) is Body]
        return Shared(Letters(self._stamper, bodies))

    def restore(self, bodies: Sequence[tuple[bytes, int]]) -> Letters:
        """Give messages the form they were kept in, each with its ttl."""
        return Letters(self._stamper, [Body(*body) for body in bodies])
