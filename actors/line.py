"""What leads to a client: a socket, and of a reliable session what outlives it.

A part of the connection: it runs in the connection's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.reliable_outlet import ReliableOutlet, is_reliable, reliable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages import pushes
    from hubbub.actors.policy.retention import Bounds
    from hubbub.actors.runtime.ports import Outlet, Socket


class Line:
    """The way to a client, whether or not there is a socket now.

    Args:
        outlet: Where groups put what is for the client.
        socket: Its socket; None while it is away.
    """

    __slots__ = ("_held", "_socket", "outlet", "paused")

    def __init__(self, outlet: Outlet, socket: Socket | None) -> None:
        self.outlet = outlet
        self._socket = socket
        self.paused = False
        """Whether the client is not read, because the connection is behind."""
        self._held = False

    @property
    def mail(self) -> ReliableOutlet | None:
        """What is kept for the client; None where nothing is numbered."""
        return self.outlet if isinstance(self.outlet, ReliableOutlet) else None

    @property
    def up(self) -> bool:
        """Whether the client has a socket from which more may come."""
        return self._socket is not None and not self._socket.gone

    @property
    def down(self) -> bool:
        """Whether the client is away."""
        return self._socket is None

    def token(self, connection_id: str) -> str | None:
        """Sign a reconnection token; None where no session can be recovered."""
        if self._socket is None or self.mail is None:
            return None
        return self._socket.token(connection_id)

    def push(self, push: pushes.Push) -> None:
        """Send a push, or keep it if it is a message of a reliable session."""
        self.outlet.post(push)

    def take(self, socket: Socket, greeting: pushes.Connected) -> None:
        """Take another socket in place of the one there is, and send what was kept.

        At most one socket is live per session, and the newest wins (client protocols,
        recovery request).
        """
        mail, old = self.mail, self._socket
        if mail is None:
            raise AssertionError("a session that cannot be recovered was")
        if old is not None:
            old.displace()
        self._socket = socket
        socket.outlet.post(greeting)
        mail.attach(socket.outlet)
        if self.paused:
            socket.pause()

    def lose(self) -> None:
        """Let go of a socket that is gone."""
        self._socket = None
        if self.mail is not None:
            self.mail.detach()

    def pause(self) -> None:
        """Stop reading what the client sends."""
        self.paused = True
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        """Read it again."""
        self.paused = False
        if self._socket is not None and not self._held:
            self._socket.resume()

    def hold(self) -> None:
        """Read nothing more, whatever else would be read: the session moves."""
        self._held = True
        if self._socket is not None:
            self._socket.pause()

    def release(self) -> None:
        """Read again, unless the connection is behind."""
        self._held = False
        if not self.paused:
            self.resume()

    def close(self, code: int, reason: str) -> None:
        """Close the socket, if there is one, and keep nothing more."""
        if self._socket is not None:
            self._socket.close(code, reason)
        if self.mail is not None:
            self.mail.close()


def line(
    socket: Socket,
    bounds: Bounds,
    now: Callable[[], float],
    overflow: Callable[[str], None],
) -> Line:
    """Make the way to a client that has just come in."""
    outlet: Outlet = socket.outlet
    if is_reliable(outlet):
        outlet = reliable(outlet, bounds, now, overflow)
    return Line(outlet, socket)
