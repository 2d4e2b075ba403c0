"""Takes what arrives to whoever waits for it, each message once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import pushes
from hubbub.sdk.client.continuity import Continuity
from hubbub.sdk.client.group_states import GroupStates
from hubbub.sdk.client.inbox import Inboxes
from hubbub.sdk.client.incoming import IncomingStreams
from hubbub.sdk.client.outgoing_streams import OutgoingStreams
from hubbub.sdk.client.protocols import Numbered
from hubbub.sdk.messages import Message

if TYPE_CHECKING:
    from hubbub.sdk.client.protocols import Arrival


class Delivery:
    """Everything that a client hears, and those who hear it.

    Args:
        inbox: Things that may wait for each reader.
    """

    def __init__(self, inbox: int) -> None:
        self.continuity = Continuity()
        self.inboxes = Inboxes(inbox)
        self.incoming = IncomingStreams(inbox)
        self.outgoing = OutgoingStreams()
        self.states = GroupStates(inbox)

    def hear(self, arrival: Arrival) -> None:
        """Take what has come."""
        match arrival:
            case Numbered(message=message, sequence_id=sequence_id):
                if self.continuity.is_new(sequence_id):
                    self._message(message)
            case Message():
                self._message(arrival)
            case pushes.Connected():
                self.continuity.greeted(arrival)
            case pushes.StreamAck() | pushes.StreamNack() | pushes.StreamClosed():
                self.outgoing.hear(arrival)
            case pushes.GroupStateSnapshot() | pushes.GroupStateUpdate():
                self.states.hear(arrival)
            case _:
                raise AssertionError("answers are matched where the questions are")

    def last(self) -> int:
        """Give the highest sequence id that has been heard."""
        return self.continuity.last

    def lose(self, reason: str) -> None:
        """Tell those who need the session that it is gone for good."""
        self.continuity.forget()
        self.incoming.lose(reason)
        self.outgoing.lose(reason)

    def end(self, cause: Exception | None) -> None:
        """Let everybody end: nothing will come."""
        self.inboxes.end(cause)
        self.incoming.end(cause)
        self.outgoing.end(cause)
        self.states.end(cause)

    def _message(self, message: Message) -> None:
        self.inboxes.put(message)
        if message.stream is not None:
            self.incoming.hear(message)
