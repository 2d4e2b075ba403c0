"""A session while it is open: served, left and found again by its client, moved.

A part of the connection: it runs in the connection's turns. How a session begins and
what its end means to others, the connection knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from hubbub.actors.conversation import Conversation
from hubbub.actors.messages import commands, events, internal, requests, returning
from hubbub.actors.migration import emigrate
from hubbub.actors.recovery import Lapse, Recovery, Refresh
from hubbub.actors.streams import StreamTick

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.line import Line
    from hubbub.actors.policy.permissions import Permissions
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref


class AllRead(msgspec.Struct, frozen=True, gc=False):
    """What was read before reading stopped has been served, a message to oneself."""


ToSession: TypeAlias = (
    internal.ToConnectionActor
    | events.Answered
    | Lapse
    | Refresh
    | StreamTick
    | AllRead
)


class Tenure:
    """One open session.

    Args:
        connection: The actor whose turns and timers these are.
        client: Who the client is.
        permissions: What it may do.
        way: The way to it.
        hub: Takes commands.
        deliver: Gives an event to the upstream.
        end: Ends the session, by our own decision.
        leave: Ends the session, as its client is gone for good.
        attention: What others want to decide on before this client may.
        stash: Requests that may wait behind an event before reading pauses.
        window: Seconds that a session waits for its client to come back.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a session is made of
        self,
        connection: LoopActor,
        client: events.Client,
        permissions: Permissions,
        way: Line,
        hub: Ref[internal.ToHubActor],
        deliver: Callable[[events.Event], None],
        end: Callable[[internal.End], None],
        leave: Callable[[str], None],
        attention: internal.Attention,
        stash: int,
        window: float,
    ) -> None:
        self.way = way
        self.talk = Conversation(
            connection, client, permissions, way, hub, deliver, end, attention, stash
        )
        self.recovery = Recovery(connection, client, way, hub, window)
        self._name = client.connection_id
        self._hub = hub
        self._end = end
        self._leave = leave
        self._connection = connection
        self._leaving = self._all_read = False

    def receive(self, message: ToSession) -> None:
        """Serve a request, or hear from hub and handler."""
        talk = self.talk
        match message:
            case events.Answered():
                talk.answered(message)
                self._finish_if_quiet()
            case requests.SocketClosed() | requests.Broken():
                self._finish(message)
            case internal.End():
                self._end(message)
            case commands.Grant() | commands.Revoke() | commands.HasPermission():
                done = talk.groups.judge(message)
                message.answer.post(commands.Verdict(found=True, done=done))
            case internal.JoinedGroup(group=group):
                talk.tell(events.Joined, group)
            case internal.LeftGroup(group=group):
                talk.tell(events.Left, group)
            case internal.Attention():
                talk.attention = message
            case StreamTick():
                talk.streams.due(message)
            case returning.Recover():
                self._recover(message)
            case Lapse():
                if self.recovery.is_over(message) and not self._leaving:
                    self._leave("The client did not come back in time.")
            case Refresh():
                self.recovery.refresh()
            case returning.Surrender():
                self._leaving = True
                self.way.hold()
                self._connection.address.post(AllRead())
            case AllRead():
                self._all_read = True
                self._finish_if_quiet()
            case returning.Stay():
                self._stay()
            case (
                internal.Farewell()
                | internal.Expected()
                | returning.Settle()
                | returning.Export()
            ):
                raise AssertionError("of another time of this session")
            case _:
                talk.take(message)

    def export(self, groups: tuple[str, ...]) -> None:
        """Give the session away; the client will find it elsewhere."""
        self._hub.post(emigrate(self.talk, self.way, groups))
        self.way.close(1001, "the session moves to another gateway")

    def _stay(self) -> None:
        """Go on here: the session does not move after all."""
        self._leaving = self._all_read = False
        self.way.release()
        if self.way.down:
            self.recovery.wait()

    def _recover(self, recover: returning.Recover) -> None:
        if self._leaving:
            recover.door.reject(503, "Try again: the session moves elsewhere.")
        elif self.talk.waiting.last is not None:
            recover.door.lose("The client has given up its session.")
        else:
            self.recovery.recover(recover.door)

    def _finish(self, last: requests.SocketClosed | requests.Broken) -> None:
        """End after the last thing that came from the client, or await its return.

        Not before what is stashed: a client may publish and close at once.
        """
        if self.way.up:
            return  # it was a socket in whose place is another by now
        code, reason, waiting = last.code, last.reason, self.talk.waiting
        match last:
            case requests.SocketClosed(final=False) if self.way.mail is not None:
                self.recovery.wait()
            case _ if waiting.wishes:
                waiting.last = last
            case requests.SocketClosed():
                self._leave(reason or f"The client closed the connection ({code}).")
            case requests.Broken():
                self._end(internal.End(code, reason, reason, reason))

    def _finish_if_quiet(self) -> None:
        """Do what waits until nothing that the client asked is under way."""
        waiting = self.talk.waiting
        if self.talk.over or not waiting.quiet:
            return
        if waiting.last is not None:
            self._finish(waiting.last)
        elif self._all_read:
            self._hub.post(returning.Ready(self._name))
