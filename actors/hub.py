"""One hub: routes every command, starts and ends its children.

Knows who is where; does not know what a message looks like on any wire.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.attachments import Attachments
from hubbub.actors.authored import ActorSpec
from hubbub.actors.connection import Connection
from hubbub.actors.facade import HubFacade
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.membership import GroupSpec, Membership
from hubbub.actors.messages import commands, events, internal
from hubbub.actors.policy.roster import Entry
from hubbub.actors.policy.routes import group_matcher
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.sends import Sends, Sift
from hubbub.actors.upstream import Upstream
from hubbub.actors.upstream_mail import Configure, Declare, Quiesce, ServerSetup

if TYPE_CHECKING:
    from hubbub.actors.runtime.address import Address, Ref

_DRAINING = internal.End(
    1001, "the gateway is shutting down", "ServiceReload", "ServiceReload"
)


class HubSetup(msgspec.Struct, frozen=True):
    """What a hub is started with.

    Args:
        handlers: Its event handlers, in order of precedence.
        stash: Requests of a client that may wait behind an event.
        servers: How it treats attached servers.
        groups: Classes of groups by pattern, in order of precedence.
        actors: Further actors that live as long as the hub.
    """

    handlers: tuple[HandlerSpec, ...] = ()
    stash: int = 100
    servers: ServerSetup = ServerSetup()
    groups: tuple[GroupSpec, ...] = ()
    actors: tuple[ActorSpec, ...] = ()


class Rested(msgspec.Struct, frozen=True):
    """The upstream has come to rest, a message of the hub to itself."""


ToHub: TypeAlias = (
    internal.ToHubActor | Declare | HubSetup | Sift | Rested | Ended | Restarted
)


class Hub(LoopActor):
    """Routes commands to groups and connections.

    Args:
        name: The hub's name, lower case.
        setup: Handlers and bounds.
        id_prefix: Begins connection ids: the gateway they live at.
    """

    registered = True

    def __init__(self, name: str, setup: HubSetup, id_prefix: str = "") -> None:
        super().__init__()
        self._name = name
        self._setup = setup
        self._id_prefix = id_prefix
        self._wanted = internal.Attention()
        self._attention = self._asks()
        self._membership = Membership(self, name, setup.groups, self._wants_presence)
        self._roster = self._membership.roster
        self._sends = Sends(self, self._membership)
        self._servers = Attachments(self, self._membership)
        self._upstream = self.spawn(self._build_upstream, restart=Restart())
        for spec in setup.actors:
            self._start(spec)
        self._drained: Ref[bool] | None = None
        self._resting = self._rested = False
        self._connections: dict[Address, None] = {}
        self._behind: deque[commands.Publish | commands.Close] = deque()

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Hub {self._name}"

    def on_receive(self, message: ToHub) -> None:
        """Carry out a command, or hear from a child."""
        match message:
            case commands.Publish() | commands.Close() if self._sends.sifting:
                self._behind.append(message)
            case commands.Publish():
                self._sends.publish(message)
            case internal.Admit() | internal.AdmitServer() if self._drained is not None:
                message.door.reject(503, "The gateway is shutting down.")
            case internal.Admit():
                self._admit(message)
            case internal.Enter():
                self._enter(message)
            case internal.Gone(connection_id=connection_id, connection=connection):
                self._membership.remove(connection_id)
                connection.post(internal.Farewell())
            case commands.AddToGroup() | commands.RemoveFromGroup():
                self._membership.change(message)
            case commands.AddAllToGroups() | commands.RemoveAllFromGroups():
                self._membership.change_all(message)
            case commands.Close():
                self._close(message)
            case commands.Exists(target=target, answer=answer):
                answer.post(bool(self._roster.find(target)))
            case commands.Members(group=group, after=after, limit=limit):
                message.answer.post(self._roster.page(group, after, limit))
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                self._ask_connection(message)
            case Sift():
                self._sift(message)
            case (
                internal.AdmitServer()
                | internal.Tune()
                | internal.Observe()
                | internal.Admitted()
                | internal.Attention()
                | Declare()
            ):
                self._serve(message)
            case HubSetup():
                self._set_up(message)
            case internal.Drain(answer=answer):
                self._drain(answer)
            case Rested():
                self._rested = True
                self._servers.dismiss()
                self._count_down()
            case Ended(ref=ref):
                self._ended(ref)
            case Restarted():
                pass  # a group is refilled, the upstream set up, when built
            case _:
                assert_never(message)

    def on_stop(self) -> None:
        """Send servers off as a drain does, also when it did not end in time."""
        if self._drained is not None:
            self._servers.dismiss()

    # Servers, and what they want.

    def _serve(
        self,
        message: internal.AdmitServer
        | internal.Tune
        | internal.Observe
        | internal.Admitted
        | internal.Attention
        | Declare,
    ) -> None:
        match message:
            case internal.AdmitServer():
                self._servers.admit(message, self._upstream)
            case Declare():
                self._servers.declare(message, self._upstream)
            case internal.Tune():
                self._membership.tune(message)
            case internal.Observe():
                self._membership.observe(message)
            case internal.Admitted():
                self._membership.admitted(message)
            case internal.Attention():
                self._attend(message)

    def _attend(self, wanted: internal.Attention) -> None:
        """Let connections know what servers want to decide on, then say it is so."""
        self._wanted = wanted
        self._spread()
        if wanted.receipt is not None:
            wanted.receipt.pay()

    def _spread(self) -> None:
        asks = self._asks()
        if asks != self._attention:
            self._attention = asks
            for connection in self._connections:
                connection.post(asks)

    def _asks(self) -> internal.Attention:
        """Put together what handlers and servers want to decide on."""
        handlers, wanted = self._setup.handlers, self._wanted
        return internal.Attention(
            wanted.publish or any(spec.intercepts("publish") for spec in handlers),
            wanted.subscribe or any(spec.intercepts("subscribe") for spec in handlers),
        )

    def _wants_presence(self, event: str, group: str) -> bool:
        if any(spec.wants_presence(event, group) for spec in self._setup.handlers):
            return True
        patterns = self._wanted.joined if event == "joined" else self._wanted.left
        return any(group_matcher(pattern)(group) for pattern in patterns)

    # Children.

    def _build_upstream(self) -> Upstream:
        setup = self._setup
        return Upstream(
            self._name,
            setup.handlers,
            self.address,
            setup.servers,
            self._roster.connections.get,
            self._servers.declared(),
        )

    def _start(self, spec: ActorSpec) -> None:
        facade = HubFacade(self._name, self.address)
        self.spawn(lambda: spec.factory(facade), restart=Restart())

    def _set_up(self, setup: HubSetup) -> None:
        """Take new settings; classes of groups count for groups that start anew."""
        self._setup = setup
        self._membership.specs = setup.groups
        self._upstream.post(Configure(setup.handlers, setup.servers))
        self._spread()

    def _ended(self, ref: Address) -> None:
        """Hear of a child's end; a group ends when we say so."""
        if ref in self._connections:
            del self._connections[ref]
            self._count_down()
        elif self._servers.ended(ref, self._upstream):
            self._count_down()

    # Who is here.

    def _admit(self, admit: internal.Admit) -> None:
        number = self.dispatcher.random.getrandbits(104)
        client = events.Client(
            self._name, f"{self._id_prefix}{number:026x}", admit.applicant.user_id
        )
        hub, upstream, stash = self.address, self._upstream, self._setup.stash
        attention = self._attention
        connection = self.spawn(
            lambda: Connection(client, admit, hub, upstream, stash, attention)
        )
        self._connections[connection] = None

    def _enter(self, enter: internal.Enter) -> None:
        entry = Entry(
            enter.connection_id, enter.user_id, enter.outlet, enter.connection
        )
        self._membership.enter(entry, enter.groups)
        if self._drained is not None:
            self._end(entry, _DRAINING)

    def _sift(self, sift: Sift) -> None:
        self._sends.sift(sift)
        while self._behind and not self._sends.sifting:
            self.on_receive(self._behind.popleft())

    def _ask_connection(self, question: internal.Permissive) -> None:
        entry = self._roster.connections.get(question.connection_id)
        if entry is None:
            question.answer.post(commands.Verdict(found=False, done=False))
        else:
            entry.connection.post(question)

    # Ends.

    def _close(self, command: commands.Close) -> None:
        notice = "Application server closed the connection."
        if command.reason:
            notice = f"{notice} Reason: {command.reason}"
        cause = "closed by the application server"
        end = internal.End(1000, cause, notice, command.reason or "")
        for entry in tuple(self._roster.find(command.target)):
            if entry.connection_id not in command.exclude:
                self._end(entry, end)
        if command.receipt is not None:
            command.receipt.pay()

    def _end(self, entry: Entry, end: internal.End) -> None:
        """End a connection; it is out of the roster before this returns."""
        # What was published before the close belongs before the close frame.
        self.dispatcher.settle()
        self._membership.remove(entry.connection_id)
        entry.connection.post(end)

    def _drain(self, answer: Ref[bool]) -> None:
        """End every connection, then every server; answer when all are gone."""
        self._drained = answer
        for entry in tuple(self._roster.connections.values()):
            self._end(entry, _DRAINING)
        self._count_down()

    def _count_down(self) -> None:
        """Once no connection is left, let the upstream come to rest, servers leave."""
        if self._drained is None or self._connections:
            return
        if not self._resting:
            self._resting = True
            self._upstream.post(Quiesce(commands.Receipt(self.address, Rested())))
        elif self._rested and not len(self._servers):
            self._drained.post(True)
