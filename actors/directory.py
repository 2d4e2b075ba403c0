"""What the hubs and the links of one gateway look up in each other's stead.

The one index that actors share: links write what their peers want, hubs read where a
publication goes. A mailbox hop between them would cost every publication one, and a
hub that starts would have to wait for what the mesh knows. All of them take their turns
on one loop, so nobody sees it half written (docs/decisions, the mesh).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from hubbub.actors.messages import internal, returning
from hubbub.actors.policy.interest import Interest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.remote_server import RemoteServer
    from hubbub.actors.runtime.address import Ref

LinkRef: TypeAlias = "Ref[Any]"


def _nothing(hub: str) -> None:
    """Start no hub, where there is no gateway to start it."""
    del hub


class Directory:
    """Live links, hubs, what peers want and which servers are attached to them.

    Args:
        gateway: The id of this gateway, with which its connection ids begin.
    """

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.links: dict[str, LinkRef] = {}
        """Peers whose link is up, by their id; whatever is announced goes to all."""
        self.unreachable: dict[LinkRef, None] = {}
        """Links whose peer cannot be reached now, although they are up."""
        self.hubs: dict[str, Ref[Any]] = {}
        """The hubs of this gateway, by name."""
        self.start: Callable[[str], object] = _nothing
        """Starts a hub of this gateway, if it has not started."""
        self._interest: dict[str, Interest[LinkRef]] = {}
        self._servers: dict[str, dict[str, RemoteServer]] = {}

    def interest(self, hub: str) -> Interest[LinkRef]:
        """Give what peers want in a hub; the same table for as long as we live."""
        table = self._interest.get(hub)
        if table is None:
            table = self._interest[hub] = Interest()
        return table

    def servers(self, hub: str) -> dict[str, RemoteServer]:
        """Give the servers that are attached to peers, by id."""
        return self._servers.setdefault(hub, {})

    def owner(self, connection_id: str) -> LinkRef | None:
        """Give the link to the gateway that a connection id names; None if not up."""
        return self.links.get(connection_id[: len(self.gateway)])

    def forget_hub(self, hub: str, link: LinkRef) -> list[str]:
        """Forget what a peer wants in a hub; gives its servers, which are gone."""
        if hub in self._interest:
            self._interest[hub].forget(link)
        servers = self._servers.get(hub, {})
        gone = [name for name, server in servers.items() if server.link is link]
        for name in gone:
            del servers[name]
        return gone

    def miss(self, link: LinkRef) -> None:
        """Let hubs know that a peer cannot be reached; it may still come back."""
        self.unreachable[link] = None
        for hub in self.hubs.values():
            hub.post(returning.Unreachable(link))

    def lose(self, gateway: str, link: LinkRef) -> None:
        """Forget a peer, and let hubs know."""
        self.unreachable.pop(link, None)
        if self.links.get(gateway) is link:
            del self.links[gateway]
        for name in dict.fromkeys((*self._interest, *self._servers)):
            hub = self.hubs.get(name)
            for server_id in self.forget_hub(name, link):
                if hub is not None:
                    hub.post(internal.Detached(server_id))
        for hub in self.hubs.values():
            hub.post(returning.LinkLost(link))
