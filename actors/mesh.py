"""All peers of a gateway: finds them, has a link to each, and tells who they are.

What peers want and what passes between hubs, the links and the directory know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors import link_mail
from hubbub.actors.dials import Dials
from hubbub.actors.link import Link
from hubbub.actors.messages import counting, internal, mesh, peers
from hubbub.actors.reception import Reception
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted
from hubbub.actors.siblings import Siblings, Uncounted
from hubbub.actors.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.directory import Directory
    from hubbub.actors.runtime.address import Address, Ref

MOST_PEERS = 1000
"""Links of a gateway; beyond it strangers are refused."""


class Tick(msgspec.Struct, frozen=True):
    """Time to look for peers, a message to oneself."""


class Overdue(msgspec.Struct, frozen=True):
    """Time to start although a seed has not answered, a message to oneself."""


ToMesh: TypeAlias = (
    peers.FromWire
    | link_mail.FromLink
    | mesh.ToMesh
    | internal.Drain
    | Tick
    | Overdue
    | Uncounted
    | Ended
    | Restarted
)


class Mesh(LoopActor):
    """The peers of one gateway.

    Args:
        setup: The wire, whom to look for, times and bounds.
        directory: Where links write what peers want.
    """

    registered = True

    def __init__(self, setup: mesh.MeshSetup, directory: Directory) -> None:
        super().__init__()
        self._setup = setup
        self._directory = directory
        self._id = directory.gateway
        self._links: dict[str, Address] = {}
        self._endpoints: dict[str, str] = {}
        self._synced: dict[str, None] = {}
        self._survey = Survey(self._id, setup)
        self._reception = Reception(setup, self._id, self.dispatcher)
        self._dials = Dials(setup, self._reception.knock, self.dispatcher)
        self._siblings = Siblings(self, setup)
        self._settling: list[Ref[bool]] = []
        self._overdue = False
        self._drained: Ref[bool] | None = None
        self._leaving = False

    def describe(self) -> str:
        """Name this actor in a trace."""
        return "Mesh"

    def on_start(self) -> None:
        """Let peers in, and look for them."""
        self._setup.wire.open(self.address)
        self._dials.seeds(self._setup.seeds)
        self.after(self._setup.pace.settling, Overdue())
        self._tick()

    def on_receive(self, message: ToMesh) -> None:
        """Take a packet to its link, or see to the peers."""
        match message:
            case (
                peers.Batch(gateway=gateway)
                | peers.Heartbeat(gateway=gateway)
                | peers.Malformed(gateway=gateway)
            ):
                link = self._links.get(gateway)
                if link is not None:
                    link.post(message)
            case peers.Knock() | peers.Hello():
                self._meet(message)
            case peers.Refusal():
                self._refused(message)
            case peers.Trouble():
                self._trouble(message)
            case link_mail.Up(gateway=gateway):
                self._is_up(gateway)
            case link_mail.Synced(gateway=gateway):
                self._synced[gateway] = None
                self._settle()
            case link_mail.Lapsed(gateway=gateway):
                self._drop(gateway, "it has left")
            case link_mail.FromPeer():
                self._hear(message)
            case mesh.Seeds(endpoints=endpoints):
                self._dials.seeds(endpoints)
                self._look()
            case mesh.Settle(answer=answer):
                self._settling.append(answer)
                self._settle()
            case mesh.Inspect(answer=answer):
                self._inspect(answer.post)
            case mesh.Count() as count:
                self._inspect(lambda view: self._count(count.answer, view))
            case internal.Drain(answer=answer):
                self._drain(answer)
            case Tick():
                self._tick()
            case Uncounted(number=number):
                self._siblings.finish(number)
            case Overdue():
                self._overdue = True
                self._settle()
            case Ended(ref=ref):
                self._ended(ref)
            case Restarted():
                pass  # it greets anew
            case _:
                assert_never(message)

    # Meeting peers.

    def _meet(self, greeting: peers.Knock | peers.Hello) -> None:
        """Take a greeting to its link, a new one if need be."""
        if self._leaving:
            return
        gateway = greeting.gateway
        if isinstance(greeting, peers.Hello):
            self._dials.greeted(greeting.knock, gateway)
        elif self._reception.is_ourselves(greeting):
            self._dials.greeted(greeting.number, gateway)
            return
        if not self._reception.admits(greeting):
            return
        if gateway not in self._links and not self._link(greeting):
            return
        self._links[gateway].post(greeting)

    def _link(self, greeting: peers.Knock | peers.Hello) -> bool:
        """Start a link to a gateway; False if it cannot be reached."""
        gateway, endpoint = greeting.gateway, greeting.endpoint
        if len(self._links) >= MOST_PEERS:
            self._reception.refuse(greeting, "there are too many peers")
            return False
        if not self._reception.can_dial(endpoint):
            return False
        hello, counters = self._reception.hello(), self._survey.counters(endpoint)
        dial = self._setup.wire.dial
        directory, pace, owner = self._directory, self._setup.pace, self.address
        self._links[gateway] = self.spawn(
            lambda: Link(
                hello,
                gateway,
                endpoint,
                dial(endpoint),
                directory,
                owner,
                pace,
                counters,
            ),
            restart=Restart(),
        )
        self._endpoints[gateway] = endpoint
        return True

    def _refused(self, refusal: peers.Refusal) -> None:
        if refusal.gateway != self._id:
            return
        if not self._dials.refused(refusal.number, refusal.reason):
            for link in self._links.values():
                link.post(refusal)

    def _trouble(self, trouble: peers.Trouble) -> None:
        if not trouble.endpoint:
            self._reception.complain("a gateway", trouble.reason)
            return
        if trouble.endpoint not in self._endpoints.values():
            self._dials.troubled(trouble.endpoint, trouble.reason)
        for gateway, endpoint in self._endpoints.items():
            if endpoint == trouble.endpoint:
                self._links[gateway].post(trouble)

    # Peers that come and go.

    def _is_up(self, gateway: str) -> None:
        """Introduce a peer to the others; end who was at its address before."""
        link, endpoint = self._links.get(gateway), self._endpoints.get(gateway)
        if link is None or endpoint is None:
            return
        for other, place in tuple(self._endpoints.items()):
            if place == endpoint and other != gateway:
                self._drop(other, "another process took its place")
        others = [place for other, place in self._endpoints.items() if other != gateway]
        link.post(peers.Acquaintances(tuple(others)))
        link.post(link_mail.Introduced())
        for other, address in self._links.items():
            if other != gateway:
                address.post(peers.Acquaintances((endpoint,)))

    def _drop(self, gateway: str, reason: str) -> None:
        """Know a peer no more, and let its link end."""
        link = self._links.pop(gateway, None)
        if link is not None:
            self._endpoints.pop(gateway, None)
            self._synced.pop(gateway, None)
            link.post(link_mail.End(reason))
            self._close_if_alone()

    def _ended(self, ref: Address) -> None:
        for gateway, link in tuple(self._links.items()):
            if link is ref:
                del self._links[gateway]
                self._endpoints.pop(gateway, None)
                self._synced.pop(gateway, None)
        self._close_if_alone()

    def _hear(self, said: link_mail.FromPeer) -> None:
        match said.message:
            case peers.Acquaintances(endpoints=endpoints):
                self._dials.learn(
                    place for place in endpoints if place not in self._here()
                )
                self._look()
            case counting.Inquire() as inquiry:
                link = self._links.get(said.gateway)
                if link is not None:
                    self._inspect(
                        lambda view: link.post(self._siblings.inquired(inquiry, view))
                    )
            case counting.Counted() as counted:
                self._siblings.hear(counted)

    # Looking for peers.

    def _here(self) -> tuple[str, ...]:
        return (self._setup.wire.endpoint, *self._endpoints.values())

    def _look(self) -> None:
        if not self._leaving:
            self._dials.knock((self._id, *self._links), self._here())

    def _tick(self) -> None:
        self.after(self._setup.pace.heartbeat, Tick())
        self._look()

    def _settle(self) -> None:
        """Answer those who wait until this gateway knows what its peers want."""
        if not self._settling:
            return
        synced = (self._id, *self._synced)
        places = [self._endpoints[gateway] for gateway in self._synced]
        missing = self._dials.open(synced, (self._setup.wire.endpoint, *places))
        if missing and not self._overdue:
            return
        waiting, self._settling = self._settling, []
        for answer in waiting:
            answer.post(not missing)

    # Questions, and the end.

    def _count(self, answer: Ref[mesh.Tally], view: mesh.MeshView) -> None:
        self._siblings.count(answer, self._links.values(), view)

    def _inspect(self, then: Callable[[mesh.MeshView], object]) -> None:
        self._survey.inspect(self._links.values(), self._dials.views(), then)

    def _drain(self, answer: Ref[bool]) -> None:
        """Say goodbye to every peer; answer once they have heard."""
        self._drained, self._leaving = answer, True
        self._dials.close()
        for link in self._links.values():
            link.post(link_mail.Leave())
        self._close_if_alone()

    def _close_if_alone(self) -> None:
        if self._drained is not None and not self._links:
            answer, self._drained = self._drained, None
            self._setup.wire.close()
            answer.post(True)
