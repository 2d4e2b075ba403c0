"""A session on its way from one gateway to another: all that its client would miss."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.messages.pushes import StateItem


class Mail(msgspec.Struct, frozen=True, gc=False):
    """What is kept for a client.

    ``room`` is how many more messages may come until the client is back.
    ``bodies`` are the messages after ``acknowledged``, up to ``last``, as its
    subprotocol says them without a number, each with the seconds that it may still
    wait (0: no limit, -1: it has waited too long).
    """

    acknowledged: int
    last: int
    room: int
    bodies: tuple[tuple[bytes, int], ...]


class Rights(msgspec.Struct, frozen=True, gc=False):
    """What a client may do: its roles, and what was granted or revoked since."""

    roles: tuple[str, ...]
    send: Mapping[str, bool]
    join: Mapping[str, bool]


class OpenStream(msgspec.Struct, frozen=True, gc=False):
    """A stream that a client publishes; ``idle`` in seconds."""

    stream_id: str
    group: str
    expected: int
    no_echo: bool
    idle: float


class States(msgspec.Struct, frozen=True, gc=False):
    """What a client says of itself, by group, and the groups whose states it hears."""

    own: tuple[tuple[str, StateItem], ...] = ()
    watched: tuple[str, ...] = ()


class Session(msgspec.Struct, frozen=True, gc=False):
    """Everything of a session but its socket.

    ``event_id`` is the number of its next event.
    """

    client: events.Client
    event_id: int
    rights: Rights
    ack_ids: tuple[int, ...]
    mail: Mail
    groups: tuple[str, ...] = ()
    streams: tuple[OpenStream, ...] = ()
    states: States = States()
