"""One client session, from admission to its end.

Has the client let in (``entrance``), or a session move in (``migration``), and tells
everybody of its end; what is between, ``tenure`` does. Knows no bytes: requests come
in, pushes go to the outlet.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.entrance import Entrance
from hubbub.actors.line import Line, line
from hubbub.actors.messages import (
    commands,
    events,
    internal,
    pushes,
    requests,
    returning,
)
from hubbub.actors.migration import Immigrant
from hubbub.actors.policy.permissions import Permissions
from hubbub.actors.policy.retention import Bounds
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.tenure import Tenure

if TYPE_CHECKING:
    from hubbub.actors.messages.sessions import Session
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.tenure import ToSession


logger = logging.getLogger(__name__)


class Service(msgspec.Struct, frozen=True):
    """On what terms the connections of a hub are served.

    Args:
        stash: Requests that may wait behind an event before reading pauses.
        bounds: How much is kept of a reliable session, and for how long.
    """

    stash: int = 100
    bounds: Bounds = Bounds()


class Connection(LoopActor):
    """A client, from the end of its handshake to the end of its session.

    Args:
        client: Who stands there: hub, connection id, user id of the token.
        origin: The handshake, as the hub got it; or the session that moves in.
        hub: Takes commands.
        upstream: Takes events.
        service: On what terms.
        attention: What others want to decide on before this client may.
    """

    def __init__(
        self,
        client: events.Client,
        origin: internal.Admit | Immigrant,
        hub: Ref[internal.ToHubActor],
        upstream: Ref[events.Delivery],
        service: Service,
        attention: internal.Attention,
    ) -> None:
        super().__init__()
        self._client = client
        self._entrance: Entrance | None = None
        self._immigrant: Immigrant | None = None
        if isinstance(origin, Immigrant):
            self._immigrant = origin
        else:
            self._entrance = Entrance(client, origin)
        self._hub = hub
        self._upstream = upstream
        self._service = service
        self._attention = attention
        self._line: Line | None = None
        self._tenure: Tenure | None = None
        self._past: Tenure | None = None
        self._ended = False
        self._reason = ""

    def on_start(self) -> None:
        """Ask the event handler whether the client may connect, or move in."""
        if self._entrance is not None:
            self._deliver(self._entrance.ask(self.address, 0))
        elif self._immigrant is not None:
            outlet = self._immigrant.outlet(
                self._service.bounds, self.dispatcher.now, self._overflow
            )
            self._line = Line(outlet, None)
            self._hub.post(self._immigrant.enter(outlet, self.address))

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Connection {self._client.user_id or self._client.connection_id[-6:]}"

    def on_receive(self, message: ToSession) -> None:
        """Serve a request, or hear from hub and handler."""
        tenure = self._tenure
        match message:
            case _ if tenure is None:
                self._outside(message)
            case requests.SendToGroup() if (
                tenure.talk.waiting.pending is None
                and not tenure.talk.attention.publish
            ):
                tenure.talk.groups.send(message)
            case returning.Export(groups=groups):
                tenure.export(groups)
                self._ended, self._tenure = True, None
                self.stop()
            case _:
                tenure.receive(message)

    def _outside(self, message: ToSession) -> None:
        """Hear what concerns a session that is not open: not yet, or no more."""
        match message:
            case events.Answered():
                self._decided(message)
            case internal.Expected():
                self._enter()
            case returning.Settle(session=session):
                self._settle_in(session)
            case internal.Farewell():
                self._depart()
            case internal.JoinedGroup(group=group) if self._past is not None:
                self._past.talk.tell(events.Joined, group)
            case internal.LeftGroup(group=group) if self._past is not None:
                self._past.talk.tell(events.Left, group)
            case internal.Attention():
                self._attention = message
            case returning.Recover(door=door):
                door.lose("The session is over.")
            case internal.End():
                self._end(message)
            case _ if self._immigrant is not None and not self._ended:
                self._immigrant.early.append(message)
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                message.answer.post(commands.Verdict(found=False, done=False))
            case requests.SocketClosed() | requests.Broken() if not self._ended:
                self._leave(message.reason)
            case _:
                pass  # what was on its way when the session ended

    # Admission.

    def _decided(self, answer: events.Answered) -> None:
        """Take the handler's word, and let the client in once the peers know of it."""
        entrance = self._entrance
        if self._ended or entrance is None:
            return
        # Groups may hold what the handler published before it answered.
        self.dispatcher.settle()
        match answer.outcome:
            case events.Accept() as accept:
                expect = entrance.accept(accept, self.address)
                if self._attention.clustered:
                    self._hub.post(expect)
                else:
                    self._enter()
            case events.Reject() as reject:
                self._refuse(reject)
            case _:
                raise AssertionError("that is no answer to a client at the door")

    def _enter(self) -> None:
        if self._entrance is None or self._ended:
            return
        opened = self._entrance.open()
        if isinstance(opened, events.Reject):
            self._refuse(opened)
            return
        client, socket, (user_id, roles, groups) = opened
        self._client, self._entrance = client, None
        bounds, now = self._service.bounds, self.dispatcher.now
        way = self._line = line(socket, bounds, now, self._overflow)
        tenure = self._open(client, Permissions(roles), way)
        tenure.recovery.greet()
        name, outlet = client.connection_id, way.outlet
        self._hub.post(internal.Enter(name, user_id, outlet, self.address, groups))
        tenure.talk.tell(events.Connected)

    def _open(
        self, client: events.Client, permissions: Permissions, way: Line
    ) -> Tenure:
        self._tenure = Tenure(
            self,
            client,
            permissions,
            way,
            self._hub,
            self._deliver,
            self._end,
            self._leave,
            self._attention,
            self._service.stash,
            self._service.bounds.window,
        )
        return self._tenure

    def _refuse(self, reject: events.Reject) -> None:
        if self._entrance is not None:
            self._entrance.refuse(reject.status, reject.reason)
        self._ended = True
        self.stop()

    def _settle_in(self, session: Session) -> None:
        """Go on with a session that was another gateway's."""
        immigrant, way = self._immigrant, self._line
        if immigrant is None or way is None or way.mail is None or self._ended:
            return
        self._immigrant, self._client = None, session.client
        permissions = Permissions(session.rights.roles)
        tenure = self._open(session.client, permissions, way)
        immigrant.settle_in(session, tenure.talk, way.mail)
        tenure.recovery.wait()
        for message in immigrant.early:
            self.on_receive(message)

    def _overflow(self, reason: str) -> None:
        """End a session for which too much would have to be kept."""
        client = self._client
        logger.warning("%s/%s is ended: %s", client.hub, client.connection_id, reason)
        cause = f"slow client: {reason}"
        self.address.post(internal.End(1008, cause, cause, cause))

    # The end.

    def _end(self, end: internal.End) -> None:
        """End by our own decision: tell the client, close, tell hub and handler."""
        if self._ended:
            return
        self.dispatcher.settle()
        if self._line is not None:
            self._line.push(pushes.Disconnected(end.notice))
            self._line.close(end.code, end.cause)
        self._leave(end.reason)

    def _leave(self, reason: str) -> None:
        """Tell the hub that this session is over, and wait for its farewell.

        A client that leaves while its connect event is answered was never here; an
        answer that comes later finds the session over.
        """
        self._past, self._tenure = self._tenure, None
        self._ended, self._reason = True, reason
        if self._past is not None:
            self._past.talk.close()
        if self._line is not None and self._line.mail is not None:
            self._line.mail.close()
        if self._entrance is None:
            self._hub.post(internal.Gone(self._client.connection_id, self.address))
        else:
            self.stop()

    def _depart(self) -> None:
        """Tell the handler, behind the groups that the hub says were left."""
        if self._past is not None:
            self._past.talk.tell(events.Disconnected, self._reason)
        self.stop()

    def on_stop(self) -> None:
        """Close the socket if the hub ends us, because it restarts."""
        if not self._ended:
            self._hang_up(1012, "the hub restarts")

    def on_broken(self) -> None:
        """Close the socket of a session whose bookkeeping broke."""
        self._hang_up(1011, "the gateway failed")
        if not self._ended and self._entrance is None:
            self._hub.post(internal.Gone(self._client.connection_id, self.address))
            if self._tenure is not None:
                self._tenure.talk.tell(events.Disconnected, "the gateway failed")

    def _hang_up(self, code: int, reason: str) -> None:
        if self._entrance is not None:
            self._entrance.refuse(503, f"Try again: {reason}.")
        elif self._line is not None:
            self._line.push(pushes.Disconnected(reason))
            self._line.close(code, reason)

    def _deliver(self, event: events.Event) -> None:
        self._upstream.post(events.Delivery(event, self.address))
