"""What a client says and hears, and what a subprotocol has to offer it. Pure.

Each subprotocol is a file with a class as described here; ``spoken`` knows them all by
name (client protocols reference, sections 3 to 5).
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec

from hubbub.actors.messages import pushes, requests
from hubbub.actors.messages.payload import Payload
from hubbub.sdk.messages import Message


class Answer(msgspec.Struct, frozen=True):
    """The answer to the request with this number; no ``name`` means yes."""

    ack_id: int
    name: str | None = None
    message: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What the invocation with this id came to; no ``name`` means success."""

    invocation_id: str
    payload: Payload | None = None
    name: str | None = None
    message: str = ""


class Numbered(msgspec.Struct, frozen=True):
    """A message of a reliable subprotocol, with its sequence id."""

    message: Message
    sequence_id: int


Said: TypeAlias = (
    requests.JoinGroup
    | requests.LeaveGroup
    | requests.SendToGroup
    | requests.SendEvent
    | requests.Invoke
    | requests.CancelInvocation
    | requests.StreamRequest
    | requests.StateRequest
    | requests.Ping
    | requests.AckSequence
)
"""What a client says."""

StreamNews: TypeAlias = pushes.StreamAck | pushes.StreamNack | pushes.StreamClosed
"""What the publisher of a stream hears of it."""

StateNews: TypeAlias = pushes.GroupStateSnapshot | pushes.GroupStateUpdate
"""What a subscriber hears of the states in a group."""

Arrival: TypeAlias = (
    Message
    | Numbered
    | Answer
    | Outcome
    | StreamNews
    | StateNews
    | pushes.Connected
    | pushes.Disconnected
    | pushes.Pong
)
"""What a client hears."""


class ClientProtocol(Protocol):
    """How a client and the service write things down."""

    @property
    def name(self) -> str:
        """The name that the handshake negotiates."""

    @property
    def reliable(self) -> bool:
        """Whether messages are numbered, and a lost session can be found again."""

    def encode(self, request: Said) -> str | bytes:
        """Write a request: str becomes a text frame, bytes a binary one.

        Raises:
            ProtocolError: This subprotocol has no words for it.
        """

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a frame: str is a text frame, bytes a binary one.

        Returns:
            What it says; None for a kind that this client does not know.

        Raises:
            ProtocolError: It says nothing in this subprotocol.
        """
