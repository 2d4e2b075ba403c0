"""What gateways tell each other, hub by hub, and how it is packed for the way.

A packet is what crosses a wire at once: a ``Knock``, ``Hello`` or ``Refusal`` of the
greeting, a ``Heartbeat``, or a ``Batch`` of messages. What a wire makes of it is not
known here. Neither receipts nor answers cross: a ``Call`` has a number, and a
``Return`` answers it.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from hubbub.actors.messages import (
    commands,
    counting,
    events,
    moving,
    servers,
    states,
)

VERSION: Final = 1
"""Of this vocabulary; gateways of another version are refused."""


# Keys: what a gateway can be interested in, within a hub.


class Overheard(msgspec.Struct, frozen=True, gc=False):
    """All that is published in the hub: a server listens to it."""


Key: TypeAlias = commands.Target | Overheard | states.StateOf
"""A group that has a member or a listening server; a user that is connected; a
connection that moved in from another gateway; ``Everyone`` when any client is here; a
group of which a client watches the states."""


# Messages: the letters in a batch.


class Interest(msgspec.Struct, frozen=True, gc=False):
    """The sender wants what is published for a key, or does no more."""

    hub: str
    key: Key
    present: bool


class Interests(msgspec.Struct, frozen=True, gc=False):
    """A part of all that the sender wants in a hub."""

    hub: str
    keys: tuple[Key, ...]


class Reset(msgspec.Struct, frozen=True, gc=False):
    """The sender's hub begins anew: it wants nothing, and no server is attached."""

    hub: str


class Complete(msgspec.Struct, frozen=True, gc=False):
    """Everything has been said that held when the link came up."""


class Relay(msgspec.Struct, frozen=True, gc=False):
    """Deliver a publication to your own clients; it goes no further.

    Its command has no receipt, and its filter, if any, is a text (``Filter.text``).
    """

    hub: str
    command: commands.Publish


class Attach(msgspec.Struct, frozen=True, gc=False):
    """A server that is attached to the sender takes these events, from anywhere."""

    server_id: str
    rules: tuple[servers.Rule, ...]
    window: int
    supersede: bool = False


class Retire(msgspec.Struct, frozen=True, gc=False):
    """The server wants no more events; answer once it has none of yours."""

    server_id: str


class Watch(msgspec.Struct, frozen=True, gc=False):
    """The server wants to know who comes and goes with you."""

    server_id: str
    connections: bool
    groups: tuple[str, ...]


Shared: TypeAlias = (
    commands.Command
    | Attach
    | Retire
    | Watch
    | moving.Fetch
    | moving.Offer
    | states.ListStates
)
"""What is asked of a hub elsewhere."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """Carry out a command on what you have of a hub, and return what it came to.

    The number is the sender's; a call without one (0) is not answered.
    """

    number: int
    hub: str
    command: Shared


class Declined(msgspec.Struct, frozen=True, gc=False):
    """A group of an author's class said no."""

    reason: str


Value: TypeAlias = (
    bool
    | moving.Offered
    | commands.MemberPage
    | commands.Verdict
    | Declined
    | commands.Unavailable
    | states.StatePage
)
"""What a call comes to: of a command, whether its target was found."""


class Return(msgspec.Struct, frozen=True, gc=False):
    """What a call came to."""

    number: int
    value: Value


class Detach(msgspec.Struct, frozen=True, gc=False):
    """A server of the sender's is gone."""

    hub: str
    server_id: str


class Give(msgspec.Struct, frozen=True, gc=False):
    """An event of a client of the sender's, for a server of the receiver's."""

    hub: str
    server_id: str
    event: events.Event
    attempt: int


class Withdraw(msgspec.Struct, frozen=True, gc=False):
    """An event that was given is taken back.

    By the one that gave it: its time was up. By the one that has the server: the server
    wants no more, and has not seen it.
    """

    hub: str
    server_id: str
    connection_id: str
    event_id: int


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an event ended that was given; no outcome for a notice."""

    hub: str
    connection_id: str
    event_id: int
    outcome: events.Outcome | None


class Told(msgspec.Struct, frozen=True, gc=False):
    """What a server of the receiver's watches for has happened."""

    hub: str
    server_id: str
    presence: servers.Presence


class Acquaintances(msgspec.Struct, frozen=True, gc=False):
    """Where the sender knows gateways to be."""

    endpoints: tuple[str, ...]


class Goodbye(msgspec.Struct, frozen=True, gc=False):
    """The sender ends in order: nothing follows, and nothing is lost."""


Message: TypeAlias = (
    Relay
    | Interest
    | Interests
    | Reset
    | Complete
    | Call
    | Return
    | Detach
    | Give
    | Withdraw
    | Outcome
    | Told
    | states.StateNews
    | moving.Migration
    | Acquaintances
    | counting.Inquire
    | counting.Counted
    | Goodbye
)


# Packets.


class Knock(msgspec.Struct, frozen=True, gc=False):
    """Who is there? Greet me at my endpoint. ``number`` is that of the attempt."""

    version: int
    cluster: str
    gateway: str
    endpoint: str
    number: int


class Hello(msgspec.Struct, frozen=True, gc=False):
    """I am there. ``nonce`` is the sender's for this epoch of the link, never 0.

    ``echo`` is the receiver's own nonce, once the sender has heard it (else 0): whoever
    hears its nonce again knows that the other is there now, not in a recording.
    ``knock`` is the number of a knock of the receiver's that this answers, else 0.
    """

    version: int
    cluster: str
    gateway: str
    endpoint: str
    nonce: int
    echo: int = 0
    knock: int = 0


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The sender will not be a peer of the one that knocked or greeted."""

    gateway: str
    """Who is refused."""
    number: int
    """Of the ``Knock``, or the nonce of the ``Hello``."""
    reason: str


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """The sender is alive.

    ``tag`` is the receiver's nonce, ``sent`` the last batch sent, ``received`` the last
    batch taken in order; ``missing`` says that a later one came or was named: resend.
    """

    gateway: str
    tag: int
    sent: int
    received: int
    missing: bool = False


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages of one round. Numbers begin at 1 and have no gaps within an epoch.

    ``prompt`` asks for an acknowledgement at once: somebody waits for it.
    """

    gateway: str
    tag: int
    number: int
    received: int
    messages: tuple[Message, ...]
    prompt: bool = False


Packet: TypeAlias = Knock | Hello | Refusal | Heartbeat | Batch


# What a wire tells besides packets.


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A batch that says whose it is and cannot be read: it ends that link."""

    gateway: str
    tag: int
    reason: str


class Trouble(msgspec.Struct, frozen=True, gc=False):
    """A connection that cannot be made, and why; without endpoint, one from outside."""

    endpoint: str
    reason: str


FromWire: TypeAlias = Packet | Malformed | Trouble
