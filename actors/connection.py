"""One client session, from admission to its end.

Decides what its client may do; hands the work to its hub and its events to the
upstream. Knows no bytes: requests come in, pushes go to the outlet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from hubbub.actors.messages import commands, events, internal, pushes, requests
from hubbub.actors.policy.history import AckHistory
from hubbub.actors.policy.names import is_group_name
from hubbub.actors.policy.permissions import Permission, Permissions
from hubbub.actors.policy.waiting import Pending, Waiting
from hubbub.actors.runtime.actor import LoopActor

if TYPE_CHECKING:
    from types import TracebackType

    from hubbub.actors.messages.payload import Metadata, Payload
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Socket


class Connection(LoopActor):
    """A client, from the end of its handshake to the end of its socket.

    Args:
        client: Who stands there: hub, connection id, user id of the token.
        admit: The handshake, as the hub got it.
        hub: Takes commands.
        upstream: Takes events.
        stash_limit: Requests that may wait behind an event before reading pauses.
    """

    def __init__(
        self,
        client: events.Client,
        admit: internal.Admit,
        hub: Ref[internal.ToHubActor],
        upstream: Ref[events.Delivery],
        stash_limit: int,
    ) -> None:
        super().__init__()
        self._client = client
        self._admit: internal.Admit | None = admit
        self._hub = hub
        self._upstream = upstream
        self._socket: Socket | None = None
        self._permissions = Permissions(())
        self._history = AckHistory()
        self._waiting = Waiting(stash_limit)
        self._events = 0
        self._ended = False

    def on_start(self) -> None:
        """Ask the event handler whether the client may connect."""
        if self._admit is None:
            return
        client, applicant = self._client, self._admit.applicant
        self._admit.door.attach(self.address, f"{client.hub}/{client.connection_id}")
        self._waiting.pending = Pending(0)
        self._tell(
            events.Connect(
                client,
                self._next_event(),
                applicant.query,
                applicant.headers,
                applicant.claims,
                applicant.subprotocols,
                applicant.certificates,
            )
        )

    def on_receive(self, message: internal.ToConnectionActor | events.Answered) -> None:
        """Serve a request, or hear from hub and handler."""
        match message:
            case requests.SendToGroup() if self._waiting.pending is None:
                self._send_to_group(message)
            case requests.SocketClosed() | requests.Broken() if (
                not self._waiting.stashed
            ):
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
            case _ if self._waiting.pending is not None:
                if self._waiting.stash(message) and self._socket is not None:
                    self._socket.pause()
            case _:
                self._serve(message)

    # Admission.

    def _admitted(self, accept: events.Accept) -> None:
        admit = self._admit
        if admit is None:
            return
        applicant = admit.applicant
        groups = accept.groups or applicant.groups
        if not all(map(is_group_name, groups)):
            self._refuse(500, "The event handler named an invalid group.")
            return
        socket = admit.door.accept(accept.subprotocol)
        if isinstance(socket, events.Reject):
            self._refuse(socket.status, socket.reason)
            return
        user_id = applicant.user_id if accept.user_id is None else accept.user_id
        self._client = client = events.Client(
            self._client.hub,
            self._client.connection_id,
            user_id or None,
            socket.outlet.subprotocol,
            accept.state,
        )
        roles = applicant.roles if accept.roles is None else accept.roles
        self._permissions = Permissions(roles)
        self._socket, self._admit = socket, None
        socket.outlet.post(pushes.Connected(client.connection_id, client.user_id))
        self._hub.post(
            internal.Enter(
                client.connection_id,
                client.user_id,
                socket.outlet,
                self.address,
                groups,
            )
        )
        self._tell(events.Connected(client, self._next_event()))

    def _refuse(self, status: int, reason: str) -> None:
        if self._admit is not None:
            self._admit.door.reject(status, reason)
        self._ended = True
        self.stop()

    # Requests.

    def _serve(self, request: requests.Request) -> None:
        match request:
            case requests.SendToGroup():
                self._send_to_group(request)
            case requests.JoinGroup(group=group, ack_id=ack_id):
                if self._may(Permission.JOIN_LEAVE_GROUP, group, ack_id, "join"):
                    self._change(commands.AddToGroup, group, ack_id)
            case requests.LeaveGroup(group=group, ack_id=ack_id):
                if self._may(Permission.JOIN_LEAVE_GROUP, group, ack_id, "leave"):
                    self._change(commands.RemoveFromGroup, group, ack_id)
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

    def _send_to_group(self, request: requests.SendToGroup) -> None:
        group, ack_id = request.group, request.ack_id
        if self._ended or not self._may(
            Permission.SEND_TO_GROUP, group, ack_id, "publish to"
        ):
            return
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
                None if ack_id is None else self._receipt(ack_id),
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

    def _change(
        self,
        command: type[commands.AddToGroup | commands.RemoveFromGroup],
        group: str,
        ack_id: int | None,
    ) -> None:
        target = commands.ToConnection(self._client.connection_id)
        receipt = None if ack_id is None else self._receipt(ack_id)
        self._hub.post(command(target, group, receipt))

    def _may(
        self, permission: Permission, group: str, ack_id: int | None, verb: str
    ) -> bool:
        """Check duplicate, then permission; acknowledge a refusal where asked to."""
        if ack_id is not None and self._is_duplicate(ack_id):
            return False
        if self._permissions.allows(permission, group):
            return True
        name, text = pushes.AckName.FORBIDDEN, f"No permission to {verb} {group}."
        self._acknowledge(ack_id, pushes.AckError(name, text))
        return False

    def _is_duplicate(self, ack_id: int | None) -> bool:
        if ack_id is None or not self._history.seen(ack_id):
            return False
        text = f"Message with ack-id: {ack_id} has been processed"
        self._acknowledge(ack_id, pushes.AckError(pushes.AckName.DUPLICATE, text))
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
        self._waiting.pending = Pending(event_id, ack_id, fatal)
        self._tell(events.UserEvent(self._client, event_id, event, payload, metadata))

    def _answered(self, answer: events.Answered) -> None:
        pending = self._waiting.answered(answer.event_id)
        if pending is None:
            return
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
        self._catch_up()

    def _responded(self, pending: Pending, respond: events.Respond) -> None:
        if respond.state is not None:
            self._client = msgspec.structs.replace(self._client, state=respond.state)
        if respond.payload is not None:
            # Groups may hold what the handler published before it answered.
            self.dispatcher.settle()
            self._push(pushes.ServerMessage(respond.payload, respond.metadata))
        if pending.ack_id is not None:
            self._history.record(pending.ack_id)
            self._acknowledge(pending.ack_id, None)

    def _failed(self, pending: Pending, reason: str) -> None:
        if pending.fatal:
            cause = "the event handler failed"
            self._end(internal.End(1011, cause, cause, reason))
            return
        error = pushes.AckError(pushes.AckName.INTERNAL_SERVER_ERROR, reason)
        self._acknowledge(pending.ack_id, error)

    def _catch_up(self) -> None:
        """Serve what waited, up to the next event."""
        waiting = self._waiting
        stashed = waiting.stashed
        while not self._ended and (request := waiting.next()) is not None:
            self._serve(request)
        if stashed and not waiting.stashed and self._socket is not None:
            self._socket.resume()

    def _judge(self, question: internal.Permissive) -> None:
        permission, group = question.permission, question.group
        match question:
            case commands.Grant():
                done = self._permissions.grant(permission, group)
            case commands.Revoke():
                done = self._permissions.revoke(permission, group)
            case _:
                done = self._permissions.allows(permission, group)
        question.answer.post(commands.Verdict(found=not self._ended, done=done))

    # The end.

    def _finish(self, last: requests.SocketClosed | requests.Broken) -> None:
        """End after the last thing that came from the client.

        Not before what is stashed: a client may publish and close at once.
        """
        match last:
            case _ if self._ended:
                pass
            case requests.Broken(code=code, reason=reason):
                self._end(internal.End(code, reason, reason, reason))
            case requests.SocketClosed(code=code, reason=reason):
                self._leave(reason or f"The client closed the connection ({code}).")

    def _end(self, end: internal.End) -> None:
        """End by our own decision: tell the client, close, tell hub and handler."""
        if self._ended:
            return
        self.dispatcher.settle()
        self._push(pushes.Disconnected(end.notice))
        if self._socket is not None:
            self._socket.close(end.code, end.cause)
        self._leave(end.reason)

    def _leave(self, reason: str) -> None:
        """Tell hub and handler that this session is over.

        A client that leaves while its connect event is answered was never here; an
        answer that comes later finds the session over.
        """
        self._ended = True
        if self._admit is None:
            self._hub.post(internal.Gone(self._client.connection_id))
            self._tell(events.Disconnected(self._client, self._next_event(), reason))
        self.stop()

    def on_stop(self) -> None:
        """Close the socket if the hub ends us, because it restarts."""
        if not self._ended:
            self._hang_up(1012, "the hub restarts")

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the socket of a session whose bookkeeping broke."""
        del exception_type, exception_value, traceback
        self._hang_up(1011, "the gateway failed")
        if not self._ended:
            self._leave("the gateway failed")

    def _hang_up(self, code: int, reason: str) -> None:
        if self._admit is not None:
            self._admit.door.reject(503, f"Try again: {reason}.")
        elif self._socket is not None:
            self._push(pushes.Disconnected(reason))
            self._socket.close(code, reason)

    # Small things.

    def _push(self, push: pushes.Push) -> None:
        if self._socket is not None:
            self._socket.outlet.post(push)

    def _receipt(self, ack_id: int) -> commands.Receipt | None:
        """Have the ack sent by the one that finishes the work, behind the echo.

        The id is recorded now: nothing that is still to come can fail.
        """
        if self._socket is None:
            return None
        self._history.record(ack_id)
        return commands.Receipt(self._socket.outlet, pushes.Ack(ack_id))

    def _acknowledge(self, ack_id: int | None, error: pushes.AckError | None) -> None:
        if ack_id is not None:
            self._push(pushes.Ack(ack_id, error))

    def _tell(self, event: events.Event) -> None:
        self._upstream.post(events.Delivery(event, self.address))

    def _next_event(self) -> int:
        number = self._events
        self._events = number + 1
        return number
