"""A client at the door, until it is let in or turned away.

A part of the connection: it runs in the connection's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hubbub.actors.messages import events, internal
from hubbub.actors.policy.admittance import Admittance, admittance, question

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.ports import Socket


class Opened(NamedTuple):
    """A client that is in."""

    client: events.Client
    socket: Socket
    admittance: Admittance


class Entrance:
    """The handshake of one client, and what its handler says of it.

    Args:
        client: Who stands there.
        admit: The handshake, as the hub got it.
    """

    __slots__ = ("_accept", "_admit", "_client")

    def __init__(self, client: events.Client, admit: internal.Admit) -> None:
        self._client = client
        self._admit = admit
        self._accept = events.Accept()

    def ask(self, connection: Address, event_id: int) -> events.Connect:
        """Stand at the door, and ask whether the client may connect."""
        client = self._client
        self._admit.door.attach(connection, f"{client.hub}/{client.connection_id}")
        return question(client, event_id, self._admit.applicant)

    def accept(self, accept: events.Accept, connection: Address) -> internal.Expect:
        """Take the handler's word; gives what peers should know before it is done."""
        self._accept = accept
        user_id, _, groups = admittance(self._admit.applicant, accept)
        return internal.Expect(connection, user_id, groups)

    def open(self) -> Opened | events.Reject:
        """Finish the handshake."""
        accept, client = self._accept, self._client
        socket = self._admit.door.accept(accept.subprotocol)
        if isinstance(socket, events.Reject):
            return socket
        admitted = admittance(self._admit.applicant, accept)
        name, spoken = client.connection_id, socket.outlet.subprotocol
        known = events.Client(client.hub, name, admitted.user_id, spoken, accept.state)
        return Opened(known, socket, admitted)

    def refuse(self, status: int, reason: str) -> None:
        """Turn the client away."""
        self._admit.door.reject(status, reason)
