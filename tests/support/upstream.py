"""An upstream on virtual time, and handlers that answer when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.actors import events
from hubbub.actors.handler import HandlerSpec
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.actors.runtime.supervision import spawn
from hubbub.actors.upstream import Upstream
from support.fakes import Probe
from support.handlers import ALL
from support.virtual import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pykka

    from hubbub.actors.facade import HubFacade
    from hubbub.actors.policy.routes import Route


class Puppet(LoopActor):
    """A handler that keeps what it hears; the test answers."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        script.born(self)
        self.script = script
        self.heard: list[tuple[str, int]] = []

    def on_receive(self, message: Any) -> None:
        if message == "fail":
            raise RuntimeError("told to fail")
        self.script.heard.append(message)
        self.heard.append((message.event.client.connection_id, message.event.event_id))

    def on_stop(self) -> None:
        self.script.stopped += 1


class Script:
    """What the instances of one handler have heard, and their spec."""

    def __init__(self, name: str = "puppet", route: Route = ALL, **more: Any) -> None:
        self.heard: list[events.Delivery] = []
        self.puppets: list[Puppet] = []
        self.stopped = 0
        self.broken = False
        self.spec = HandlerSpec(name=name, factory=self.build, route=route, **more)

    def build(self, hub: HubFacade) -> pykka.Actor:
        assert hub.name == "chat"
        return Puppet(self)

    def born(self, puppet: Puppet) -> None:
        if self.broken:
            raise RuntimeError("cannot start")
        self.puppets.append(puppet)

    def fail(self) -> None:
        self.puppets[-1].address.post("fail")

    def told(self) -> list[events.Event]:
        return [delivery.event for delivery in self.heard]

    def answer(self, number: int, outcome: events.Outcome | None = None) -> None:
        delivery = next(d for d in self.heard if d.event.event_id == number)
        who = delivery.event.client.connection_id
        delivery.reply_to.post(events.Answered(who, number, outcome))


class House:
    """An upstream with scripted handlers, and the connection that asks."""

    def __init__(self, *scripts: Script) -> None:
        self.loop = VirtualLoop()
        self.asker = Probe()
        specs = tuple(script.spec for script in scripts)
        self.upstream = spawn(
            Dispatcher(self.loop), lambda: Upstream("chat", specs, Probe())
        )
        self.loop.settle()

    def tell(self, *told: events.Event) -> None:
        for event in told:
            self.upstream.post(events.Delivery(event, self.asker))
        self.loop.settle()

    def do(self, *steps: Callable[[], object]) -> None:
        for step in steps:
            step()
            self.loop.settle()

    def outcome(self) -> events.Outcome | None:
        answer: events.Answered = self.asker.expect(events.Answered)
        return answer.outcome
