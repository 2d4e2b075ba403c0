"""What becomes of reliable sessions when their gateway ends: others take them.

A part of the hub: it runs in the hub's turns. A gateway that takes a session fetches it
as if its client had come there (``moves``).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.draining import Declined
from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import moving
from hubbub.actors.move import mail_of
from hubbub.actors.reliable_outlet import ReliableOutlet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.actors.directory import LinkRef
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref


AT_ONCE: Final = 64
"""Sessions that move at a time."""

BYTES_AT_ONCE: Final = 8 << 20
"""Bytes that are kept for them, or one more session: a link has a bounded queue."""


class _Offer:
    """Takes the answer to an offer, and asks the next gateway after a no."""

    def __init__(
        self, hub: Ref[Declined], name: str, connection_id: str, links: list[LinkRef]
    ) -> None:
        self._hub = hub
        self._name = name
        self._connection_id = connection_id
        self._links = links

    def ask(self) -> None:
        link = self._links.pop()
        link.post(Ask(self._name, moving.Offer(self._connection_id), self))

    def post(self, value: Any, /) -> None:
        if value is True:
            return  # it will fetch the session
        if self._links:
            self.ask()
        else:
            self._hub.post(Declined(self._connection_id))


class Offers:
    """Offers the sessions of a hub that ends to its peers, in turn, a few at a time.

    Args:
        hub: The actor whose turns these are.
        name: Its name.
        links: The live peers.
    """

    def __init__(self, hub: LoopActor, name: str, links: dict[str, LinkRef]) -> None:
        self._hub = hub
        self._name = name
        self.links = links
        """Read only."""
        self._turn = 0
        self._waiting: deque[Entry] = deque()
        self._moving: dict[str, int] = {}

    def take(self, entry: Entry) -> bool:
        """Take a session that is to be offered; False if it cannot move, or nowhere."""
        if not self.links or not isinstance(entry.outlet, ReliableOutlet):
            return False
        self._moving.pop(entry.connection_id, None)
        self._waiting.append(entry)
        return True

    def go_on(self, here: Mapping[str, Entry]) -> None:
        """Offer as many as may be under way; those not ``here`` any more are done."""
        moving = self._moving
        for name in [name for name in moving if name not in here]:
            del moving[name]
        while self._waiting and self._has_room():
            entry = self._waiting.popleft()
            if here.get(entry.connection_id) is entry:
                moving[entry.connection_id] = mail_of(entry).size
                self._offer(entry.connection_id)

    def _has_room(self) -> bool:
        sizes = self._moving.values()
        return len(sizes) < AT_ONCE and sum(sizes) < BYTES_AT_ONCE

    def _offer(self, connection_id: str) -> None:
        links = list(self.links.values())
        if not links:
            self._hub.address.post(Declined(connection_id))
            return
        self._turn += 1
        turn = self._turn % len(links)
        rest = links[turn:] + links[:turn]
        _Offer(self._hub.address, self._name, connection_id, rest).ask()
