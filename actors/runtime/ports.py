"""What actors ask of the world: the ports that ``transport`` and tests implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from hubbub.actors.messages.events import Reject
    from hubbub.actors.messages.peers import FromWire, Packet
    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.messages.servers import ServerPush
    from hubbub.actors.runtime.address import Ref

    AnyPush: TypeAlias = Push | ServerPush
    Block: TypeAlias = Any
    """Bytes ready for a socket; or, where messages are numbered, ``Numberable``."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Ts = TypeVarTuple("Ts")


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Call it off."""


class Task(Protocol[T_co]):
    """A coroutine under way; asyncio's task is one."""

    def add_done_callback(self, callback: Callable[[Any], object], /) -> None:
        """Call back with the task once it has ended."""

    def cancel(self) -> bool:
        """Ask it to end."""

    def result(self) -> T_co:
        """Give its result, or raise what it raised."""


class Loop(Protocol):
    """Clock, timers and turns; an asyncio loop is one, a virtual loop another."""

    def time(self) -> float:
        """Seconds on a clock that never goes back."""

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts) -> Any:
        """Call in the next iteration."""

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts
    ) -> Any:
        """Call in the next iteration, from any thread."""

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts
    ) -> Timer:
        """Call after a delay in seconds."""

    def create_task(self, coro: Coroutine[Any, Any, T], /) -> Task[T]:
        """Run a coroutine."""


class Writer(Protocol):
    """An outlet that has something to write."""

    def flush(self) -> None:
        """Write it, in one call."""


class Codec(Protocol):
    """The outgoing half of a subprotocol, shared by all who speak it.

    Its identity is the key under which encodings are shared.
    """

    def encode(self, push: AnyPush) -> Any:
        """Turn a push into a frame, in a form of the codec's own; falsy says nothing.

        Without numbers it is bytes ready for the socket.
        """

    def join(self, frames: list[Any]) -> Block:
        """Make one block of frames, to be given to many outlets."""


class Letters(Protocol):
    """Messages without a number, as they are kept until they are acknowledged."""

    count: int
    size: int
    """Bytes of all of them."""
    ttls: bool
    """Whether one of them may not wait for ever."""

    @property
    def bodies(self) -> Sequence[tuple[bytes, int]]:
        """Each message, and how many seconds it may wait (0: no limit)."""

    def numbered(self, first: int, after: int = 0) -> bytes:
        """Give bytes ready for the socket: messages numbered from ``first`` on.

        Those of the number ``after`` and below are left out.
        """


class Numberable(Protocol):
    """A block of messages that each recipient gets under numbers of its own."""

    count: int

    @property
    def letters(self) -> Letters:
        """The messages, to be kept."""

    def numbered(self, first: int) -> bytes:
        """Give bytes ready for the socket, the first message under this number."""


class NumberingCodec(Codec, Protocol):
    """The codec of a reliable subprotocol: its blocks are ``Numberable``."""

    numbers: bool
    """True; a codec without this attribute numbers nothing."""

    def restore(self, bodies: Sequence[tuple[bytes, int]]) -> Letters:
        """Give messages the form they are kept in, each with its ttl."""


class Outlet(Protocol):
    """The outgoing side of a connection, in the fast lane of fan-out."""

    @property
    def codec(self) -> Codec:
        """The codec whose bytes this outlet takes."""

    @property
    def subprotocol(self) -> str | None:
        """The negotiated name as the client spells it; None for a simple client."""

    def append(self, block: Any, count: int) -> None:
        """Queue a block of its codec's, which holds so many messages."""

    def post(self, push: AnyPush, /) -> None:
        """Encode and queue one push: an outlet is a reference that takes pushes."""


class Door(Protocol):
    """The handshake of a client or a server, until it is accepted or refused."""

    def attach(self, connection: Ref[Any], label: str) -> None:
        """Learn where requests will go, and how the log names this connection.

        A client's are ``requests.Request``, a server's ``servers.ServerRequest``. A
        socket that is gone already says so at once.
        """

    def accept(self, subprotocol: str | None) -> Socket | Reject:
        """Finish the handshake.

        Args:
            subprotocol: The name a handler chose; None leaves the choice to the
                negotiation.

        Returns:
            The open socket, or why the handshake cannot be finished after all (it is
            still to be refused).
        """

    def reject(self, status: int, reason: str) -> None:
        """Refuse the handshake with an HTTP status; harmless when it is over."""

    def lose(self, reason: str) -> None:
        """Tell a client that its session cannot be recovered: let in, then 1008."""


class Socket(Protocol):
    """An open socket as the connection or the attached server sees it."""

    @property
    def outlet(self) -> Outlet:
        """Where pushes go."""

    @property
    def gone(self) -> bool:
        """Whether nothing more comes from it."""

    def token(self, connection_id: str) -> str:
        """Sign a reconnection token for a connection."""

    def close(self, code: int, reason: str) -> None:
        """Flush, then close with a code and a reason; harmless when closed."""

    def displace(self) -> None:
        """Cut the socket, silently: another one has taken its place."""

    def pause(self) -> None:
        """Stop reading, because this connection is behind."""

    def resume(self) -> None:
        """Read again."""


class Channel(Protocol):
    """The way to one gateway; what gets there, gets there in order."""

    def send(self, packet: Packet) -> None:
        """Send without waiting; what does not get through is lost, and sent again.

        A sender that has no acknowledgement stops at a window, well below what a
        channel holds.
        """

    def close(self) -> None:
        """Give up what was not sent; harmless when closed."""


class Wire(Protocol):
    """How a gateway reaches others, and they it."""

    @property
    def endpoint(self) -> str:
        """Where others reach this gateway."""

    def open(self, arrivals: Ref[FromWire]) -> None:
        """Let packets come in from now on, in the turns of the loop."""

    def dial(self, endpoint: str) -> Channel:
        """Make the way to a gateway; it need not be there yet.

        Raises:
            ValueError: This wire does not go there; the text says why.
        """

    def close(self) -> None:
        """Close every channel, and let nothing in any more."""
