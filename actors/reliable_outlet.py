"""The outgoing side of a reliable session: it numbers, keeps, and outlives its socket.

A part of the connection that groups hand their blocks to, like any outlet. A message is
kept without its number, shared with everybody who got it, until it is acknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hubbub.actors.messages import pushes
from hubbub.actors.policy.retention import Retention

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.sessions import Mail
    from hubbub.actors.policy.retention import Bounds
    from hubbub.actors.runtime.ports import (
        AnyPush,
        Letters,
        Numberable,
        NumberingCodec,
        Outlet,
    )

_NUMBERED = (pushes.GroupMessage, pushes.ServerMessage)


class ReliableOutlet:
    """Numbers the messages of a client, and gives them again after a recovery.

    Args:
        codec: The codec of the session, whatever socket it has.
        subprotocol: Its name, as the client spelled it.
        bounds: How much is kept.
        now: Gives the time in seconds.
        overflow: Called once, with the reason, when a bound is passed; from then on
            nothing is taken.
    """

    __slots__ = (
        "_bounds",
        "_brink",
        "_kept",
        "_now",
        "_overflow",
        "_progress",
        "_socket",
        "_waiting",
        "codec",
        "deaf",
        "over",
        "subprotocol",
    )

    def __init__(
        self,
        codec: NumberingCodec,
        subprotocol: str | None,
        bounds: Bounds,
        now: Callable[[], float],
        overflow: Callable[[str], None],
    ) -> None:
        self.codec = codec
        self.subprotocol = subprotocol
        self.deaf = False
        """Whether what comes is not for this session: another gateway gives it."""
        self.over = False
        self._bounds = bounds
        self._now = now
        self._overflow = overflow
        self._kept = Retention()
        self._socket: Outlet | None = None
        self._brink = bounds.messages
        self._progress = now()
        # Before the session has moved in, what came since it began to.
        self._waiting: list[Letters] | None = None

    # What groups and hubs give.

    def append(self, block: Numberable, count: int) -> None:
        """Number the messages of a block, keep them, and send them if there is one."""
        count = block.count  # of those that can be said
        if self.deaf or not count:
            return
        letters = block.letters
        if self._waiting is not None:
            self._waiting.append(letters)
            return
        kept = self._kept
        if kept.acknowledged == kept.last:
            self._progress = self._now()
        first = kept.add(letters, self._now() if letters.ttls else 0.0)
        if kept.last > self._brink or kept.size > self._bounds.size:
            self._look()
            if self.over:
                return
        if self._socket is not None:
            self._socket.append(block.numbered(first), count)

    def post(self, push: AnyPush, /) -> None:
        """Send a push: a message under a number, anything else only now or never."""
        frame = self.codec.encode(push)
        if type(push) in _NUMBERED:
            self.append(self.codec.join([frame] if frame else []), 1)
        elif frame and self._socket is not None:
            self._socket.append(frame, 1)

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._kept.size

    @property
    def count(self) -> int:
        """Messages that are not acknowledged."""
        return self._kept.count

    # What the connection does.

    def acknowledge(self, sequence_id: int) -> None:
        """Forget messages up to a number."""
        kept = self._kept
        if kept.acknowledge(sequence_id):
            self._progress = self._now()
            if self._socket is not None:
                self._brink = kept.acknowledged + self._bounds.messages

    def attach(self, socket: Outlet) -> None:
        """Send through a socket from now on, first what is not acknowledged."""
        self._socket = socket
        self._progress = self._now()
        self._brink = self._kept.acknowledged + self._bounds.messages
        for block, count in self._kept.again(self.codec, self._progress):
            socket.append(block, count)

    def detach(self) -> None:
        """Keep everything until there is a socket again."""
        self._socket = None
        self._brink = self._kept.last + self._bounds.messages

    def close(self) -> None:
        """Take nothing more, and forget everything."""
        self.over = self.deaf = True
        self._kept.clear()

    # Moving to another gateway.

    def await_mail(self) -> None:
        """Let what comes wait for what was kept elsewhere; nothing counts as yet."""
        self._waiting, self.deaf = [], True

    def export(self) -> Mail:
        """Give all that is kept."""
        kept = self._kept
        away = max(0, self._brink - kept.last)
        room = self._bounds.messages if self._socket is not None else away
        return kept.export(self._now(), room)

    def restore(self, mail: Mail) -> None:
        """Take over what was kept elsewhere; what waited comes behind it."""
        now = self._now()
        self._kept.restore(mail, self.codec, now)
        waiting, self._waiting, self.deaf = self._waiting, None, False
        kept, self._brink = self._kept, mail.last + mail.room
        for letters in waiting or ():
            kept.add(letters, now)
        if kept.last > self._brink or kept.size > self._bounds.size:
            self._look()

    def _look(self) -> None:
        """Decide on a client that is beyond a bound."""
        kept, bounds = self._kept, self._bounds
        if kept.size > bounds.size:
            reason = f"more than {bounds.size} bytes are not acknowledged"
        elif self._socket is None:
            reason = f"more than {bounds.messages} messages came while it was away"
        elif self._now() - self._progress > bounds.patience:
            reason = f"{kept.count} messages are not acknowledged"
        else:
            return
        self.close()
        self._overflow(reason)


def is_reliable(outlet: Outlet) -> bool:
    """Tell whether a socket speaks a subprotocol whose messages are numbered."""
    return getattr(outlet.codec, "numbers", False)


def reliable(
    socket: Outlet,
    bounds: Bounds,
    now: Callable[[], float],
    overflow: Callable[[str], None],
) -> ReliableOutlet:
    """Make the outlet of a new session over its first socket."""
    codec = cast("NumberingCodec", socket.codec)
    outlet = ReliableOutlet(codec, socket.subprotocol, bounds, now, overflow)
    outlet.attach(socket)
    return outlet
