"""Codecs of a traced gateway: they remember which push a frame was made of.

So a block on its way to an outlet can be read back into its pushes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hubbub.actors.runtime.ports import (
        AnyPush,
        Block,
        Codec,
        Letters,
        Numberable,
        NumberingCodec,
    )

_REMEMBERED = 64 * 1024 * 1024
"""Bytes of frames whose pushes a codec knows: more than any round makes."""

_BODIES = 100_000
"""Messages without a number whose pushes a codec knows."""

_MEDIUM, _LARGE = 126, 127


class TracedCodec:
    """A codec that remembers which push a frame was made of."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._pushes: dict[bytes, AnyPush] = {}
        self._size = 0

    def encode(self, push: AnyPush) -> Any:
        """Turn a push into a frame."""
        frame = self._codec.encode(push)
        if isinstance(frame, bytes):
            self.remember(frame, push)
        return frame

    def join(self, frames: list[Any]) -> Block:
        """Make one block of frames."""
        return self._codec.join(frames)

    def remember(self, frame: bytes, push: AnyPush) -> None:
        """Know later what a frame was made of."""
        if not frame or frame in self._pushes:
            return
        self._pushes[frame] = push
        self._size += len(frame)
        while self._size > _REMEMBERED:
            oldest = next(iter(self._pushes))
            del self._pushes[oldest]
            self._size -= len(oldest)

    def read(self, block: bytes) -> list[AnyPush]:
        """Give the pushes of a block, in order."""
        known = self._pushes
        return [known[frame] for frame in _frames(block) if frame in known]


class TracedNumbering(TracedCodec):
    """A codec whose frames are made for each recipient anew, under its own number."""

    numbers = True

    def __init__(self, codec: NumberingCodec) -> None:
        super().__init__(codec)
        self._numbering = codec
        self._bodies: dict[bytes, AnyPush] = {}

    def encode(self, push: AnyPush) -> Any:
        """Turn a push into a frame, or into a message without its number."""
        frame = super().encode(push)
        if frame and not isinstance(frame, bytes):
            if len(self._bodies) >= _BODIES:
                self._bodies.clear()
            self._bodies[frame[0]] = push
        return frame

    def join(self, frames: list[Any]) -> Block:
        """Make one block of messages."""
        return _TracedBlock(self, self._numbering.join(frames))

    def restore(self, bodies: Sequence[tuple[bytes, int]]) -> Letters:
        """Give messages the form they are kept in."""
        return _TracedLetters(self, self._numbering.restore(bodies))

    def number(self, letters: Letters, first: int) -> None:
        """Know later what each numbered frame was made of."""
        for number, body in enumerate(letters.bodies, first):
            push = self._bodies.get(body[0])
            if push is not None:
                frame = self._numbering.restore([body]).numbered(number)
                self.remember(frame, push)


class _TracedBlock:
    def __init__(self, codec: TracedNumbering, block: Numberable) -> None:
        self.count = block.count
        self.letters: Letters = _TracedLetters(codec, block.letters)

    def numbered(self, first: int) -> bytes:
        return self.letters.numbered(first)


class _TracedLetters:
    def __init__(self, codec: TracedNumbering, letters: Letters) -> None:
        self._codec = codec
        self._letters = letters
        self.bodies = letters.bodies
        self.count, self.size, self.ttls = letters.count, letters.size, letters.ttls

    def numbered(self, first: int, after: int = 0) -> bytes:
        self._codec.number(self._letters, first)
        return self._letters.numbered(first, after)


def traced(codec: Codec) -> TracedCodec:
    """Make the stand-in of a codec."""
    if getattr(codec, "numbers", False):
        return TracedNumbering(cast("NumberingCodec", codec))
    return TracedCodec(codec)


def _frames(block: bytes) -> Iterator[bytes]:
    """Take a block apart; frames from server to client have no mask (RFC 6455 5.2)."""
    start = 0
    while start + 1 < len(block):
        length, head = block[start + 1], 2
        if length in {_MEDIUM, _LARGE}:
            head = 4 if length == _MEDIUM else 10
            length = int.from_bytes(block[start + 2 : start + head])
        end = start + head + length
        yield block[start:end]
        start = end
