"""What a client asks within its session: served in order, one event at a time.

A part of the connection: it runs in the connection's turns. Requests go to the hub
(``group_requests``, ``state_requests``, ``streams``) or, as events, to the upstream;
whatever comes behind an event waits for its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.acks import Acks
from hubbub.actors.group_requests import FORBIDDEN, GroupRequests
from hubbub.actors.messages import events, internal, pushes, requests
from hubbub.actors.policy import asking
from hubbub.actors.policy.waiting import Waiting
from hubbub.actors.state_requests import StateRequests
from hubbub.actors.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.line import Line
    from hubbub.actors.policy.asking import Question
    from hubbub.actors.policy.permissions import Permissions
    from hubbub.actors.policy.waiting import Pending, Wish
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref

    Ask: TypeAlias = Callable[[events.Event], None]

_SERVER_ERROR = pushes.AckName.INTERNAL_SERVER_ERROR


class Conversation:
    """One open session's requests and events.

    Args:
        owner: The connection, whose turns and timers these are.
        client: Who the client is.
        permissions: What it may do.
        line: The way to it.
        hub: Takes commands.
        ask: Gives an event to the upstream.
        end: Ends the session.
        attention: What others want to decide on before this client may.
        stash_limit: Requests that may wait behind an event before reading pauses.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session is made of
        self,
        owner: LoopActor,
        client: events.Client,
        permissions: Permissions,
        line: Line,
        hub: Ref[internal.ToHubActor],
        ask: Ask,
        end: Callable[[internal.End], None],
        attention: internal.Attention,
        stash_limit: int,
    ) -> None:
        self.client = client
        self.attention = attention
        self.events = 1
        """The number of the next event; the first was ``connect``."""
        self.waiting = Waiting(stash_limit)
        self.permissions = permissions
        self.acks = Acks(line.outlet)
        self._line = line
        self._ask_upstream = ask
        self._end = end
        self._settle = owner.dispatcher.settle
        self.groups = GroupRequests(
            client.connection_id, client.user_id, permissions, hub, self.acks
        )
        self._states = StateRequests(client, permissions, hub, self.acks, line.outlet)
        self.streams = Streams(
            owner,
            line.push,
            self.groups.may_send,
            self._publish,
            lambda: self.waiting.pending is not None,
        )
        self.over = False
        """Whether nothing is served any more."""

    # Requests.

    def take(self, request: requests.Request) -> None:
        """Serve a request, or let it wait behind the event under way."""
        waiting = self.waiting
        match request:
            case requests.Ping():
                self._line.push(pushes.Pong())
            case requests.AckSequence(sequence_id=sequence_id):
                if self._line.mail is not None:
                    self._line.mail.acknowledge(sequence_id)
            case requests.CancelInvocation(invocation_id=name):
                waiting.cancel(name)
            case requests.AnswerInvocation():
                pass  # the gateway invokes nothing at a client
            case _ if waiting.pending is not None:
                if waiting.stash(request):
                    self._line.pause()
            case _:
                self._serve(request)

    def _serve(self, request: requests.Request) -> None:
        groups = self.groups
        match request:
            case (
                requests.SendToGroup() | requests.JoinGroup() | requests.PublishFrame()
            ):
                self._fulfil(request)
            case requests.LeaveGroup():
                groups.leave(request)
            case requests.SendToAll():
                groups.send_to_all(request)
            case requests.SendEvent(ack_id=ack_id):
                if not self.acks.is_duplicate(ack_id):
                    self._ask(request)
            case requests.SendFrame() | requests.Invoke():
                self._ask(request)
            case requests.RefuseInvocation(invocation_id=name, reason=reason):
                error = pushes.AckError(pushes.AckName.BAD_REQUEST, reason)
                self._line.push(pushes.InvokeResponse(name, error=error))
            case (
                requests.StartStream()
                | requests.SendFragment()
                | requests.KeepStream()
                | requests.EndStream()
            ):
                self.streams.take(request)
            case (
                requests.SetGroupState()
                | requests.SubscribeGroupState()
                | requests.UnsubscribeGroupState()
            ):
                self._states.take(request)
            case (
                requests.Ping()
                | requests.AckSequence()
                | requests.CancelInvocation()
                | requests.AnswerInvocation()
                | requests.SocketClosed()
                | requests.Broken()
            ):
                raise AssertionError("served before, without waiting")
            case _:
                assert_never(request)

    def _fulfil(self, wish: Wish) -> None:
        """Carry out a wish, after asking where others want to decide on it."""
        if not self.groups.may(wish):
            if isinstance(wish, requests.PublishFrame):
                self._end(FORBIDDEN)
        elif asking.is_intercepted(wish, self.attention):
            self._ask(wish)
        else:
            self.groups.carry_out(wish)

    def _publish(self, part: requests.SendToGroup) -> None:
        """Publish a part of a stream; its end is nobody's to decide on."""
        ends = part.stream is not None and part.stream.end
        if self.attention.publish and not ends and self.waiting.pending is None:
            self._ask(part)
        else:
            self.groups.carry_out(part)

    # Events and their answers.

    def tell(self, kind: Callable[..., events.Notice], *details: str) -> None:
        """Let the handlers know of something."""
        self._ask_upstream(kind(self.client, self._next_event(), *details))

    def answered(self, answer: events.Answered) -> None:
        """Take what an event came to, and serve what waited behind it."""
        pending = self.waiting.answered(answer.event_id)
        if pending is None:
            return
        # Groups may hold what the handler published before it answered.
        self._settle()
        outcome = answer.outcome or events.Respond()
        match outcome:
            case events.Respond():
                self._responded(pending, outcome)
            case events.Allow():
                if pending.wish is not None:
                    self.groups.carry_out(asking.rewritten(pending.wish, outcome))
            case events.Deny(reason=reason):
                self._failed(pending, reason, pushes.AckName.FORBIDDEN)
            case events.Fail(reason=reason):
                self._failed(pending, reason)
            case events.Accept() | events.Reject():
                raise AssertionError("that is no answer within a session")
            case _:
                assert_never(outcome)
        self._catch_up()

    def close(self) -> None:
        """Serve nothing more, and end what was under way."""
        self.over = True
        self.streams.cancel()

    def _ask(self, request: Question) -> None:
        number = self._next_event()
        self.waiting.pending = asking.pending(request, number)
        self._ask_upstream(asking.event(self.client, number, request))

    def _responded(self, pending: Pending, respond: events.Respond) -> None:
        if respond.state is not None:
            self.client = msgspec.structs.replace(self.client, state=respond.state)
        if pending.invocation is not None:
            if not pending.cancelled:
                self._line.push(
                    pushes.InvokeResponse(pending.invocation, respond.payload)
                )
            return
        if respond.payload is not None:
            self._line.push(pushes.ServerMessage(respond.payload, respond.metadata))
        self.acks.confirm(pending.ack_id)

    def _failed(
        self, pending: Pending, reason: str, name: pushes.AckName = _SERVER_ERROR
    ) -> None:
        wish = pending.wish
        if pending.fatal:
            cause = "the event handler failed"
            self._end(internal.End(1011, cause, cause, reason))
        elif pending.invocation is not None:
            if not pending.cancelled:
                error = pushes.AckError(name, reason)
                self._line.push(pushes.InvokeResponse(pending.invocation, error=error))
        elif isinstance(wish, requests.SendToGroup) and wish.stream is not None:
            self.streams.refused(wish.stream.stream_id, str(name), reason)
        else:
            self.acks.refuse(pending.ack_id, name, reason)

    def _catch_up(self) -> None:
        """Serve what waited, up to the next event."""
        waiting = self.waiting
        stashed = waiting.stashed
        while not self.over and (request := waiting.next()) is not None:
            self._serve(request)
        if stashed and not waiting.stashed and self._line.paused:
            self._line.resume()

    def _next_event(self) -> int:
        self.events += 1
        return self.events - 1
