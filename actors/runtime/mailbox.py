"""The inbox of a loop actor: it asks the dispatcher for a turn instead of blocking.

Knows its place's actor and dispatcher; knows nothing of what the letters say.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from pykka import ActorDeadError
from pykka._envelope import Envelope  # pykka does not export it
from pykka.messages import _ActorStop

if TYPE_CHECKING:
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.dispatcher import Dispatcher

# 4 is fairer but doubled the cost of bursts (measured).
LETTERS_PER_TURN = 64


class Mailbox:
    """Letters of one place in the tree, oldest first.

    A letter is a bare message (posted) or a pykka ``Envelope`` (told or asked). The
    mailbox outlives the actor's instance: what arrives during a restart waits here.
    """

    # A list, not a deque: an empty deque holds 64 slots, and 10,000 of them 6 MB.
    __slots__ = ("_actor", "_closed", "_dispatcher", "_letters", "_queued", "lane")

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._letters: list[Any] = []
        self._actor: LoopActor | None = None
        self._queued = False
        self._closed = False
        self.lane = False
        """Whether the actor takes its turns at the end of the round (a group)."""

    def post(self, message: Any) -> None:
        """Append a message from any thread; a closed mailbox ignores it."""
        dispatcher = self._dispatcher
        if dispatcher.thread != get_ident():
            dispatcher.call_soon_threadsafe(self.post, message)
            return
        if self._closed:
            if type(message) is Envelope:
                _refuse(message)
            return
        self._letters.append(message)
        if not self._queued and self._actor is not None:
            self._queued = True
            dispatcher.enqueue(self)

    put = post

    def get(self) -> Envelope[Any]:
        """Take the oldest letter; only for pykka's own teardown.

        Raises:
            IndexError: There is none; a mailbox never blocks.
        """
        letter = self._letters.pop(0)
        return letter if type(letter) is Envelope else Envelope(letter)

    def empty(self) -> bool:
        """Tell whether no letter waits."""
        return not self._letters

    def bind(self, actor: LoopActor) -> None:
        """Give the place an actor, the first or a fresh one after a restart."""
        self._actor = actor
        self.lane = actor.lane
        # Also without letters: the first turn runs the actor's on_start.
        self._queued = True
        self._dispatcher.enqueue(self)

    def unbind(self) -> None:
        """Let letters wait until the next actor; frees the cycle with the old one."""
        self._actor = None

    def close(self) -> None:
        """End the place: refuse what waits and whatever comes."""
        self._actor = None
        self._closed = True
        letters, self._letters = self._letters, []
        for letter in letters:
            if type(letter) is Envelope:
                _refuse(letter)

    def take_turn(self) -> None:
        """Hand up to 64 letters to the actor; called by the dispatcher alone."""
        actor = self._actor
        if actor is None:
            self._queued = False
            return
        letters = self._letters
        if len(letters) > LETTERS_PER_TURN:
            self._letters = letters[LETTERS_PER_TURN:]
            del letters[LETTERS_PER_TURN:]
        else:
            self._letters = []
        done = actor.take_turn(letters)
        if done < len(letters):
            rest = letters[done:]
            if self._closed:
                for letter in rest:
                    if type(letter) is Envelope:
                        _refuse(letter)
            else:
                self._letters = rest + self._letters
        if self._letters and self._actor is not None:
            self._dispatcher.enqueue(self)
        else:
            self._queued = False


def _refuse(envelope: Envelope[Any]) -> None:
    """Answer a question that its actor did not live to hear, as pykka does."""
    if envelope.reply_to is None:
        return
    if isinstance(envelope.message, _ActorStop):
        envelope.reply_to.set(None)
        return
    error = ActorDeadError("the actor stopped before handling the message")
    envelope.reply_to.set_exception((ActorDeadError, error, None))
