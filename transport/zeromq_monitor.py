"""What the ZeroMQ library tells of its connections, as far as somebody wants to know.

A monitor posts what happens to a socket; words for people are here too.
"""

from __future__ import annotations

import enum
import itertools
import struct
from typing import TYPE_CHECKING, Final

import zmq

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

_numbers = itertools.count()
_EVENT: Final = struct.Struct("=hi")
_MOST: Final = 256
"""Events that are taken at a time."""


class Happening(enum.Enum):
    """What happened to a connection."""

    UP = zmq.EVENT_HANDSHAKE_SUCCEEDED
    OVER = zmq.EVENT_DISCONNECTED
    UNREACHABLE = zmq.EVENT_CLOSED
    DENIED = zmq.EVENT_HANDSHAKE_FAILED_AUTH
    """The other side has the wrong key."""
    MISMATCH = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    """One side has a key and the other none, or they do not fit."""
    BROKEN_OFF = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    """The other side went, perhaps because it found a mismatch first."""


_ALL: Final = sum(happening.value for happening in Happening)


class Monitor:
    """Tells what happens to the connections of one socket, in the turns of the loop."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        socket: zmq.Socket[bytes],
        tell: Callable[[Happening], None],
    ) -> None:
        self._loop = loop
        self._watched = socket
        self._tell = tell
        # A name of our own: the library's is made of a descriptor, which comes again.
        place = f"inproc://hubbub.monitor.{next(_numbers)}"
        self._socket = socket.context.socket(zmq.PAIR)
        self._socket.linger = 0
        try:
            socket.monitor(place, _ALL)
            self._socket.connect(place)
        except zmq.ZMQError:
            self._socket.close()
            raise
        self._open = True
        self._more = True
        loop.add_reader(self._socket.FD, self._arrived)
        # The descriptor tells nothing until somebody has looked and found nothing.
        loop.call_soon(self._drain)

    def close(self) -> None:
        """Tell nothing more; comes before the end of the socket that is watched."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket.FD)
            self._watched.disable_monitor()
            self._socket.close()

    def _arrived(self) -> None:
        if not self._more:
            self._drain()

    def _drain(self) -> None:
        self._more = False
        for _ in range(_MOST):
            if not self._open:
                return
            try:
                frame, _endpoint = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            kind, _value = _EVENT.unpack(frame)
            if kind & _ALL:
                self._tell(Happening(kind))
        self._more = True
        self._loop.call_soon(self._drain)


def trouble_out(happening: Happening | None, *, secured: bool) -> str:
    """Say why a gateway cannot be reached; None when its name is unknown."""
    match happening:
        case None:
            return "there is no such host"
        case Happening.UNREACHABLE:
            return "nothing answers there"
        case Happening.BROKEN_OFF:  # a proxy may do so too
            perhaps = _other(secured=secured)
            return f"the connection breaks off in the handshake: perhaps {perhaps}"
        case Happening.DENIED | Happening.MISMATCH:
            return _other(secured=secured)
        case _:
            return "the connection breaks off again and again"


def _other(*, secured: bool) -> str:
    if secured:
        return (
            "the gateway there has another cluster secret, or none (or it is no "
            "gateway)"
        )
    return (
        "the gateway there has a cluster secret and this one has none (or it is no "
        "gateway)"
    )


def trouble_in(*, secured: bool) -> str:
    """Say why somebody who connected was turned away."""
    if secured:
        return (
            "somebody connected with another cluster secret, or without one, and was "
            "turned away"
        )
    return (
        "somebody connected with a cluster secret, which this gateway has not, or is "
        "no gateway, and was turned away"
    )
