"""Attached servers across gateways: ours for peers' clients, and peers' for ours.

A part of the hub: it runs in the hub's turns. To the upstream a peer's server is a seat
like any other (``RemoteServer``); events that peers give ours wait in line with ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import msgspec

from hubbub.actors.gather import Gather, paying, receipt_into
from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import events, internal, peers, servers
from hubbub.actors.upstream_mail import Declare, Host, Leave, Recall, Retire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.attachments import Attachments
    from hubbub.actors.directory import Directory, LinkRef
    from hubbub.actors.membership import Membership
    from hubbub.actors.messages import commands
    from hubbub.actors.remote_server import RemoteServer
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.upstream_mail import ToUpstream

RETIRING: Final = 300.0
"""Seconds that a peer's events may take which a server has that wants no more."""


ServerMatter: TypeAlias = (
    Declare
    | Retire
    | internal.Observe
    | internal.Asked
    | internal.Detached
    | internal.Given
    | internal.Seen
    | events.Answered
    | events.Withdrawn
)


class SharedServers:
    """The servers of one hub that concern peers.

    Args:
        hub: The hub's name.
        directory: The links, and the servers of peers.
        attachments: The servers that are attached here.
        membership: Who watches.
    """

    def __init__(
        self,
        hub: str,
        directory: Directory,
        attachments: Attachments,
        membership: Membership,
    ) -> None:
        self._hub = hub
        self._links = directory.links
        self._theirs = directory.servers(hub)
        self._ours = attachments
        self._membership = membership
        self._attached: dict[str, peers.Attach] = {}
        self._watching: dict[str, peers.Watch] = {}
        self._seated: dict[str, RemoteServer] = {}

    def take(self, message: ServerMatter, upstream: Ref[ToUpstream]) -> None:
        """Do what servers and clients of different gateways have to do."""
        match message:
            case Declare():
                self._declare(message, upstream)
            case Retire():
                self._retire(message, upstream)
            case internal.Observe():
                self._observe(message)
            case internal.Asked():
                self._asked(message, upstream)
            case internal.Detached(server_id=server_id):
                self._detached(server_id, upstream)
            case internal.Given():
                self._given(message, upstream)
            case events.Withdrawn(connection_id=connection_id, event_id=event_id):
                upstream.post(Recall((connection_id, event_id)))
            case events.Answered():
                upstream.post(message)
            case internal.Seen(server_id=server_id, presence=presence):
                self._membership.listeners.tell_one(server_id, presence)
            case _:
                assert_never(message)

    # Ours, for peers.

    def _declare(self, declare: Declare, upstream: Ref[ToUpstream]) -> None:
        """Let a server of ours take events of everyone's clients."""
        server_id = self._ours.id_of(declare.server)
        if server_id is None:
            return
        attach = peers.Attach(
            server_id, declare.rules, declare.window, declare.supersede
        )
        self._attached[server_id] = attach
        receipt = self._tell(attach, declare.receipt)
        self._ours.declare(msgspec.structs.replace(declare, receipt=receipt), upstream)

    def _retire(self, retire: Retire, upstream: Ref[ToUpstream]) -> None:
        """Let it take no more; pay once all of its events are answered."""
        receipt, server_id = retire.receipt, self._ours.id_of(retire.server)
        if server_id is not None and self._attached.pop(server_id, None) is not None:
            receipt = self._tell(peers.Retire(server_id), receipt, RETIRING)
        upstream.post(Retire(retire.server, receipt))

    def _observe(self, observe: internal.Observe) -> None:
        """Let a server of ours know who comes and goes anywhere."""
        watch, server_id = observe.watch, observe.server_id
        told = peers.Watch(server_id, watch.connections, watch.groups)
        self._watching[server_id] = told
        receipt = self._tell(told, observe.receipt)
        self._membership.observe(msgspec.structs.replace(observe, receipt=receipt))

    def ended(self, server_id: str) -> None:
        """Hear that a server of ours is gone."""
        self._attached.pop(server_id, None)
        self._watching.pop(server_id, None)
        for link in self._links.values():
            link.post(peers.Detach(self._hub, server_id))

    def greet(self, link: LinkRef) -> None:
        """Tell a peer that has just come of our servers."""
        for attach in self._attached.values():
            link.post(peers.Call(0, self._hub, attach))
        for watch in self._watching.values():
            link.post(peers.Call(0, self._hub, watch))

    def _tell(
        self,
        command: peers.Attach | peers.Retire | peers.Watch,
        receipt: commands.Receipt | None,
        seconds: float | None = None,
    ) -> commands.Receipt | None:
        """Tell all peers; gives the receipt for what is done here.

        A peer that does not answer in time is passed over: it hears of the server
        again when its link comes up.
        """
        links = self._links.values()
        if receipt is None:
            for link in links:
                link.post(peers.Call(0, self._hub, command))
            return None
        if not links:
            return receipt
        gather = Gather(len(links) + 1, paying(receipt, lenient=True, every=True))
        for link in links:
            link.post(Ask(self._hub, command, gather, seconds))
        return receipt_into(gather)

    # Peers', for our clients.

    def begin(self) -> None:
        """Take in what peers' servers said before this instance began."""
        for server in self._theirs.values():
            self._seated[server.server_id] = server
            if server.watch is not None:
                self._seat_watcher(server, server.watch, None)

    def declared(self) -> Iterator[Declare]:
        """Give what they take, for an upstream that starts."""
        for server in self._theirs.values():
            if server.attach is not None:
                yield _declaration(server, server.attach, None)

    def _asked(self, asked: internal.Asked, upstream: Ref[ToUpstream]) -> None:
        """Hear what a peer's server wants."""
        command, receipt = asked.command, asked.receipt
        server = self._theirs.get(command.server_id)
        if server is None:
            receipt.pay()  # it is gone already
            return
        self._seated[server.server_id] = server
        match command:
            case peers.Attach():
                upstream.post(_declaration(server, command, receipt))
            case peers.Retire():
                server.attach = None
                upstream.post(Retire(server, receipt))
            case peers.Watch():
                self._seat_watcher(server, command, receipt)

    def _detached(self, server_id: str, upstream: Ref[ToUpstream]) -> None:
        """Hear that a peer's server is gone; what it had is given to another."""
        server = self._seated.pop(server_id, None)
        if server is not None:
            self._membership.listeners.forget(server_id)
            upstream.post(Leave(server))

    def _seat_watcher(
        self,
        server: RemoteServer,
        watch: peers.Watch,
        receipt: commands.Receipt | None,
    ) -> None:
        wanted = servers.Watch(watch.connections, watch.groups)
        observe = internal.Observe(server.server_id, server, wanted, receipt)
        self._membership.observe(observe)

    # What passes between them.

    def _given(self, given: internal.Given, upstream: Ref[ToUpstream]) -> None:
        """Give a server of ours a peer's event.

        If it is gone, the peer hears so, and asks another.
        """
        address = self._ours.address_of(given.server_id)
        if address is not None:
            upstream.post(Host(address, given.delivery, given.back))


def _declaration(
    server: RemoteServer, attach: peers.Attach, receipt: commands.Receipt | None
) -> Declare:
    rules, window, supersede = attach.rules, attach.window, attach.supersede
    return Declare(server, rules, window, receipt, supersede, remote=True)
