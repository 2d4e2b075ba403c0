"""Tracing: what was posted by whom to whom, seen at the mailboxes.

Chosen when a gateway starts: without it there are plain mailboxes, and nothing to pay.
Knows parties and turns; what a message says is for the recorder to read.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.mailbox import Mailbox
from hubbub.actors.runtime.thread import ThreadActor, ThreadInbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.ports import Loop

_numbers = itertools.count(1)


class Stop(msgspec.Struct, frozen=True):
    """An actor is to stop after the mail that came before: pykka's own message."""


class Party:
    """Someone who sends or gets messages: an actor's place, or who stands outside.

    Args:
        kind: What it is, as ``Group``; parties of a kind can be left out together.
        label: How it is called now; may change, the number does not.
    """

    __slots__ = ("kind", "label", "number")

    def __init__(self, kind: str, label: str) -> None:
        self.number = next(_numbers)
        self.kind = kind
        self.label = label


class Recorder(Protocol):
    """Writes down what it is told, from any thread."""

    def record(self, sender: Party | None, recipient: Party, message: Any) -> None:
        """Take down one message; no sender is a timer, or the world outside."""


_speaker: ContextVar[Party | None] = ContextVar("whose turn it is", default=None)


def speaker() -> Party | None:
    """Tell whose turn it is; what that turn starts for later counts as its own."""
    return _speaker.get()


@contextmanager
def speaking(party: Party) -> Iterator[None]:
    """Let a party be the sender of what is posted meanwhile."""
    token = _speaker.set(party)
    try:
        yield
    finally:
        _speaker.reset(token)


class TracingDispatcher(Dispatcher):
    """A dispatcher whose actors' mail is recorded.

    Args:
        loop: As of any dispatcher.
        recorder: Told of each message when it is posted.
    """

    def __init__(self, loop: Loop, recorder: Recorder) -> None:
        super().__init__(loop)
        self._recorder = recorder

    def mailbox(self) -> Mailbox:
        """Make the inbox of a loop actor."""
        return TracedMailbox(self, self._recorder)

    def thread_inbox(self, actor: ThreadActor) -> ThreadInbox:
        """Make the inbox of a thread actor."""
        return TracedThreadInbox(actor, self._recorder)


class TracedMailbox(Mailbox):
    """A mailbox that has its mail recorded, and says whose turn it is."""

    __slots__ = ("_party", "_recorder")

    def __init__(self, dispatcher: Dispatcher, recorder: Recorder) -> None:
        super().__init__(dispatcher)
        self._recorder = recorder
        self._party = Party("actor", "an actor")

    def post(self, message: Any) -> None:
        """Record a message where it is appended: on the loop's thread."""
        if self._dispatcher.thread == get_ident() and not self._closed:
            self._recorder.record(_speaker.get(), self._present(), _bare(message))
        super().post(message)

    put = post

    def bind(self, actor: LoopActor) -> None:
        """Give the place an actor; its first turn may speak before any mail."""
        super().bind(actor)
        self._present()

    def take_turn(self) -> None:
        """Hand letters to the actor, in its name; turns of lanes may nest."""
        with speaking(self._present()):
            super().take_turn()

    def _present(self) -> Party:
        """Give the party under its present name: a client may be named late."""
        if self._actor is not None:
            self._party.kind = _kind(self._actor)
            self._party.label = self._actor.describe()
        return self._party


class TracedThreadInbox(ThreadInbox):
    """The same for an actor with a thread."""

    def __init__(self, actor: ThreadActor, recorder: Recorder) -> None:
        super().__init__()
        self._actor = actor
        self._recorder = recorder
        self._party = Party(_kind(actor), type(actor).__name__)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Record a message, in the thread that posts it."""
        self._party.label = self._actor.describe()
        self._recorder.record(_speaker.get(), self._party, _bare(item))
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next letter: from now on this thread speaks for its actor."""
        _speaker.set(self._party)
        return super().get(block, timeout)


def _bare(letter: Any) -> Any:
    message = letter.message if type(letter) is Envelope else letter
    return Stop() if isinstance(message, _ActorStop) else message


def _kind(actor: LoopActor | ThreadActor) -> str:
    """Name the class of ours that an actor is, or that its author extended."""
    return next(
        base.__name__
        for base in type(actor).__mro__
        if base.__module__.startswith(("hubbub.actors.", "hubbub.transport."))
    )
