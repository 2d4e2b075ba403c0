"""Group states: what a hub is told of them, by its connections and its links.

And what hubs of different gateways tell each other. What clients want of them is in
``requests``, what they hear in ``pushes``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from hubbub.actors.messages.commands import Receipt
from hubbub.actors.messages.payload import State
from hubbub.actors.messages.pushes import Push, StateItem
from hubbub.actors.runtime.address import Ref

# Between gateways (``peers``).


class StateOf(msgspec.Struct, frozen=True, gc=False):
    """What is said in a group: a key that a gateway can be interested in."""

    group: str


class ListStates(msgspec.Struct, frozen=True, gc=False):
    """Ask what is said in a group, in order of connection id, after a given one."""

    group: str
    after: str = ""


class StatePage(msgspec.Struct, frozen=True, gc=False):
    """What is said in a group, and whether there is more."""

    items: tuple[StateItem, ...]
    more: bool


class StateNews(msgspec.Struct, frozen=True, gc=False):
    """What is said in a group at the sender has changed."""

    hub: str
    group: str
    items: tuple[StateItem, ...]


# Within a gateway.


class StateMatter(msgspec.Struct, frozen=True, gc=False):
    """Anything that a hub is told about group states."""


class SetState(StateMatter, frozen=True, gc=False):
    """A connection replaces what it says of itself in a group; None clears it."""

    connection_id: str
    user_id: str | None
    group: str
    state: State | None
    receipt: Receipt | None = None


class WatchState(StateMatter, frozen=True, gc=False):
    """A connection wants to hear what is said in a group.

    The receipt is paid before the first snapshot.
    """

    connection_id: str
    outlet: Ref[Push]
    group: str
    receipt: Receipt | None = None


class UnwatchState(StateMatter, frozen=True, gc=False):
    """A connection wants to hear it no more."""

    connection_id: str
    group: str
    receipt: Receipt | None = None


class StateHeard(StateMatter, frozen=True, gc=False):
    """A peer has said what has changed with it."""

    link: Ref[Any]
    group: str
    items: tuple[StateItem, ...]


class StatesAsked(StateMatter, frozen=True, gc=False):
    """A peer wants to know what is said here."""

    question: ListStates
    answer: Ref[StatePage]


class StatesReset(StateMatter, frozen=True, gc=False):
    """The hub of a peer begins anew: nothing is said there."""

    link: Ref[Any]


ToHub: TypeAlias = (
    SetState | WatchState | UnwatchState | StateHeard | StatesAsked | StatesReset
)
"""What connections and links tell a hub."""
