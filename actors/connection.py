"""One client session, from admission to its end.

Hands what its client asks to its hub (``group_requests``) and its events to the
upstream, one at a time. Knows no bytes: requests come in, pushes go to the outlet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from hubbub.actors.acks import Acks
from hubbub.actors.entrance import Entrance
from hubbub.actors.group_requests import FORBIDDEN, GroupRequests
from hubbub.actors.messages import commands, events, internal, pushes, requests
from hubbub.actors.policy import asking
from hubbub.actors.policy.waiting import Pending, Waiting, Wish
from hubbub.actors.runtime.actor import LoopActor

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.policy.asking import Question
    from hubbub.actors.runtime.address import Ref
    from hubbub.actors.runtime.ports import Socket

_SERVER_ERROR = pushes.AckName.INTERNAL_SERVER_ERROR


class Connection(LoopActor):
    """A client, from the end of its handshake to the end of its socket.

    Args:
        client: Who stands there: hub, connection id, user id of the token.
        admit: The handshake, as the hub got it.
        hub: Takes commands.
        upstream: Takes events.
        stash_limit: Requests that may wait behind an event before reading pauses.
        attention: What others want to decide on before this client may.
    """

    def __init__(
        self,
        client: events.Client,
        admit: internal.Admit,
        hub: Ref[internal.ToHubActor],
        upstream: Ref[events.Delivery],
        stash_limit: int,
        attention: internal.Attention,
    ) -> None:
        super().__init__()
        self._client = client
        self._entrance: Entrance | None = Entrance(client, admit)
        self._hub = hub
        self._upstream = upstream
        self._socket: Socket | None = None
        self._groups: GroupRequests | None = None
        self._waiting = Waiting(stash_limit)
        self._attention = attention
        self._events = 0
        self._ended = False
        self._reason = ""

    def on_start(self) -> None:
        """Ask the event handler whether the client may connect."""
        if self._entrance is not None:
            self._waiting.pending = Pending(0)
            self._deliver(self._entrance.ask(self.address, self._next_event()))

    def describe(self) -> str:
        """Name this actor in a trace."""
        return f"Connection {self._client.user_id or self._client.connection_id[-6:]}"

    def on_receive(self, message: internal.ToConnectionActor | events.Answered) -> None:
        """Serve a request, or hear from hub and handler."""
        ready = self._groups if self._waiting.pending is None else None
        match message:
            case requests.SendToGroup() if ready and not self._attention.publish:
                ready.send(message)
            case events.Answered():
                self._answered(message)
            case requests.SendEvent() if ready:
                self._serve(message)
            case requests.SocketClosed() | requests.Broken() if not (
                self._waiting.stashed or self._waiting.wishes
            ):
                self._finish(message)
            case internal.End():
                self._end(message)
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                self._judge(message)
            case internal.JoinedGroup(group=group):
                self._tell(events.Joined, group)
            case internal.LeftGroup(group=group):
                self._tell(events.Left, group)
            case internal.Farewell():
                self._depart()
            case internal.Attention():
                self._attention = message
            case internal.Expected():
                self._enter()
            case _ if self._ended:
                pass  # what was on its way when the session ended
            case requests.Ping():
                self._push(pushes.Pong())
            case requests.AckSequence():
                pass  # nothing is numbered on this subprotocol
            case _ if self._waiting.pending is not None:
                if self._waiting.stash(message) and self._socket is not None:
                    self._socket.pause()
            case _:
                self._serve(message)

    # Admission.

    def _admitted(self, accept: events.Accept) -> None:
        """Take the handler's word, and let the client in once the peers know of it."""
        if self._entrance is None:
            return
        expect = self._entrance.accept(accept, self.address)
        if self._attention.clustered:
            self._hub.post(expect)
        else:
            self._enter()

    def _enter(self) -> None:
        if self._entrance is None:
            return
        opened = self._entrance.open()
        if isinstance(opened, events.Reject):
            self._refuse(opened)
            return
        client, socket, admitted = opened
        name, outlet = client.connection_id, socket.outlet
        user_id, roles, groups = admitted
        self._client, self._socket, self._entrance = client, socket, None
        self._groups = GroupRequests(name, user_id, roles, self._hub, Acks(outlet))
        outlet.post(pushes.Connected(name, user_id))
        self._hub.post(internal.Enter(name, user_id, outlet, self.address, groups))
        self._tell(events.Connected)

    def _refuse(self, reject: events.Reject) -> None:
        if self._entrance is not None:
            self._entrance.refuse(reject.status, reject.reason)
        self._ended = True
        self.stop()

    # Requests.

    def _serve(self, request: requests.Request) -> None:
        groups = self._groups
        if groups is None:
            raise AssertionError("served outside the session")
        match request:
            case (
                requests.SendToGroup() | requests.JoinGroup() | requests.PublishFrame()
            ):
                self._fulfil(groups, request)
            case requests.LeaveGroup():
                groups.leave(request)
            case requests.SendEvent(ack_id=ack_id):
                if not groups.acks.is_duplicate(ack_id):
                    self._ask(request)
            case requests.SendFrame():
                self._ask(request)
            case requests.SocketClosed() | requests.Broken():
                self._finish(request)
            case requests.Ping() | requests.AckSequence():
                raise AssertionError("served before, without waiting")
            case _:
                assert_never(request)

    def _fulfil(self, groups: GroupRequests, wish: Wish) -> None:
        """Carry out a wish, after asking where others want to decide on it."""
        if not groups.may(wish):
            if isinstance(wish, requests.PublishFrame):
                self._end(FORBIDDEN)
        elif asking.is_intercepted(wish, self._attention):
            self._ask(wish)
        else:
            groups.carry_out(wish)

    # Events and their answers.

    def _ask(self, request: Question) -> None:
        number = self._next_event()
        self._waiting.pending = asking.pending(request, number)
        self._deliver(asking.event(self._client, number, request))

    def _answered(self, answer: events.Answered) -> None:
        pending = self._waiting.answered(answer.event_id)
        if pending is None or self._ended:
            return
        # Groups may hold what the handler published before it answered.
        self.dispatcher.settle()
        outcome = answer.outcome or events.Respond()
        match outcome:
            case events.Accept():
                self._admitted(outcome)
            case events.Reject():
                self._refuse(outcome)
            case events.Respond():
                self._responded(pending, outcome)
            case events.Allow():
                if self._groups is not None and pending.wish is not None:
                    self._groups.carry_out(asking.rewritten(pending.wish, outcome))
            case events.Deny(reason=reason):
                self._failed(pending, reason, pushes.AckName.FORBIDDEN)
            case events.Fail(reason=reason):
                self._failed(pending, reason)
            case _:
                assert_never(outcome)
        self._catch_up()

    def _responded(self, pending: Pending, respond: events.Respond) -> None:
        if respond.state is not None:
            self._client = msgspec.structs.replace(self._client, state=respond.state)
        if respond.payload is not None:
            self._push(pushes.ServerMessage(respond.payload, respond.metadata))
        if self._groups is not None:
            self._groups.acks.confirm(pending.ack_id)

    def _failed(
        self, pending: Pending, reason: str, name: pushes.AckName = _SERVER_ERROR
    ) -> None:
        if pending.fatal:
            cause = "the event handler failed"
            self._end(internal.End(1011, cause, cause, reason))
        elif self._groups is not None:
            self._groups.acks.refuse(pending.ack_id, name, reason)

    def _catch_up(self) -> None:
        """Serve what waited, up to the next event."""
        waiting = self._waiting
        stashed = waiting.stashed
        while not self._ended and (request := waiting.next()) is not None:
            self._serve(request)
        if stashed and not waiting.stashed and self._socket is not None:
            self._socket.resume()

    def _judge(self, order: internal.Permissive) -> None:
        groups = self._groups
        done = groups is not None and groups.judge(order)
        order.answer.post(commands.Verdict(found=groups is not None, done=done))

    # The end.

    def _finish(self, last: requests.SocketClosed | requests.Broken) -> None:
        """End after the last thing that came from the client.

        Not before what is stashed: a client may publish and close at once.
        """
        code, reason = last.code, last.reason
        if isinstance(last, requests.Broken):
            self._end(internal.End(code, reason, reason, reason))
        elif not self._ended:
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
        """Tell the hub that this session is over, and wait for its farewell.

        A client that leaves while its connect event is answered was never here; an
        answer that comes later finds the session over.
        """
        self._ended, self._groups, self._reason = True, None, reason
        if self._entrance is None:
            self._hub.post(internal.Gone(self._client.connection_id, self.address))
        else:
            self.stop()

    def _depart(self) -> None:
        """Tell the handler, behind the groups that the hub says were left."""
        self._tell(events.Disconnected, self._reason)
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
            self._tell(events.Disconnected, "the gateway failed")

    def _hang_up(self, code: int, reason: str) -> None:
        if self._entrance is not None:
            self._entrance.refuse(503, f"Try again: {reason}.")
        elif self._socket is not None:
            self._push(pushes.Disconnected(reason))
            self._socket.close(code, reason)

    def _push(self, push: pushes.Push) -> None:
        if self._socket is not None:
            self._socket.outlet.post(push)

    def _tell(self, kind: Callable[..., events.Notice], *details: str) -> None:
        self._deliver(kind(self._client, self._next_event(), *details))

    def _deliver(self, event: events.Event) -> None:
        self._upstream.post(events.Delivery(event, self.address))

    def _next_event(self) -> int:
        self._events += 1
        return self._events - 1
