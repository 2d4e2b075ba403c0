"""What a connection tells its client."""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from hubbub.actors.messages.payload import Metadata, Payload


class AckName(enum.StrEnum):
    """Names of failed acks (client protocols, acknowledgements)."""

    FORBIDDEN = "Forbidden"
    INTERNAL_SERVER_ERROR = "InternalServerError"
    DUPLICATE = "Duplicate"
    BAD_REQUEST = "BadRequest"


class AckError(msgspec.Struct, frozen=True, gc=False):
    """Why a request failed."""

    name: AckName
    message: str


class Connected(msgspec.Struct, frozen=True, gc=False):
    """The session is open."""

    connection_id: str
    user_id: str | None
    reconnection_token: str | None = None


class Disconnected(msgspec.Struct, frozen=True, gc=False):
    """The service is about to close the session."""

    message: str


class GroupMessage(msgspec.Struct, frozen=True, gc=False):
    """A message published to a group; no ``from_user`` when a server or nobody sent."""

    group: str
    from_user: str | None
    payload: Payload
    metadata: Metadata | None = None


class ServerMessage(msgspec.Struct, frozen=True, gc=False):
    """A message from a server, to this client or to everybody."""

    payload: Payload
    metadata: Metadata | None = None


class Ack(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request with an ack id; no error means success."""

    ack_id: int
    error: AckError | None = None

    def refused(self, reason: str) -> Ack:
        """Give the ack that says no to the same request."""
        return Ack(self.ack_id, AckError(AckName.FORBIDDEN, reason))

    def failed(self, reason: str) -> Ack:
        """Give the ack that says that the same request could not be done."""
        return Ack(self.ack_id, AckError(AckName.INTERNAL_SERVER_ERROR, reason))


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The sign of life that was asked for."""


Push: TypeAlias = GroupMessage | ServerMessage | Ack | Pong | Connected | Disconnected
