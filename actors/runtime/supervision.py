"""Places in the tree: spawning, endings, restarts with back-off.

A place owns mailbox and address and is filled by one instance after another; only the
end of the place closes them. Restart policies are data.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.actors.runtime.address import Address, Flag

if TYPE_CHECKING:
    from collections.abc import Callable

    import pykka

    from hubbub.actors.runtime.dispatcher import Dispatcher

_numbers = itertools.count(1)


class Ended(msgspec.Struct, frozen=True):
    """What a parent hears when the place of a child has ended.

    ``reason`` is None after an orderly stop, else the exception that ended it.
    """

    ref: Address
    reason: BaseException | None


class Restarted(msgspec.Struct, frozen=True):
    """What a parent hears when a fresh instance fills the place of a failed child."""

    ref: Address
    reason: BaseException


class Restart(msgspec.Struct, frozen=True):
    """Restart a failed child after a pause that doubles, up to a limit of seconds.

    A child that lived for ``calm`` seconds begins again with the first pause.
    """

    first: float = 0.1
    most: float = 30.0
    calm: float = 60.0

    def pause(self, failures: int) -> float:
        """Seconds to wait before the restart after so many failures in a row."""
        return float(min(self.most, self.first * 2.0 ** min(failures - 1, 30)))


class Place:
    """A position in the tree of actors."""

    __slots__ = (
        "address",
        "born",
        "children",
        "dispatcher",
        "factory",
        "failures",
        "inbox",
        "parent",
        "policy",
        "stopped",
        "timers",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        parent: Place | None,
        factory: Callable[[], pykka.Actor],
        policy: Restart | None,
    ) -> None:
        self.dispatcher = dispatcher
        self.parent = parent
        self.policy = policy
        self.factory = factory if policy is not None else None
        self.failures = 0
        self.born = 0.0
        self.children: dict[Address, Place] | None = None
        self.timers: dict[Any, None] | None = None
        self.stopped: Any = Flag()
        self.inbox: Any = None
        self.address: Any = None

    def furnish(self, inbox: Any, stopped: Any) -> None:
        """Set up mailbox and address, once, before the first instance is built."""
        if self.address is None:
            self.inbox = inbox
            self.stopped = stopped
            self.address = Address(f"hubbub:{next(_numbers)}", inbox, stopped)

    def ended(self, reason: BaseException | None) -> None:
        """Hear that the instance is gone; restart it, or close and tell the parent."""
        self.cancel_timers()
        if self.children:
            for child in list(self.children.values()):
                child.address.end()
        if reason is not None and self.policy is not None:
            if self.dispatcher.now() - self.born > self.policy.calm:
                self.failures = 0
            self.failures += 1
            self.inbox.unbind()
            pause = self.policy.pause(self.failures)
            self.dispatcher.call_later(pause, self._again, reason)
            return
        self.close(reason)

    def close(self, reason: BaseException | None) -> None:
        """End the place for good."""
        self.policy = None
        self.stopped.set()
        self.inbox.close()
        parent = self.parent
        if parent is not None and parent.children is not None:
            parent.children.pop(self.address, None)
            parent.inbox.post(Ended(self.address, reason))

    def cancel_timers(self) -> None:
        """Call off the timers of an instance that is gone."""
        timers, self.timers = self.timers, None
        for timer in timers or ():
            timer.cancel()

    def _again(self, reason: BaseException) -> None:
        if self.policy is None or self.factory is None:
            return  # the place was closed during the pause
        try:
            fill(self, self.factory)
        except Exception as error:  # noqa: BLE001 - a constructor that fails is a failure
            self.ended(error)
            return
        if self.parent is not None:
            self.parent.inbox.post(Restarted(self.address, reason))


_filling: list[Place] = []


def fill(place: Place, factory: Callable[[], pykka.Actor]) -> None:
    """Build an instance for a place and start it.

    Actors are built on the loop's thread alone, so a plain stack says for which place.
    """
    _filling.append(place)
    try:
        actor = factory()
    finally:
        _filling.pop()
    place.stopped.clear()
    place.born = place.dispatcher.now()
    place.address.point_at(actor)
    actor._start_actor_loop()  # noqa: SLF001 - pykka's seam for runtimes


def place_being_filled() -> Place:
    """Give the place that the constructor under way is for.

    Raises:
        RuntimeError: The actor was built outside a tree.
    """
    if not _filling:
        raise RuntimeError("spawn actors from a dispatcher or a parent, not by calling")
    return _filling[-1]


def spawn(
    dispatcher: Dispatcher,
    factory: Callable[[], pykka.Actor],
    *,
    parent: Place | None = None,
    restart: Restart | None = None,
) -> Address:
    """Start an actor at a new place of the tree.

    Args:
        dispatcher: Whose turns it takes; a child has its parent's.
        factory: Builds an instance; called again after a failure with a policy.
        parent: The place that is told of the end; None for a root.
        restart: When and how to restart; None ends the place at the first failure.

    Returns:
        The address, valid over restarts.
    """
    place = Place(dispatcher, parent, factory, restart)
    fill(place, factory)
    if parent is not None:
        if parent.children is None:
            parent.children = {}
        parent.children[place.address] = place
    address: Address = place.address
    return address
