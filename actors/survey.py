"""What is counted and seen of the peers of a gateway, put together for who asks.

A part of the mesh: it runs in the mesh's turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors import link_mail
from hubbub.actors.gather import Gather
from hubbub.actors.messages import mesh
from hubbub.actors.standing import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from hubbub.actors.runtime.address import Address

MOST_PLACES: Final = 2000
"""Addresses whose counts are kept."""


class Survey:
    """Counters by address, which outlive the process there, and views of links.

    Args:
        gateway: Our id.
        setup: Cluster, endpoint and worker.
    """

    def __init__(self, gateway: str, setup: mesh.MeshSetup) -> None:
        self._gateway = gateway
        self._setup = setup
        self._counters: dict[str, Counters] = {}

    def counters(self, endpoint: str) -> Counters:
        """Give the counters of an address."""
        counters = self._counters.setdefault(endpoint, Counters())
        if len(self._counters) > MOST_PLACES:
            self._counters.pop(next(iter(self._counters)))
        return counters

    def inspect(
        self,
        links: Collection[Address],
        others: Iterable[mesh.PeerView],
        then: Callable[[mesh.MeshView], object],
    ) -> None:
        """Ask every link, and hand on what they say.

        Args:
            links: Peers.
            others: Addresses where nobody is.
            then: Takes the whole.
        """
        setup = self._setup
        waiting = [self._with_counts(view) for view in others]

        def tell(views: Sequence[mesh.PeerView]) -> None:
            then(
                mesh.MeshView(
                    self._gateway,
                    setup.cluster,
                    setup.wire.endpoint,
                    setup.worker,
                    (*views, *waiting),
                )
            )

        if not links:
            tell(())
        gather = Gather(len(links), tell)
        for link in links:
            link.post(link_mail.View(gather))

    def _with_counts(self, view: mesh.PeerView) -> mesh.PeerView:
        """Add what was counted while somebody was there: losses must not hide."""
        counters = self._counters.get(view.endpoint)
        if counters is None:
            return view
        return msgspec.structs.replace(
            view,
            epoch=counters.epoch,
            relayed=counters.relayed,
            received=counters.received,
            resent=counters.resent,
            lost=counters.lost,
        )
