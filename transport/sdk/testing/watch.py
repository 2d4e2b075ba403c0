"""Sees what happens in a gateway: reads the mail of its actors, changes nothing.

Stands where a trace is taken: at the mailboxes of gateway, hub and upstream. So it sees
events whoever answers them, or nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from hubbub.actors.handler import HandlerSpec
from hubbub.actors.messages import commands, events, internal
from hubbub.actors.policy.routes import Route, event_name
from hubbub.actors.runtime.actor import LoopActor
from hubbub.sdk.messages import Message
from hubbub.sdk.testing.gateway import GatewayEvent
from hubbub.transport.trace_edge import TracedDoor

if TYPE_CHECKING:
    from collections.abc import Callable

    import pykka

    from hubbub.actors.facade import HubFacade
    from hubbub.actors.messages.payload import Payload
    from hubbub.actors.runtime.trace import Party


class _Unheard(Route, frozen=True, kw_only=True):
    """Wants presence to be told, and leaves every event to others."""

    def matches(self, event: events.Event) -> bool:
        """Tell that it does not take the event."""
        del event
        return False


def _nobody(hub: HubFacade) -> pykka.Actor:
    """Build an actor that gets no mail."""
    del hub
    return LoopActor()


PRESENCE = HandlerSpec(
    name="presence of the test",
    factory=_nobody,
    route=_Unheard(presence_events=frozenset({"joined", "left"})),
)
"""A handler that takes nothing; but a hub with it tells who joins and leaves."""


class Cuttable(Protocol):
    """A door of the gateway's own, which can do more than actors ask of one."""

    @property
    def label(self) -> str:
        """Who stands there, or has come in there."""

    @property
    def is_open(self) -> bool:
        """Whether the socket is still there."""

    def abort(self) -> None:
        """Cut the socket."""


class Watch:
    """A recorder that turns mail into events of a test.

    Args:
        tell: Takes each event, in any thread.
    """

    def __init__(self, tell: Callable[[GatewayEvent], None]) -> None:
        self._doors: list[Cuttable] = []
        self._tell = tell
        self._hubs: dict[int, str] = {}
        self._addressed: dict[int, commands.ForHub] = {}

    def record(self, sender: Party | None, recipient: Party, message: Any) -> None:
        """Look at one message (the trace's protocol)."""
        del sender
        match recipient.kind:
            case "Upstream" if isinstance(message, events.Delivery):
                self._happened(message.event)
            case "Gateway":
                self._at_gateway(message)
            case "Hub":
                self._at_hub(recipient.number, message)

    def cut(self, name: str | None) -> int:
        """Cut the sockets of who came in by a name, or of all, and tell how many."""
        self._doors = [door for door in self._doors if door.is_open]
        cut = [door for door in self._doors if name is None or _name(door) == name]
        for door in cut:
            door.abort()
        return len(cut)

    def _at_gateway(self, message: Any) -> None:
        match message:
            case commands.ForHub(command=command):
                self._addressed[id(command)] = message
            case internal.Admit(door=door) | internal.AdmitServer(door=door):
                own = door.door if isinstance(door, TracedDoor) else door
                self._doors.append(cast("Cuttable", own))

    def _at_hub(self, number: int, message: Any) -> None:
        addressed = self._addressed.pop(id(message), None)
        named = message if addressed is None else addressed
        hub = getattr(named, "hub", None)
        if isinstance(hub, str):
            self._hubs[number] = hub
        match message:
            case commands.Publish():
                self._published(self._hubs.get(number, ""), message)

    def _published(self, hub: str, publish: commands.Publish) -> None:
        target: dict[str, str] = {}
        match publish.target:
            case commands.ToGroup(name=name):
                target["group"] = name
            case commands.ToUser(user_id=name):
                target["to_user"] = name
            case commands.ToConnection(connection_id=name):
                target["to_connection"] = name
            case commands.Everyone():
                pass
        data = _data(publish.payload)
        self._tell(
            GatewayEvent(
                name="published", hub=hub, user_id=publish.from_user, **target, **data
            )
        )

    def _happened(self, event: events.Event) -> None:
        client = event.client
        about: dict[str, Any] = {
            "name": event_name(event),
            "hub": client.hub,
            "connection_id": client.connection_id,
            "user_id": client.user_id,
        }
        match event:
            case events.UserEvent(payload=payload):
                about |= _data(payload)
            case events.Joined(group=group) | events.Left(group=group):
                about["group"] = group
            case events.Disconnected(reason=reason):
                about["reason"] = reason
            case _:
                pass
        self._tell(GatewayEvent(**about))


def _data(payload: Payload) -> dict[str, Any]:
    message = Message(payload)
    return {"data": message.data, "data_type": message.data_type}


def _name(door: Cuttable) -> str:
    """Give the id under which someone is in the log: ``chat/ID from HOST:PORT``."""
    return door.label.partition(" from ")[0].rpartition("/")[2]
