"""The servers attached to one hub: started, remembered, seen off.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.server import Leaving, Server
from hubbub.actors.upstream_mail import Declare, Leave

if TYPE_CHECKING:
    from hubbub.actors.membership import Membership
    from hubbub.actors.messages import internal
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Address, Ref
    from hubbub.actors.upstream_mail import ToUpstream


class Attachments:
    """The attached servers by the address of their actor.

    Args:
        hub: The actor whose children they are.
        membership: Who listens to what.
    """

    def __init__(self, hub: LoopActor, membership: Membership) -> None:
        self._hub = hub
        self._membership = membership
        self._ids: dict[Address, str] = {}
        self._addresses: dict[str, Address] = {}
        self._declared: dict[Ref[Any], Declare] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def admit(self, admit: internal.AdmitServer) -> None:
        """Start the actor of a server that stands at the door."""
        number = self._hub.dispatcher.random.getrandbits(104)
        server_id, hub = f"server-{number:026x}", self._hub.address
        address = self._hub.spawn(lambda: Server(server_id, admit, hub))
        self._ids[address] = server_id
        self._addresses[server_id] = address

    def id_of(self, server: Ref[Any]) -> str | None:
        """Give the id of a server that is here."""
        return self._ids.get(server)  # type: ignore[call-overload, no-any-return] # an address, or not found

    def address_of(self, server_id: str) -> Address | None:
        """Give the address of a server that is here."""
        return self._addresses.get(server_id)

    def declare(self, declare: Declare, upstream: Ref[ToUpstream]) -> None:
        """Pass on what a server takes, and keep it for an upstream that restarts."""
        if declare.server in self._ids:
            self._declared[declare.server] = declare
            upstream.post(declare)

    def declared(self) -> tuple[Declare, ...]:
        """Give what the servers that are here have declared, without receipts."""
        return tuple(
            Declare(one.server, one.rules, one.window, supersede=one.supersede)
            for one in self._declared.values()
        )

    def ended(self, address: Address, upstream: Ref[ToUpstream]) -> str | None:
        """Hear that a child has ended; gives its id if it was a server."""
        server_id = self._ids.pop(address, None)
        if server_id is None:
            return None
        del self._addresses[server_id]
        self._declared.pop(address, None)
        self._membership.forget_server(server_id)
        upstream.post(Leave(address))
        return server_id

    def dismiss(self) -> None:
        """Close every server's socket: the gateway is about to end."""
        for address in self._ids:
            address.post(Leaving())
