"""The edge of a traced gateway: who stands outside as parties, and what they get.

Stands before the gateway's address and around the ports that clients and servers come
with. So the fast lane shows as well: a block on its way to an outlet is read back into
its pushes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from hubbub.actors.messages import (
    commands,
    events,
    internal,
    mesh,
    pushes,
    returning,
    servers,
)
from hubbub.actors.runtime.trace import Party, speaker, speaking
from hubbub.transport.trace_codec import TracedCodec, traced
from hubbub.transport.trace_details import short_id

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import AnyPush, Codec, Door, Outlet, Socket
    from hubbub.actors.runtime.trace import Recorder

ToGateway: TypeAlias = (
    internal.Admit
    | internal.AdmitServer
    | returning.Recover
    | commands.ForHub
    | mesh.ToMesh
)


class Accepted(msgspec.Struct, frozen=True):
    """A handshake ends well."""


class Rejected(msgspec.Struct, frozen=True):
    """A handshake is refused, with an HTTP status."""

    status: int
    reason: str


class Closed(msgspec.Struct, frozen=True):
    """A socket is closed by the gateway."""

    code: int
    reason: str


class Entrance:
    """The gateway's address as the transport sees it: knows who comes.

    Args:
        gateway: The address itself.
        recorder: Told of what those outside get.
    """

    def __init__(self, gateway: Ref[ToGateway], recorder: Recorder) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._callers = Party("caller", "REST caller")
        self._codecs: dict[Codec, TracedCodec] = {}

    def post(self, message: ToGateway) -> None:
        """Pass on someone at the door, or a caller's command."""
        outsider = self._callers
        match message:
            case internal.Admit(applicant=applicant):
                user_id = applicant.user_id
                label = f"client {user_id}" if user_id else "a client"
                outsider = Party("client", label)
            case returning.Recover(connection_id=connection_id):
                outsider = Party("client", f"client {short_id(connection_id)}")
            case internal.AdmitServer():
                outsider = Party("server", "a server")
            case _:
                pass
        if isinstance(
            message, internal.Admit | internal.AdmitServer | returning.Recover
        ):
            door = TracedDoor(message.door, outsider, self)
            message = msgspec.structs.replace(message, door=door)
        with speaking(outsider):
            self._gateway.post(message)

    def record(self, outsider: Party, message: object) -> None:
        """Take down what the party whose turn it is tells someone outside."""
        self._recorder.record(speaker(), outsider, message)

    def codec(self, codec: Codec) -> TracedCodec:
        """Give the one stand-in of a codec: its identity is a key too."""
        found = self._codecs.get(codec)
        if found is None:
            found = self._codecs[codec] = traced(codec)
        return found


class TracedDoor:
    """A handshake; implements the port ``Door``."""

    def __init__(self, door: Door, outsider: Party, entrance: Entrance) -> None:
        self.door = door
        """The door itself."""
        self._outsider = outsider
        self._entrance = entrance

    def attach(self, connection: Ref[Any], label: str) -> None:
        """Let what is asked through this door count as said by who stands there."""
        self.door.attach(_Voice(connection, self._outsider), label)

    def accept(self, subprotocol: str | None) -> Socket | events.Reject:
        """Finish the handshake."""
        socket = self.door.accept(subprotocol)
        if isinstance(socket, events.Reject):
            return socket
        self._entrance.record(self._outsider, Accepted())
        return TracedSocket(socket, self._outsider, self._entrance)

    def reject(self, status: int, reason: str) -> None:
        """Refuse the handshake."""
        self._entrance.record(self._outsider, Rejected(status, reason))
        self.door.reject(status, reason)

    def lose(self, reason: str) -> None:
        """Tell a client that its session cannot be recovered."""
        self._entrance.record(self._outsider, Closed(1008, reason))
        self.door.lose(reason)


class _Voice:
    """An actor's address as the session of its client or server has it."""

    def __init__(self, connection: Ref[Any], outsider: Party) -> None:
        self._connection = connection
        self._outsider = outsider

    def post(self, request: object) -> None:
        with speaking(self._outsider):
            self._connection.post(request)


class TracedSocket:
    """An open socket; implements the port ``Socket``."""

    def __init__(self, socket: Socket, outsider: Party, entrance: Entrance) -> None:
        self._socket = socket
        self._outsider = outsider
        self._entrance = entrance
        self.outlet = TracedOutlet(socket.outlet, outsider, entrance)

    @property
    def gone(self) -> bool:
        """Whether nothing more comes from it."""
        return self._socket.gone

    def token(self, connection_id: str) -> str:
        """Sign a reconnection token."""
        return self._socket.token(connection_id)

    def displace(self) -> None:
        """Cut the socket."""
        self._entrance.record(self._outsider, Closed(1006, "displaced"))
        self._socket.displace()

    def close(self, code: int, reason: str) -> None:
        """Flush, then close."""
        self._entrance.record(self._outsider, Closed(code, reason))
        self._socket.close(code, reason)

    def pause(self) -> None:
        """Stop reading."""
        self._socket.pause()

    def resume(self) -> None:
        """Read again."""
        self._socket.resume()


class TracedOutlet:
    """The outgoing side of a socket; implements the port ``Outlet``."""

    def __init__(self, outlet: Outlet, outsider: Party, entrance: Entrance) -> None:
        self.codec = entrance.codec(outlet.codec)
        self.subprotocol = outlet.subprotocol
        self._outlet = outlet
        self._outsider = outsider
        self._entrance = entrance

    def append(self, block: bytes, count: int) -> None:
        """Queue bytes, and take down the pushes in them."""
        for push in self.codec.read(block):
            self._entrance.record(self._outsider, push)
        self._outlet.append(block, count)

    def post(self, push: AnyPush, /) -> None:
        """Encode and queue one push; the first says who gets it."""
        match push:
            case pushes.Connected(user_id=user_id, connection_id=connection_id):
                self._outsider.label = f"client {user_id or short_id(connection_id)}"
            case servers.Welcome(server_id=server_id):
                self._outsider.label = f"server {short_id(server_id)}"
            case _:
                pass
        block = self.codec.encode(push)
        if block:
            self.append(block, 1)
