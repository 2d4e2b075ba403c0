"""The outgoing side of one socket: shared blocks in, one write a round out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hubbub.actors.runtime.dispatcher import Dispatcher
    from hubbub.actors.runtime.ports import AnyPush, Codec
    from hubbub.transport.settings import Limits


class SocketOutlet:
    """Queues blocks by reference until the end of the round, or while blocked.

    Blocked means that the transport's own buffer is full. Then the queue is bounded:
    ``too_slow`` is called once when the bound is passed, and the queue is dropped.
    """

    __slots__ = (
        "_blocked",
        "_bytes",
        "_count",
        "_dispatcher",
        "_limits",
        "_pending",
        "_sealed",
        "_taking",
        "_too_slow",
        "_transport",
        "codec",
        "dead",
        "subprotocol",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        codec: Codec,
        subprotocol: str | None,
        dispatcher: Dispatcher,
        limits: Limits,
        too_slow: Callable[[], None],
    ) -> None:
        self.codec = codec
        self.subprotocol = subprotocol
        self._transport = transport
        self._dispatcher = dispatcher
        self._limits = limits
        self._too_slow = too_slow
        self._pending: list[bytes] = []
        self._taking = True
        self._blocked = False
        self._sealed = False
        self.dead = False
        self._count = 0
        self._bytes = 0

    def append(self, block: bytes, count: int) -> None:
        """Queue bytes that hold so many messages."""
        if not self._taking:
            self._hold(block, count)
            return
        pending = self._pending
        if not pending:
            self._dispatcher.write_later(self)
        pending.append(block)
        self._count += count

    def post(self, push: AnyPush, /) -> None:
        """Encode and queue one push."""
        block = self.codec.encode(push)
        if block:
            self.append(block, 1)

    def flush(self) -> None:
        """Write what is queued in one call; the dispatcher's end of a round."""
        pending = self._pending
        if self._blocked or not pending:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._count = 0
        self._transport.write(data)

    def block(self) -> None:
        """Hold everything from now on: the transport's buffer is full."""
        self._blocked = True
        self._taking = False
        self._bytes = sum(map(len, self._pending))

    def unblock(self) -> None:
        """Write again."""
        if self.dead:
            return
        self._blocked = False
        self._taking = not self._sealed
        if self._pending:
            self._dispatcher.write_later(self)

    def seal(self) -> None:
        """Write what is queued, but take nothing more: a close frame is the last."""
        self._sealed = True
        self._taking = False
        SocketOutlet.flush(self)

    def end(self) -> None:
        """Drop the queue and whatever comes: the socket is gone."""
        self.dead = self._blocked = self._sealed = True
        self._taking = False
        self._pending.clear()

    def _hold(self, block: bytes, count: int) -> None:
        if self._sealed:
            return
        self._pending.append(block)
        self._count += count
        self._bytes += len(block)
        limits = self._limits
        if self._count > limits.queue_messages or self._bytes > limits.queue_bytes:
            self.end()
            self._too_slow()


class PatientOutlet(SocketOutlet):
    """An outlet that writes a moment later, for a client that cannot take it at once.

    The sync Python client sends, and only then begins to wait: an ack that comes in
    between is a lost wake-up, and its call sleeps for 30 seconds (client protocols,
    what each official client needs, item 13).
    """

    __slots__ = ("_due",)

    MOMENT = 0.002
    """Seconds; on a real network this goes unnoticed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._due = False

    def flush(self) -> None:
        """Write after a moment, once for all that is queued until then."""
        if not self._due:
            self._due = True
            self._dispatcher.call_later(self.MOMENT, self._write)

    def _write(self) -> None:
        self._due = False
        super().flush()
