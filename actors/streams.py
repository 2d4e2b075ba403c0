"""Streams that one client sends to groups: numbers, acknowledgements, and their ends.

A part of the connection: it runs in the connection's turns. A part of a stream is an
ordinary message to a group with a mark on it; whoever is in the group needs no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from hubbub.actors.messages import pushes, requests
from hubbub.actors.messages.payload import StreamError, StreamMark, Text
from hubbub.actors.messages.sessions import OpenStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.ports import Timer

MOST_STREAMS: Final = 100
"""Streams of one connection that are open at a time."""

FRAGMENTS: Final = 16
"""Parts of a stream after which its publisher is told at once."""

PATIENCE: Final = 0.1
"""Seconds after which a publisher is told of what was published."""

_NOTHING: Final = Text("")
"""What the end of a stream carries: clients need a payload, and an empty one."""


class StreamTick(msgspec.Struct, frozen=True, gc=False):
    """Time to acknowledge, or to look at a stream that may be idle; to oneself."""

    stream_id: str | None = None
    number: int = 0


class _Stream:
    __slots__ = ("expected", "heard", "number", "opening", "timer", "told")

    def __init__(self, opening: requests.StartStream, number: int) -> None:
        self.opening = opening
        self.number = number
        """Tells it from another of the same id."""
        self.expected = 1
        self.told = 1
        """The number that the publisher was last told to be expected."""
        self.heard = 0.0
        self.timer: Timer | None = None


class Streams:
    """The streams that one client publishes.

    Args:
        owner: The connection, whose timers these are.
        push: Tells the client.
        may_send: Tells whether the client may publish to a group now.
        publish: Publishes a part, without asking for the permission again.
        busy: Tells whether what the client sends has to wait, so that its silence
            means nothing.
    """

    def __init__(
        self,
        owner: LoopActor,
        push: Callable[[pushes.Push], None],
        may_send: Callable[[str], bool],
        publish: Callable[[requests.SendToGroup], None],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._owner = owner
        self._push = push
        self._may_send = may_send
        self._publish = publish
        self._busy = busy
        self._open: dict[str, _Stream] = {}
        self._started = 0
        self._telling = False

    def take(self, request: requests.StreamRequest) -> None:
        """Do what the client wants of a stream."""
        if isinstance(request, requests.StartStream):
            self._start(request)
            return
        stream = self._open.get(request.stream_id)
        if stream is None:
            text = f"There is no stream {request.stream_id}."
            self._refuse(request.stream_id, "StreamNotFound", text)
            return
        stream.heard = self._owner.dispatcher.now()
        match request:
            case requests.SendFragment(sequence_id=number, payload=payload):
                self._take_part(stream, number, payload)
            case requests.KeepStream():
                pass  # it was heard of
            case requests.EndStream(error=error):
                self._close(stream, error, told=None)
            case _:
                assert_never(request)

    def due(self, tick: StreamTick) -> None:
        """Acknowledge, or end a stream that was silent for too long."""
        if tick.stream_id is None:
            self._telling = False
            for stream in self._open.values():
                self._acknowledge(stream)
            return
        idle = self._open.get(tick.stream_id)
        if idle is None or idle.number != tick.number:
            return
        seconds, now = idle.opening.idle, self._owner.dispatcher.now()
        if self._busy():
            idle.heard = now
        left = idle.heard + seconds - now
        if left > 0:
            self._watch(idle, left)
        else:
            text = f"Nothing came for {seconds:g} seconds."
            self._fail(idle, "IdleTimeout", text)

    def refused(self, stream_id: str, name: str, message: str) -> None:
        """End a stream whose last part was not published after all."""
        stream = self._open.get(stream_id)
        if stream is not None:
            stream.expected -= 1
            self._fail(stream, name, message)

    def cancel(self, name: str = "Cancelled") -> None:
        """End every stream toward the groups: nobody is left to send to them."""
        for stream in tuple(self._open.values()):
            self._forget(stream)
            self._finish(stream, StreamError(name))

    # Moving to another gateway.

    def export(self) -> tuple[OpenStream, ...]:
        """Give the open streams, to go on elsewhere; here they are forgotten."""
        streams = tuple(self._open.values())
        for stream in streams:
            self._forget(stream)
        return tuple(
            OpenStream(
                stream.opening.stream_id,
                stream.opening.group,
                stream.expected,
                stream.opening.no_echo,
                stream.opening.idle,
            )
            for stream in streams
        )

    def restore(self, streams: Iterable[OpenStream]) -> None:
        """Go on with streams of elsewhere.

        Their publisher comes back, and sends again what was not acknowledged: that
        tells it how far they are.
        """
        for one in streams:
            start = requests.StartStream(
                one.group, one.stream_id, one.no_echo, one.idle
            )
            stream = self._begin(start)
            stream.expected = stream.told = one.expected

    # What a client wants.

    def _start(self, start: requests.StartStream) -> None:
        name, group = start.stream_id, start.group
        if not self._may_send(group):
            self._refuse(name, "Forbidden", _forbidden(group))
        elif name in self._open:
            self._refuse(name, "BadRequest", f"There is a stream {name} already.")
        elif len(self._open) >= MOST_STREAMS:
            text = f"More than {MOST_STREAMS} streams of a connection are too many."
            self._refuse(name, "BadRequest", text)
        else:
            self._begin(start)
            self._push(pushes.StreamAck(name, 1))

    def _begin(self, start: requests.StartStream) -> _Stream:
        self._started += 1
        stream = self._open[start.stream_id] = _Stream(start, self._started)
        stream.heard = self._owner.dispatcher.now()
        self._watch(stream, start.idle)
        return stream

    def _take_part(self, stream: _Stream, number: int, payload: Payload) -> None:
        name, expected = stream.opening.stream_id, stream.expected
        if number < expected:
            stream.told = expected
            self._push(pushes.StreamAck(name, expected))
        elif number > expected:
            stream.told = expected
            self._push(pushes.StreamNack(name, expected))
        elif not self._may_send(stream.opening.group):
            self._fail(stream, "Forbidden", _forbidden(stream.opening.group))
        else:
            stream.expected += 1
            self._send(stream, payload, StreamMark(name, number))
            if stream.expected - stream.told >= FRAGMENTS:
                self._acknowledge(stream)
            elif not self._telling:
                self._telling = True
                self._owner.after(PATIENCE, StreamTick())

    # Ends.

    def _refuse(self, stream_id: str, name: str, text: str) -> None:
        """Tell the publisher alone: there is no such stream, or it does not begin."""
        self._push(pushes.StreamClosed(stream_id, StreamError(name, text)))

    def _fail(self, stream: _Stream, name: str, text: str) -> None:
        """End a stream for everybody."""
        error = StreamError(name, text)
        self._close(stream, error, told=error)

    def _close(
        self, stream: _Stream, error: StreamError | None, told: StreamError | None
    ) -> None:
        """End a stream: by ``error`` for its group, by ``told`` for its publisher."""
        self._forget(stream)
        self._finish(stream, error)
        self._acknowledge(stream)
        self._push(pushes.StreamClosed(stream.opening.stream_id, told))

    def _finish(self, stream: _Stream, error: StreamError | None) -> None:
        name = stream.opening.stream_id
        mark = StreamMark(name, stream.expected, end=True, error=error)
        self._send(stream, _NOTHING, mark)

    def _forget(self, stream: _Stream) -> None:
        del self._open[stream.opening.stream_id]
        if stream.timer is not None:
            stream.timer.cancel()

    # What goes out.

    def _send(self, stream: _Stream, payload: Payload, mark: StreamMark) -> None:
        opening = stream.opening
        self._publish(
            requests.SendToGroup(opening.group, payload, opening.no_echo, stream=mark)
        )

    def _acknowledge(self, stream: _Stream) -> None:
        if stream.told < stream.expected:
            stream.told = stream.expected
            name = stream.opening.stream_id
            self._push(pushes.StreamAck(name, stream.expected))

    def _watch(self, stream: _Stream, seconds: float) -> None:
        """Look again when the stream will have been idle; data does not move it."""
        tick = StreamTick(stream.opening.stream_id, stream.number)
        stream.timer = self._owner.after(seconds, tick)


def _forbidden(group: str) -> str:
    return f"No permission to publish to {group}."
