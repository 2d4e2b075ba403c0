"""One client session, from admission to its end.

Decides what its client may do; hands the work to its hub and its events to the
upstream. Knows no bytes: requests come in, pushes go to the outlet.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.messages import commands, events, internal, pushes, requests
from hubbub.actors.policy.history import AckHistory
from hubbub.actors.policy.names import is_group_name
from hubbub.actors.policy.permissions import Permission, Permissions
from hubbub.actors.runtime.actor import LoopActor

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.messages.pushes import Push
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Outlet, Socket
    from hubbub.actors.messages.payload import Metadata, Payload

logger = logging.getLogger(__name__)

Permissive: TypeAlias = commands.Grant | commands.Revoke | commands.HasPermission


class _Pending(msgspec.Struct, frozen=True):
    """The event whose answer this connection waits for."""

    event_id: int
    ack_id: int | None
    fatal: bool


class Connection(LoopActor):
    """A client, from the end of its handshake to the end of its socket."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a hub knows about a newcomer
        self,
        client: events.Client,
        applicant: internal.Applicant,
        socket: Socket,
        hub: Ref[internal.ToConnectionActor],
        upstream: Ref[events.Delivery],
        stash_limit: int,
    ) -> None:
        super().__init__()
        self._client = client
        self._applicant: internal.Applicant | None = applicant
        self._socket = socket
        self._hub = hub
        self._upstream = upstream
        self._stash_limit = stash_limit
        self._outlet: Outlet | None = None
        self._permissions = Permissions(())
        self._history = AckHistory()
        self._events = 0
        self._pending: _Pending | None = None
        self._stash: deque[requests.Request] | None = None
        self._ended = False

    def on_start(self) -> None:
        """Ask the event handler whether the client may connect."""
        self._socket.attach(self.address, self._label())
        applicant = self._applicant
        if applicant is None:
            return
        self._pending = _Pending(0, None, fatal=True)
        self._tell(
            events.Connect(
                self._client,
                self._next_event(),
                applicant.query,
                applicant.headers,
                applicant.claims,
                applicant.subprotocols,
                applicant.certificates,
            )
        )

    def on_receive(
        self, message: internal.ToConnectionActor | events.Answered | Permissive
    ) -> None:
        """Serve a request, or hear from hub and handler."""
        match message:
            case requests.SendToGroup() if self._pending is None:
                self._send_to_group(message)
            case requests.SocketClosed() | requests.Broken() if not self._stash:
                self._finish(message)
            case requests.Ping():
                self._push(pushes.Pong())
            case requests.AckSequence():
                pass  # nothing is numbered on this subprotocol
            case events.Answered():
                self._answered(message)
            case internal.End():
                self._end(message)
            case internal.JoinedGroup(group=group):
                self._tell(events.Joined(self._client, self._next_event(), group))
            case internal.LeftGroup(group=group):
                self._tell(events.Left(self._client, self._next_event(), group))
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                self._judge(message)
            case _ if self._ended:
                pass  # requests that were on their way when the session ended
            case _ if self._pending is not None:
                self._wait(message)
            case _:
                self._serve(message)

    # Admission.

    def _admitted(self, accept: events.Accept) -> None:
        applicant, self._applicant = self._applicant, None
        if applicant is None:
            return
        groups = accept.groups or applicant.groups
        if not all(map(is_group_name, groups)):
            self._refuse(500, "The event handler named an invalid group.")
            return
        if self._ended:  # accepted, but the client has left meanwhile
            self._leave("The client left during the handshake.")
            return
        outlet = self._socket.accept(accept.subprotocol)
        if isinstance(outlet, events.Reject):
            self._refuse(outlet.status, outlet.reason)
            return
        user_id = applicant.user_id if accept.user_id is None else accept.user_id
        self._client = events.Client(
            self._client.hub,
            self._client.connection_id,
            user_id or None,
            outlet.subprotocol,
            accept.state,
        )
        roles = applicant.roles if accept.roles is None else accept.roles
        self._permissions = Permissions(roles)
        self._outlet = outlet
        outlet.post(pushes.Connected(self._client.connection_id, self._client.user_id))
        self._hub.post(
            internal.Enter(
                self._client.connection_id,
                self._client.user_id,
                outlet,
                self.address,
                groups,
            )
        )
        self._tell(events.Connected(self._client, self._next_event()))

    def _refuse(self, status: int, reason: str) -> None:
        self._ended = True
        self._socket.reject(status, reason)
        self.stop()

    # Requests.

    def _serve(self, request: requests.Request) -> None:
        match request:
            case requests.SendToGroup():
                self._send_to_group(request)
            case requests.JoinGroup(group=group, ack_id=ack_id):
                if self._may(Permission.JOIN_LEAVE_GROUP, group, ack_id, "join"):
                    self._command(commands.AddToGroup, group, ack_id)
            case requests.LeaveGroup(group=group, ack_id=ack_id):
                if self._may(Permission.JOIN_LEAVE_GROUP, group, ack_id, "leave"):
                    self._command(commands.RemoveFromGroup, group, ack_id)
            case requests.SendEvent(event=event, ack_id=ack_id):
                if not self._is_duplicate(ack_id):
                    self._ask(event, request.payload, request.metadata, ack_id)
            case requests.SendFrame(payload=payload):
                self._ask("message", payload, fatal=True)
            case requests.PublishFrame():
                self._publish_frame(request)
            case requests.SocketClosed() | requests.Broken():
                self._finish(request)
            case requests.Ping() | requests.AckSequence():
                raise AssertionError("served before, without waiting")
            case _:
                assert_never(request)

    def _finish(self, last: requests.SocketClosed | requests.Broken) -> None:
        """End after the last thing that came from the client.

        Not before what is stashed: a client may publish and close at once.
        """
        match last:
            case requests.SocketClosed(code=code, reason=reason):
                self._closed(code, reason)
            case requests.Broken(code=code, reason=reason):
                self._end(internal.End(code, reason, reason, reason))

    def _send_to_group(self, request: requests.SendToGroup) -> None:
        if self._ended:
            return
        group, ack_id = request.group, request.ack_id
        receipt = None
        if not self._permissions.allows(Permission.SEND_TO_GROUP, group) or (
            ack_id is not None and self._history.seen(ack_id)
        ):
            self._may(Permission.SEND_TO_GROUP, group, ack_id, "publish to")
            return
        if ack_id is not None:
            self._history.record(ack_id)
            receipt = commands.Receipt(self._outlet, pushes.Ack(ack_id))
        client = self._client
        self._hub.post(
            commands.Publish(
                commands.ToGroup(group),
                request.payload,
                client.user_id,
                request.metadata,
                request.ttl,
                (client.connection_id,) if request.no_echo else (),
                None,
                receipt,
            )
        )

    def _publish_frame(self, request: requests.PublishFrame) -> None:
        if not self._permissions.allows(Permission.SEND_TO_GROUP, request.group):
            reason = "no permission to publish to the group of this connection"
            self._end(internal.End(1008, reason, reason, reason))
            return
        self._send_to_group(
            requests.SendToGroup(request.group, request.payload, request.no_echo)
        )

    def _command(
        self,
        command: type[commands.AddToGroup | commands.RemoveFromGroup],
        group: str,
        ack_id: int | None,
    ) -> None:
        receipt = None
        if ack_id is not None:
            self._history.record(ack_id)
            receipt = commands.Receipt(self._outlet, pushes.Ack(ack_id))
        target = commands.ToConnection(self._client.connection_id)
        self._hub.post(command(target, group, receipt))

    def _may(
        self, permission: Permission, group: str, ack_id: int | None, verb: str
    ) -> bool:
        """Check duplicate, then permission; acknowledge a refusal where asked to."""
        if self._is_duplicate(ack_id):
            return False
        if self._permissions.allows(permission, group):
            return True
        self._acknowledge(
            ack_id,
            pushes.AckError(
                pushes.AckName.FORBIDDEN, f"No permission to {verb} {group}."
            ),
        )
        return False

    def _is_duplicate(self, ack_id: int | None) -> bool:
        if ack_id is None or not self._history.seen(ack_id):
            return False
        message = f"Message with ack-id: {ack_id} has been processed"
        self._acknowledge(ack_id, pushes.AckError(pushes.AckName.DUPLICATE, message))
        return True

    # Events and their answers.

    def _ask(
        self,
        event: str,
        payload: Payload,
        metadata: Metadata | None = None,
        ack_id: int | None = None,
        *,
        fatal: bool = False,
    ) -> None:
        event_id = self._next_event()
        self._pending = _Pending(event_id, ack_id, fatal)
        self._tell(events.UserEvent(self._client, event_id, event, payload, metadata))

    def _answered(self, answer: events.Answered) -> None:
        pending = self._pending
        if pending is None or answer.event_id != pending.event_id:
            return
        self._pending = None
        match answer.outcome:
            case events.Accept():
                self._admitted(answer.outcome)
            case events.Reject(status=status, reason=reason):
                self._refuse(status, reason)
            case events.Respond():
                self._responded(pending, answer.outcome)
            case events.Fail(reason=reason):
                self._failed(pending, reason)
            case None:
                self._responded(pending, events.Respond())
            case _:
                assert_never(answer.outcome)
        self._unstash()

    def _responded(self, pending: _Pending, respond: events.Respond) -> None:
        if respond.state is not None:
            self._client = msgspec.structs.replace(self._client, state=respond.state)
        if respond.payload is not None:
            # Groups may hold what the handler published before it answered.
            self.dispatcher.settle()
            self._push(pushes.ServerMessage(respond.payload, respond.metadata))
        if pending.ack_id is not None:
            self._history.record(pending.ack_id)
            self._acknowledge(pending.ack_id, None)

    def _failed(self, pending: _Pending, reason: str) -> None:
        if pending.fatal:
            cause = "the event handler failed"
            self._end(internal.End(1011, cause, cause, reason))
            return
        error = pushes.AckError(pushes.AckName.INTERNAL_SERVER_ERROR, reason)
        self._acknowledge(pending.ack_id, error)

    def _wait(self, request: requests.Request) -> None:
        stash = self._stash
        if stash is None:
            stash = self._stash = deque()
        stash.append(request)
        if len(stash) == self._stash_limit:
            self._socket.pause()

    def _unstash(self) -> None:
        stash = self._stash
        while stash and self._pending is None and not self._ended:
            self._serve(stash.popleft())
        if stash is not None and not stash and not self._ended:
            self._stash = None
            self._socket.resume()

    # Permissions.

    def _judge(self, question: Permissive) -> None:
        permission, group = question.permission, question.group
        match question:
            case commands.Grant():
                done = self._permissions.grant(permission, group)
            case commands.Revoke():
                done = self._permissions.revoke(permission, group)
            case commands.HasPermission():
                done = self._permissions.allows(permission, group)
        question.answer.post(commands.Verdict(found=not self._ended, done=done))

    # The end.

    def _end(self, end: internal.End) -> None:
        """End by our own decision: tell the client, close, tell hub and handler."""
        if self._ended:
            return
        self._ended = True
        self.dispatcher.settle()
        self._push(pushes.Disconnected(end.notice))
        self._socket.close(end.code, end.cause)
        self._leave(end.reason)

    def _closed(self, code: int, reason: str) -> None:
        """Hear that the socket is gone."""
        if self._ended:
            return
        self._ended = True
        if self._applicant is not None:
            return  # the connect handler still has to answer; then we end
        self._leave(reason or f"The client closed the connection ({code}).")

    def _leave(self, reason: str) -> None:
        self._hub.post(internal.Gone(self._client.connection_id))
        self._tell(events.Disconnected(self._client, self._next_event(), reason))
        self.stop()

    def on_stop(self) -> None:
        """Close the socket if the hub ends us, because it restarts."""
        if not self._ended:
            self._ended = True
            self._socket.close(1012, "the hub restarts")

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the socket of a session whose bookkeeping broke."""
        del exception_type, exception_value, traceback
        self._hub.post(internal.Gone(self._client.connection_id))
        if self._applicant is not None:
            self._socket.reject(500, "The gateway failed.")
        else:
            self._socket.close(1011, "the gateway failed")

    # Small things.

    def _push(self, push: Push) -> None:
        if self._outlet is not None:
            self._outlet.post(push)

    def _acknowledge(self, ack_id: int | None, error: pushes.AckError | None) -> None:
        if ack_id is not None:
            self._push(pushes.Ack(ack_id, error))

    def _tell(self, event: events.Event) -> None:
        self._upstream.post(events.Delivery(event, self.address))

    def _label(self) -> str:
        return f"{self._client.hub}/{self._client.connection_id}"

    def _next_event(self) -> int:
        number = self._events
        self._events = number + 1
        return number
