"""Where to send mail: typed references that outlive the actor's instance."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

if TYPE_CHECKING:
    import threading

M_contra = TypeVar("M_contra", contravariant=True)


class Ref(Protocol[M_contra]):
    """Something that takes messages of one vocabulary; a dead recipient ignores them.

    Posting a message of another vocabulary is a type error at the call.
    """

    def post(self, message: M_contra, /) -> None:
        """Send without waiting; never raises, never blocks."""


class Flag:
    """A slotted stand-in for the ``threading.Event`` of pykka (1.2 kB an actor)."""

    __slots__ = ("_on",)

    def __init__(self) -> None:
        self._on = False

    def set(self) -> None:
        """Raise the flag."""
        self._on = True

    def clear(self) -> None:
        """Lower the flag, when a place gets a fresh actor."""
        self._on = False

    def is_set(self) -> bool:
        """Tell whether the flag is up."""
        return self._on


class Address(pykka.ActorRef[Any]):
    """A pykka reference with ``post``; it belongs to the place, not to the instance."""

    post: Any
    """Send without waiting; a dead recipient ignores it (the inbox's own method)."""

    def __init__(self, urn: str, inbox: Any, stopped: Flag | threading.Event) -> None:
        # Not pykka's constructor: it wants an actor, and a place comes before it.
        self.actor_urn = urn
        self.actor_inbox = inbox
        self.actor_stopped = stopped  # type: ignore[assignment] # a flag will do
        self.post = inbox.post

    def end(self) -> None:
        """Ask the actor to stop after the mail that came before; never raises."""
        if not self.actor_stopped.is_set():
            self.actor_inbox.put(Envelope(_ActorStop()))

    def point_at(self, actor: pykka.Actor) -> None:
        """Let proxies and reprs see the instance that fills the place now."""
        self._actor_weakref = weakref.ref(actor)
        self.actor_class = actor.__class__

    def __repr__(self) -> str:
        return f"<Address of {self}>"
