"""A push on its way to several outlets, encoded once per subprotocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubbub.actors.runtime.ports import AnyPush, Block, Codec, Outlet


class Parcel:
    """A push with its encodings."""

    __slots__ = ("_encodings", "_push")

    def __init__(self, push: AnyPush) -> None:
        self._push = push
        self._encodings: dict[Codec, Block] = {}

    def give(self, outlet: Outlet) -> None:
        """Queue the push at an outlet, in the bytes of its codec."""
        codec = outlet.codec
        block = self._encodings.get(codec)
        if block is None:
            frame = codec.encode(self._push)
            block = self._encodings[codec] = codec.join([frame] if frame else [])
        if block:
            outlet.append(block, 1)
