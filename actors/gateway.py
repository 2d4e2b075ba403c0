"""The root of a gateway's tree: starts hubs, routes to them, drains them in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from hubbub.actors.hub import Hub, HubSetup
from hubbub.actors.messages import commands, internal
from hubbub.actors.runtime.actor import LoopActor
from hubbub.actors.runtime.supervision import Ended, Restart, Restarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.runtime.address import Address, Ref

    Setup: TypeAlias = Callable[[str], HubSetup]


class Reconfigure(msgspec.Struct, frozen=True):
    """Give every hub its settings anew, without touching a connection."""

    setup: Setup


ToGateway: TypeAlias = (
    commands.ForHub | internal.Admit | internal.Drain | Reconfigure | Ended | Restarted
)


class Gateway(LoopActor):
    """One process's hubs, each started when it is first needed.

    Args:
        setup: Gives a hub's setup by lower-case name.
        name: Begins the ids of this gateway's connections; a few letters and digits.
    """

    registered = True

    def __init__(self, setup: Setup, name: str = "") -> None:
        super().__init__()
        self._setup = setup
        self._name = name
        self._hubs: dict[str, Address] = {}
        self._draining = False

    def on_receive(self, message: ToGateway) -> None:
        """Route to a hub, or act on all of them."""
        match message:
            case commands.ForHub(hub=name, command=command):
                self._hub(name).post(command)
            case internal.Admit(hub=name):
                if self._draining:
                    message.door.reject(503, "The gateway is shutting down.")
                else:
                    self._hub(name).post(message)
            case Reconfigure(setup=setup):
                self._setup = setup
                for name, hub in self._hubs.items():
                    hub.post(setup(name))
            case internal.Drain(answer=answer):
                self._draining = True
                _Countdown(len(self._hubs), answer).begin(self._hubs.values())
            case Restarted() | Ended():
                pass  # a hub's clients were closed by the hub's end
            case _:
                assert_never(message)

    def _hub(self, name: str) -> Address:
        hub = self._hubs.get(name)
        if hub is None:
            hub = self._hubs[name] = self.spawn(
                lambda: Hub(name, self._setup(name), self._name), restart=Restart()
            )
        return hub


class _Countdown:
    """Answers once every hub has drained; a reference, like a reply."""

    def __init__(self, left: int, answer: Ref[bool]) -> None:
        self._left = left
        self._answer = answer

    def begin(self, hubs: object) -> None:
        if self._left == 0:
            self._answer.post(True)
        for hub in hubs:  # type: ignore[attr-defined]
            hub.post(internal.Drain(self))

    def post(self, drained: bool) -> None:
        del drained
        self._left -= 1
        if self._left == 0:
            self._answer.post(True)
