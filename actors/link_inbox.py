"""What comes from one peer: each message handed to the hub, or the mesh, it is for.

A part of the link: it runs in the link's turns. Knows what a message is for; knows no
batch and no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from hubbub.actors.gather import receipt_into
from hubbub.actors.link_calls import Returning
from hubbub.actors.messages import (
    commands,
    events,
    internal,
    moving,
    peers,
    returning,
    states,
)
from hubbub.actors.remote_server import RemoteServer

if TYPE_CHECKING:
    from hubbub.actors.directory import Directory
    from hubbub.actors.runtime.address import Ref


class Outcomes:
    """Takes what a peer's event comes to, and sends it back; a reference."""

    __slots__ = ("_hub", "_link", "_server_id")

    def __init__(
        self, hub: str, server_id: str, link: Ref[peers.Outcome | peers.Withdraw]
    ) -> None:
        self._hub = hub
        self._server_id = server_id
        self._link = link

    def post(self, end: events.Answered | events.Withdrawn, /) -> None:
        """Send back its outcome, or the event as it was."""
        hub, who, number = self._hub, end.connection_id, end.event_id
        match end:
            case events.Answered(outcome=outcome):
                self._link.post(peers.Outcome(hub, who, number, outcome))
            case events.Withdrawn():
                self._link.post(peers.Withdraw(hub, self._server_id, who, number))


class Inbox:
    """Hands on what a peer says.

    Args:
        directory: Where hubs are, and what peers want.
        link: The link's own address.
    """

    def __init__(self, directory: Directory, link: Ref[Any]) -> None:
        self._directory = directory
        self._link = link

    def take(
        self,
        message: peers.Relay
        | peers.Interest
        | peers.Interests
        | peers.Reset
        | peers.Call
        | peers.Detach
        | peers.Give
        | peers.Withdraw
        | peers.Outcome
        | peers.Told
        | moving.Migration
        | states.StateNews,
    ) -> None:
        """Hand on one message; what is for a hub that is not here has no effect."""
        directory, link = self._directory, self._link
        match message:
            case peers.Relay(hub=hub, command=command):
                self._tell(hub, internal.Relayed(command, link))
            case peers.Interest(hub=hub, key=key, present=True):
                directory.interest(hub).add(key, link)
            case peers.Interest(hub=hub, key=key):
                directory.interest(hub).discard(key, link)
            case peers.Interests(hub=hub, keys=keys):
                table = directory.interest(hub)
                for key in keys:
                    table.add(key, link)
            case peers.Reset(hub=hub):
                for server_id in directory.forget_hub(hub, link):
                    self._tell(hub, internal.Detached(server_id))
                self._tell(hub, states.StatesReset(link))
            case peers.Call():
                self._call(message)
            case peers.Detach(hub=hub, server_id=server_id):
                if directory.servers(hub).pop(server_id, None) is not None:
                    self._tell(hub, internal.Detached(server_id))
            case peers.Give(hub=hub, server_id=server_id, event=event):
                back = Outcomes(hub, server_id, link)
                given = events.Delivery(event, back, message.attempt)
                self._tell(hub, internal.Given(server_id, given, back))
            case peers.Withdraw(hub=hub, connection_id=who, event_id=event_id):
                self._tell(hub, events.Withdrawn(who, event_id))
            case peers.Outcome(hub=hub, connection_id=who, event_id=event_id):
                self._tell(hub, events.Answered(who, event_id, message.outcome))
            case peers.Told(hub=hub, server_id=server_id, presence=presence):
                self._tell(hub, internal.Seen(server_id, presence))
            case states.StateNews(hub=hub, group=group, items=items):
                self._tell(hub, states.StateHeard(link, group, items))
            case moving.Moving() | moving.Passed() | moving.Handed():
                self._migrate(message)
            case _:
                assert_never(message)

    def _tell(self, hub: str, message: Any) -> None:
        address = self._directory.hubs.get(hub)
        if address is not None:
            address.post(message)

    def _migrate(self, said: moving.Migration) -> None:
        """Hand on what concerns a session that moves.

        A hub that cannot start publishes nothing: its line is where we are. One that
        has not started does, to remember its line for peers that are yet to come.
        """
        hub = said.hub
        if isinstance(said, moving.Moving):
            self._directory.start(hub)
        if hub in self._directory.hubs:
            self._tell(hub, returning.Migratory(self._link, said))
        elif isinstance(said, moving.Moving):
            passed = moving.Passed(hub, said.connection_id, said.number)
            for link in self._directory.links.values():
                link.post(passed)

    def _call(self, call: peers.Call) -> None:
        """Have a hub carry out what a peer asks, and return what it comes to."""
        hub, command = call.hub, call.command
        answer: Any = Returning(self._link, call.number) if call.number else _NOBODY
        if isinstance(command, peers.Attach | peers.Watch):
            server = self._server(hub, command.server_id)
            if isinstance(command, peers.Attach):
                server.attach = command
            else:
                server.watch = command
        if isinstance(command, moving.Offer | peers.Attach):
            # A hub that takes a session; or remembers, once the server is gone, that
            # its clients are somebody's to decide on.
            self._directory.start(hub)
        if hub not in self._directory.hubs:
            answer.post(_nothing_here(command))
            return
        match command:
            case states.ListStates():
                self._tell(hub, states.StatesAsked(command, answer))
            case moving.Fetch(connection_id=who, number=number):
                self._tell(hub, returning.Fetched(who, self._link, number, answer))
            case moving.Offer(connection_id=who):
                self._tell(hub, returning.Offered(who, self._link, answer))
            case peers.Attach() | peers.Retire() | peers.Watch():
                self._tell(hub, internal.Asked(command, receipt_into(answer)))
            case (
                commands.Exists()
                | commands.Members()
                | commands.Grant()
                | commands.Revoke()
                | commands.HasPermission()
            ):
                asked = msgspec.structs.replace(command, answer=answer)
                self._tell(hub, internal.Relayed(asked, self._link))
            case _:
                told = msgspec.structs.replace(command, receipt=receipt_into(answer))
                self._tell(hub, internal.Relayed(told, self._link))

    def _server(self, hub: str, server_id: str) -> RemoteServer:
        known = self._directory.servers(hub)
        if server_id not in known:
            known[server_id] = RemoteServer(hub, server_id, self._link)
        return known[server_id]


class _Nobody:
    """Takes an answer that nobody waits for."""

    def post(self, value: object, /) -> None:
        """Drop it."""


_NOBODY = _Nobody()


def _nothing_here(command: peers.Shared) -> peers.Value:
    """Answer for a hub that has nobody, because it has not started."""
    match command:
        case (
            commands.Exists()
            | commands.AddToGroup()
            | commands.RemoveFromGroup()
            | moving.Fetch()
            | moving.Offer()
        ):
            return False
        case commands.Members():
            return commands.MemberPage((), more=False)
        case states.ListStates():
            return states.StatePage((), more=False)
        case commands.Grant() | commands.Revoke() | commands.HasPermission():
            return commands.Verdict(found=False, done=False)
        case _:
            return True
