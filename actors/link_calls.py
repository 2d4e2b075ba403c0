"""Questions asked of one peer, each with a number and a deadline.

A part of the link: it runs in the link's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.actors.messages import commands, peers
from hubbub.actors.runtime.address import Ref

if TYPE_CHECKING:
    from collections.abc import Callable


class Ask(msgspec.Struct, frozen=True, gc=False):
    """Have a peer carry out a command; post what it comes to, or ``Unavailable``.

    Without ``seconds`` the mesh's own patience counts.
    """

    hub: str
    command: peers.Shared
    answer: Ref[Any]
    seconds: float | None = None


class _Open(msgspec.Struct, frozen=True, gc=False):
    answer: Ref[Any]
    until: float


class Calls:
    """What a peer has been asked and has not answered.

    Args:
        peer: Names the gateway, for those who get no answer.
        now: Gives the time in seconds.
    """

    def __init__(self, peer: str, now: Callable[[], float]) -> None:
        self._peer = peer
        self._now = now
        self._open: dict[int, _Open] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def gone(self) -> commands.Unavailable:
        """What is answered while the peer is not there."""
        return commands.Unavailable(f"The gateway {self._peer} is gone.")

    def begin(self, ask: Ask, patience: float) -> peers.Call:
        """Give a question its number."""
        self._last += 1
        seconds = patience if ask.seconds is None else ask.seconds
        self._open[self._last] = _Open(ask.answer, self._now() + seconds)
        return peers.Call(self._last, ask.hub, ask.command)

    def end(self, answer: peers.Return) -> None:
        """Hand on an answer; one that is late, or to nothing, is dropped."""
        asked = self._open.pop(answer.number, None)
        if asked is not None:
            asked.answer.post(answer.value)

    def expire(self) -> None:
        """Give up what was not answered in time."""
        now = self._now()
        late = [number for number, asked in self._open.items() if asked.until <= now]
        text = f"The gateway {self._peer} did not answer in time."
        for number in late:
            self._open.pop(number).answer.post(commands.Unavailable(text))

    def close(self) -> None:
        """Give up everything: the peer is gone."""
        asked, self._open = self._open, {}
        for one in asked.values():
            one.answer.post(self.gone)


class Returning:
    """Takes what a peer's call comes to, and sends it back; a reference.

    Args:
        link: The link of the peer.
        number: The call.
    """

    __slots__ = ("_link", "_number")

    def __init__(self, link: Ref[peers.Return], number: int) -> None:
        self._link = link
        self._number = number

    def post(self, value: Any, /) -> None:
        """Send it back; a receipt says whether the target was found."""
        found = getattr(value, "found", None)
        if found is not None and not isinstance(value, commands.Verdict):
            value = found
        self._link.post(peers.Return(self._number, value))
