"""A server attached to another gateway, as the hubs here see it: a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hubbub.actors.messages import events, peers, servers

if TYPE_CHECKING:
    from hubbub.actors.directory import LinkRef


class RemoteServer:
    """Passes what a server is given, or watches, to the gateway that has it.

    Args:
        hub: The hub's name.
        server_id: The server.
        link: The way to its gateway.
    """

    __slots__ = ("_hub", "attach", "link", "server_id", "watch")

    def __init__(self, hub: str, server_id: str, link: LinkRef) -> None:
        self._hub = hub
        self.server_id = server_id
        self.link = link
        self.attach: peers.Attach | None = None
        """What it takes, if it has said so."""
        self.watch: peers.Watch | None = None
        """Whom it watches, if anyone."""

    def post(
        self, message: events.Delivery | events.Withdrawn | servers.Presence, /
    ) -> None:
        """Pass it on; an answer comes back through the hub."""
        hub, server_id = self._hub, self.server_id
        match message:
            case events.Delivery(event=event, attempt=attempt):
                self.link.post(peers.Give(hub, server_id, event, attempt))
            case events.Withdrawn(connection_id=connection_id, event_id=event_id):
                self.link.post(peers.Withdraw(hub, server_id, connection_id, event_id))
            case servers.Presence():
                self.link.post(peers.Told(hub, server_id, message))
            case _:
                assert_never(message)
