"""What an attached server and its gateway tell each other (``/server``).

Two vocabularies: what the server asks, and what it is told. Its wire is not known here,
so that another way to attach can bring the same messages.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from hubbub.actors.messages import commands, events, pushes, requests
from hubbub.actors.messages.payload import Metadata, Payload


class ServerRole(enum.StrEnum):
    """What a server's token allows it."""

    PUBLISHER = "publisher"
    SUBSCRIBER = "subscriber"
    MANAGER = "manager"


class Rule(msgspec.Struct, frozen=True):
    """Which events a server takes; see ``policy.rules`` for what it means.

    ``kind`` is an event or interception point, ``pattern`` is over names of user events
    or groups, ``filter`` an expression over the client and what happens to it.
    """

    kind: str
    pattern: str = "*"
    filter: str | None = None


# What a server asks. A request with an id is answered by a Result or a Refused.


class Listen(msgspec.Struct, frozen=True, gc=False):
    """Send me what is published to a group, or (None) to anyone in the hub."""

    group: str | None
    request_id: int | None = None


class Unlisten(msgspec.Struct, frozen=True, gc=False):
    """Send me no more of it."""

    group: str | None
    request_id: int | None = None


class Handle(msgspec.Struct, frozen=True, gc=False):
    """Send me these events from now on, and none that I declared before.

    ``window`` bounds how many may be unanswered at a time; ``supersede`` says that what
    servers declared who are gone, and no server here does, nobody need wait for.
    """

    rules: tuple[Rule, ...]
    window: int
    request_id: int | None = None
    supersede: bool = False


class Watch(msgspec.Struct, frozen=True, gc=False):
    """Tell me who comes and goes: in the hub, and in groups whose name fits."""

    connections: bool
    groups: tuple[str, ...]
    request_id: int | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """Carry out a command; ``role`` is what it takes.

    Its receipt or answer is filled in by the one that knows where to send it.
    """

    command: commands.Command
    role: ServerRole
    request_id: int | None = None
    no_echo: bool = False


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an event by its number; None is that of a notice."""

    number: int
    outcome: events.Outcome | None


class Retire(msgspec.Struct, frozen=True, gc=False):
    """Send me no more events; tell me when the last one is answered."""

    request_id: int | None = None


class Unclear(msgspec.Struct, frozen=True, gc=False):
    """A request, or the answer to an event, that cannot be read, and why."""

    message: str
    request_id: int | None = None
    number: int | None = None


ServerRequest: TypeAlias = (
    Answer
    | Order
    | Listen
    | Unlisten
    | Handle
    | Watch
    | Retire
    | Unclear
    | requests.Ping
    | requests.Broken
    | requests.SocketClosed
)


# What a server is told.


class ErrorName(enum.StrEnum):
    """Why a request was refused."""

    BAD_REQUEST = "BadRequest"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    UNAVAILABLE = "Unavailable"


class Welcome(msgspec.Struct, frozen=True, gc=False):
    """The server is attached."""

    server_id: str
    hub: str
    roles: tuple[str, ...]


class Result(msgspec.Struct, frozen=True, gc=False):
    """A request is carried out; ``value`` answers a question."""

    request_id: int
    value: bool | commands.MemberPage | None = None

    def refused(self, reason: str) -> Refused:
        """Give the refusal of the same request."""
        return Refused(self.request_id, ErrorName.FORBIDDEN, reason)

    def failed(self, reason: str) -> Refused:
        """Tell that the same request could not be done everywhere."""
        return Refused(self.request_id, ErrorName.UNAVAILABLE, reason)


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A request is refused."""

    request_id: int | None
    name: ErrorName
    message: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event to answer by its number."""

    number: int
    event: events.Event
    attempt: int = 1


class Cancelled(msgspec.Struct, frozen=True, gc=False):
    """An event's time is up: nobody waits for its answer any more."""

    number: int


class Overheard(msgspec.Struct, frozen=True, gc=False):
    """Something was published in the hub, and to whom."""

    target: commands.Target
    from_user: str | None
    payload: Payload
    metadata: Metadata | None = None


class Presence(msgspec.Struct, frozen=True, gc=False):
    """Someone came or went: ``kind`` is connected, disconnected, joined or left."""

    kind: str
    connection_id: str
    user_id: str | None
    group: str | None = None


class Draining(msgspec.Struct, frozen=True, gc=False):
    """The gateway is about to end; attach elsewhere."""


ServerPush: TypeAlias = (
    Event
    | Result
    | Refused
    | Cancelled
    | Overheard
    | Presence
    | Welcome
    | Draining
    | pushes.GroupMessage
    | pushes.Pong
)
