"""Gateways of a scene as a story sees them: places to connect to that come and go.

Their processes are kept by actors (``processes``); which of them are one service, and
where newcomers are sent, is known to ``services``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from hubbub.actors.messages.mesh import LinkState
from hubbub.scenarios.topology.clients import ANY
from hubbub.scenarios.topology.processes import (
    HUB,
    STARTING,
    GatewayError,
    Halt,
    Kill,
    Look,
    Start,
)
from hubbub.scenarios.topology.stage import receive
from hubbub.transport.wire.audience import client_audience_url, client_url
from hubbub.transport.wire.connection_string import format_connection_string
from hubbub.transport.wire.tokens import mint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hubbub.actors.messages.mesh import MeshView, PeerView
    from hubbub.actors.runtime.address import Address
    from hubbub.actors.runtime.reply import Reply
    from hubbub.scenarios.topology.processes import Setup
    from hubbub.scenarios.topology.stage import Stage
    from hubbub.scenarios.topology.telling import Teller

_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
_HOUR = 3600.0


class Place(Protocol):
    """Somewhere that clients connect to: a gateway, or a link to one."""

    @property
    def name(self) -> str:
        """How it is called in the story."""

    def client_url(
        self, user: str, roles: Sequence[str] | None = None, groups: Iterable[str] = ()
    ) -> str:
        """Sign a client's way in."""


class Gateway:
    """A running gateway: somewhere to connect to, and a peer of others.

    Args:
        setup: What it is started with.
        address: The actor that keeps its process.
        stage: Where that is.
        teller: Tells what happens to it.
    """

    def __init__(
        self, setup: Setup, address: Address, stage: Stage, teller: Teller
    ) -> None:
        self.name = setup.name
        self.endpoint = ""
        self.ids: list[str] = []
        """What its peers know it by: another id each time that it starts."""
        self.setup = setup
        self.address = address
        self._stage = stage
        self._teller = teller

    @property
    def connection_string(self) -> str:
        """Where a server attaches, with the key."""
        return format_connection_string(self.endpoint, self.setup.key)

    def client_url(
        self, user: str, roles: Sequence[str] | None = None, groups: Iterable[str] = ()
    ) -> str:
        """Sign a client's way in, an hour long.

        Args:
            user: The user id.
            roles: What the client may do; everything with groups when left out.
            groups: The groups it is in from the start.
        """
        token = mint(
            self.setup.key,
            audience=client_audience_url(self.endpoint, HUB),
            now=time.time(),
            lifetime=_HOUR,
            user_id=user,
            roles=_ROLES if roles is None else roles,
            groups=groups,
        )
        return client_url(self.endpoint, HUB, token)

    # It goes and comes back.

    def starting(self) -> Reply[str]:
        """Start without waiting for it."""
        return self._stage.asking(self.address, Start)

    def has_started(self, start: Reply[str]) -> None:
        """Wait until it is ready.

        Raises:
            GatewayError: It does not start.
        """
        self.endpoint = receive(start, STARTING)

    def finds(self, count: int) -> None:
        """Wait until it is linked with so many peers.

        Raises:
            GatewayError: It is not, in time.
        """

        def good(view: MeshView) -> bool:
            return sum(one.state is LinkState.UP for one in view.peers) >= count

        view = self._look(good)
        self.ids.append(view.gateway)
        if not good(view):
            raise GatewayError(f"{self.name} does not find {count} peers")

    def leaves(self) -> None:
        """End in order: it drains, and says goodbye to its peers."""
        what = "leaves in order"
        self._teller.does(self.name, what)
        status = self._stage.ask(self.address, Halt)
        if status != 0:
            raise self._teller.fails(self.name, what, f"its exit status is {status}")

    def crashes(self) -> None:
        """End at once, without a word to anyone."""
        self._teller.does(self.name, "crashes")
        self._stage.ask(self.address, Kill)

    def returns(self) -> None:
        """Start again as a new process, where it was before."""
        self.has_started(self.starting())
        self._teller.does(self.name, f"is back at {self.endpoint}")
        if self.setup.peered:
            self.finds(0)

    # Its peers.

    def sees(self, peer: Gateway, *, epoch: object = ANY, lost: object = ANY) -> None:
        """Expect that it is linked with another gateway, now or soon.

        Args:
            peer: The other one.
            epoch: How often the link has come up.
            lost: Messages that the peer never got, of all epochs.
        """
        wanted = f"{_nth(epoch)}{_lost(lost)}"

        def good(view: MeshView) -> bool:
            return any(
                (one.state, one.epoch, one.lost) == (LinkState.UP, epoch, lost)
                for one in _of(view, peer)
            )

        self._expect(f"sees {peer.name} up{wanted}", peer, good)

    def sees_no_more(self, peer: Gateway) -> None:
        """Expect that it knows that another gateway is gone, now or soon."""

        def good(view: MeshView) -> bool:
            return all(one.state is not LinkState.UP for one in _of(view, peer))

        self._expect(f"sees {peer.name} no more", peer, good)

    def has_lost(self, count: int, peer: Gateway) -> None:
        """Expect that it tells of so many messages or more that a peer never got."""

        def good(view: MeshView) -> bool:
            return any(one.lost >= count for one in _of(view, peer))

        what = f"counts {count} messages or more that {peer.name} never got"
        self._expect(what, peer, good)

    def _expect(
        self, what: str, peer: Gateway, good: Callable[[MeshView], bool]
    ) -> None:
        view = self._look(good)
        if not good(view):
            seen = "; ".join(map(_said, _of(view, peer))) or "it is no peer"
            raise self._teller.fails(self.name, what, seen)
        self._teller.holds(self.name, what)

    def _look(self, good: Callable[[MeshView], bool]) -> MeshView:
        return self._stage.ask(self.address, lambda answer: Look(good, answer))


def _of(view: MeshView, peer: Gateway) -> Iterator[PeerView]:
    return (one for one in view.peers if one.endpoint == peer.setup.peer)


def _nth(epoch: object) -> str:
    return "" if epoch is ANY else f", epoch {epoch}"


def _lost(lost: object) -> str:
    return "" if lost is ANY else f", {lost or 'nothing'} lost"


def _said(peer: PeerView) -> str:
    trouble = f": {peer.trouble}" if peer.trouble else ""
    return f"{peer.state}{_nth(peer.epoch)}{_lost(peer.lost)}{trouble}"
