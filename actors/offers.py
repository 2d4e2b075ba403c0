"""What becomes of reliable sessions when their gateway ends: others take them.

A part of the hub: it runs in the hub's turns. A gateway that takes a session fetches it
as if its client had come there (``moves``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors.draining import Declined
from hubbub.actors.link_calls import Ask
from hubbub.actors.messages import moving
from hubbub.actors.reliable_outlet import ReliableOutlet

if TYPE_CHECKING:
    from hubbub.actors.directory import LinkRef
    from hubbub.actors.policy.roster import Entry
    from hubbub.actors.runtime.actor import LoopActor
    from hubbub.actors.runtime.address import Ref


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
    """Offers the sessions of a hub that ends to its peers, in turn.

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

    def offer(self, entry: Entry) -> bool:
        """Offer a session; False if it cannot move, or to nobody."""
        links = list(self.links.values())
        if not links or not isinstance(entry.outlet, ReliableOutlet):
            return False
        self._turn += 1
        turn = self._turn % len(links)
        rest = links[turn:] + links[:turn]
        _Offer(self._hub.address, self._name, entry.connection_id, rest).ask()
        return True
