"""One hub: routes every command, starts and ends its children.

Knows who is where; does not know what a message looks like on any wire.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, assert_never

from hubbub.actors.arrivals import Ways
from hubbub.actors.attachments import Attachments
from hubbub.actors.attending import Attending
from hubbub.actors.connection import Connection
from hubbub.actors.directory import Directory
from hubbub.actors.draining import Draining, OfDraining
from hubbub.actors.facade import HubFacade
from hubbub.actors.hub_mail import HubSetup, ToHub
from hubbub.actors.membership import Membership
from hubbub.actors.messages import commands, events, internal, returning
from hubbub.actors.messages.states import StateMatter
from hubbub.actors.moves import Moves
from hubbub.actors.offers import Offers
from hubbub.actors.orders import Orders
from hubbub.actors.policy.roster import Entry
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.sends import Sends, Sift
from hubbub.actors.shared_servers import SharedServers
from hubbub.actors.upstream import Upstream
from hubbub.actors.upstream_mail import Configure, Declare, Retire

if TYPE_CHECKING:
    from hubbub.actors.authored import ActorSpec
    from hubbub.actors.directory import LinkRef
    from hubbub.actors.migration import Immigrant
    from hubbub.actors.runtime.address import Address, Ref
    from hubbub.actors.runtime.ports import NumberingCodec


class Hub(LoopActor):
    """Routes commands to groups and connections.

    Args:
        name: The hub's name, lower case.
        setup: Handlers and bounds.
        directory: The gateway's id, its links, and what its peers want.
        clustered: Whether there can be peers.
    """

    registered = True

    def __init__(
        self,
        name: str,
        setup: HubSetup,
        directory: Directory | None = None,
        *,
        clustered: bool = False,
    ) -> None:
        super().__init__()
        self._name = name
        self._setup = setup
        self._directory = directory = directory or Directory("")
        self._clustered = clustered
        directory.hubs[name] = self.address
        self._attending = Attending(setup.handlers, clustered=clustered)
        self._membership = membership = Membership(
            self, name, setup.groups, self._attending.wants_presence, directory
        )
        self._abroad = membership.abroad
        self._roster = membership.roster
        self._sends = Sends(self, membership)
        self._orders = Orders(self, name, directory, membership)
        self._servers = Attachments(self, membership)
        self._shared = SharedServers(name, directory, self._servers, membership)
        self._upstream = self.spawn(self._build_upstream, restart=Restart())
        for spec in setup.actors:
            self._start(spec)
        self._moves = Moves(self, name, directory, membership, self._sends, self._ways)
        self._draining = Draining(
            self,
            self._servers,
            self._orders,
            Offers(self, name, directory.links),
            self._moves.is_leaving,
        )
        self._connections: dict[Address, None] = {}
        self._behind: deque[ToHub] = deque()

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Hub {self._name}"

    def on_start(self) -> None:
        """Let peers forget an instance that failed, and take in their servers."""
        self._abroad.begin()
        self._shared.begin()

    def on_receive(self, message: ToHub) -> None:
        """Carry out a command, or hear from a child."""
        match message:
            case (
                commands.Publish()
                | commands.Close()
                | internal.Relayed(command=commands.Publish() | commands.Close())
                | returning.OfMoves()
            ) if self._sends.sifting:
                self._behind.append(message)
            case _ if self._moves.under_way and self._moves.intercept(message):
                pass  # published on one side of their lines, or to wait
            case commands.Publish():
                self._sends.publish(message)
            case internal.Relayed():
                self._carry_out(message)
            case internal.Admit() | internal.AdmitServer() | returning.Recover() if (
                self._draining.under_way
            ):
                message.door.reject(503, "The gateway is shutting down.")
            case internal.Admit():
                self._admit(message)
            case internal.Enter():
                self._enter(message)
            case internal.Gone(connection_id=connection_id, connection=connection):
                self._moves.gone(connection_id)
                self._membership.remove(connection_id)
                connection.post(internal.Farewell())
            case returning.OfMoves():
                self._moves.hear(message)
                self._count_down()
            case (
                commands.AddToGroup()
                | commands.RemoveFromGroup()
                | commands.AddAllToGroups()
                | commands.RemoveAllFromGroups()
                | commands.Close()
                | commands.Exists()
                | commands.Members()
                | commands.Grant()
                | commands.Revoke()
                | commands.HasPermission()
            ):
                self._orders.take(message)
            case Sift():
                self._sift(message)
            case OfDraining():
                self._draining.hear(message, self._upstream)
                self._count_down()
            case (
                internal.AdmitServer()
                | internal.Tune()
                | internal.Admitted()
                | internal.Attention()
            ):
                self._serve(message)
            case internal.Expect():
                self._abroad.expect(message)
            case StateMatter():
                self._membership.states.take(message)
            case internal.Greet(link=link):
                self._greet(link)
            case (
                Declare()
                | Retire()
                | internal.Observe()
                | internal.Asked()
                | internal.Detached()
                | internal.Given()
                | internal.Seen()
                | events.Answered()
                | events.Withdrawn()
            ):
                self._shared.take(message, self._upstream)
            case HubSetup():
                self._set_up(message)
            case internal.Drain(answer=answer):
                self._drain(answer)
            case Ended(ref=ref):
                self._ended(ref)
            case Restarted():
                pass  # a group is refilled, the upstream set up, when built
            case _:
                assert_never(message)

    def on_stop(self) -> None:
        """Send servers off as a drain does, also when it did not end in time."""
        self._draining.stop()

    def _carry_out(self, relayed: internal.Relayed) -> None:
        """Do what a peer asks, on those who are here."""
        command = relayed.command
        if isinstance(command, commands.Publish):
            self._sends.deliver(command)
        else:
            self._orders.carry_out(command)

    def _greet(self, link: LinkRef) -> None:
        """Tell a peer that has just come all that it should know of this hub."""
        self._moves.greet(link)
        self._abroad.greet(link)
        self._membership.states.greet(link)
        self._shared.greet(link)
        self._abroad.introduced(link)

    # Servers, and what they want.

    def _serve(
        self,
        message: internal.AdmitServer
        | internal.Tune
        | internal.Admitted
        | internal.Attention,
    ) -> None:
        match message:
            case internal.AdmitServer():
                self._servers.admit(message)
            case internal.Tune():
                self._membership.tune(message)
            case internal.Admitted():
                self._membership.admitted(message)
            case internal.Attention():
                self._attending.attend(message, self._connections)

    def _codec(self, subprotocol: str) -> NumberingCodec | None:
        return self._setup.codecs(subprotocol)

    @property
    def _ways(self) -> Ways:
        return Ways(self._connect, self._codec, self._deliver)

    def _deliver(self, event: events.Event) -> None:
        """Give an event to the handlers for a session that is nobody's any more."""
        self._upstream.post(events.Delivery(event, self.address))

    # Children.

    def _build_upstream(self) -> Upstream:
        setup = self._setup
        return Upstream(
            self._name,
            setup.handlers,
            self.address,
            setup.servers,
            self._roster.connections.get,
            (*self._servers.declared(), *self._shared.declared()),
        )

    def _start(self, spec: ActorSpec) -> None:
        facade = HubFacade(self._name, self.address)
        self.spawn(lambda: spec.factory(facade), restart=Restart())

    def _set_up(self, setup: HubSetup) -> None:
        """Take new settings; classes of groups count for groups that start anew."""
        self._setup = setup
        self._membership.configure(setup.groups)
        self._upstream.post(Configure(setup.handlers, setup.servers))
        self._attending.configure(setup.handlers, self._connections)

    def _ended(self, ref: Address) -> None:
        """Hear of a child's end; a group ends when we say so."""
        if ref in self._connections:
            del self._connections[ref]
            self._abroad.arrived(ref)
            self._count_down()
            return
        server_id = self._servers.ended(ref, self._upstream)
        if server_id is not None:
            self._shared.ended(server_id)
            self._count_down()

    # Who is here.

    def _admit(self, admit: internal.Admit) -> None:
        number = self.dispatcher.random.getrandbits(96)
        connection_id = f"{self._directory.gateway}{number:024x}"
        client = events.Client(self._name, connection_id, admit.applicant.user_id)
        self._connect(client, admit)

    def _connect(
        self, client: events.Client, origin: internal.Admit | Immigrant
    ) -> None:
        """Start the connection of a client at the door, or of a session moving in."""
        hub, upstream, service = self.address, self._upstream, self._setup.service
        attention = self._attending.current
        connection = self.spawn(
            lambda: Connection(client, origin, hub, upstream, service, attention)
        )
        self._connections[connection] = None

    def _enter(self, enter: internal.Enter) -> None:
        entry = Entry(
            enter.connection_id, enter.user_id, enter.outlet, enter.connection
        )
        self._membership.enter(entry, enter.groups, quiet=enter.moved)
        if enter.moved:
            self._moves.entered(entry)
        elif self._clustered:
            self._abroad.arrived(enter.connection)
        if self._draining.under_way and not enter.moved:
            self._draining.end(entry)

    def _sift(self, sift: Sift) -> None:
        self._sends.sift(sift)
        while self._behind and not self._sends.sifting:
            self.on_receive(self._behind.popleft())

    # Ends.

    def _drain(self, answer: Ref[bool]) -> None:
        """End every connection, then every server; answer when all are gone."""
        self._moves.refuse()
        self._draining.begin(answer, self._roster.connections.values())
        self._count_down()

    def _count_down(self) -> None:
        self._draining.go_on(
            self._upstream, clients=bool(self._connections) or self._moves.arriving
        )
