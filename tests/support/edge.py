"""The edge of a gateway over a mesh that a test makes up."""

from __future__ import annotations

import asyncio
from typing import Any

from hubbub.actors.messages import mesh
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.transport.front import Front
from hubbub.transport.keepalive import Keepalive
from hubbub.transport.metrics import Stats
from hubbub.transport.settings import Live
from hubbub.transport.web import web_app
from support.rest import settings

PEERS = (
    mesh.PeerView(
        endpoint="tcp://10.0.0.2:7000",
        gateway="b2b2b2",
        state=mesh.LinkState.UP,
        epoch=1,
        age=8052.3,
        silent=0.41,
        queued=0,
        relayed=1_204_512,
        received=98_201,
        resent=0,
        lost=0,
    ),
    mesh.PeerView(
        endpoint="tcp://10.0.0.3:7000",
        gateway="",
        state=mesh.LinkState.GREETING,
        epoch=3,
        age=0.0,
        silent=12.2,
        queued=1201,
        relayed=11,
        received=98,
        resent=2,
        lost=17,
        trouble="connection refused",
    ),
)
VIEW = mesh.MeshView("a1a1a1", "hubbub", "tcp://10.0.0.1:7000", "", PEERS)
ALONE = mesh.MeshView("a1a1a1", "hubbub", "", "", ())


class FakeMesh:
    """A gateway that answers what a mesh is asked; None for what it leaves open."""

    def __init__(
        self, view: mesh.MeshView | None = VIEW, tally: mesh.Tally | None = None
    ) -> None:
        self.view = view
        self.tally = tally
        self.asked: list[object] = []

    def post(self, message: Any, /) -> None:
        self.asked.append(message)
        match message:
            case mesh.Inspect(answer=answer) if self.view is not None:
                answer.post(self.view)
            case mesh.Count(answer=answer) if self.tally is not None:
                answer.post(self.tally)
            case _:
                pass


class Edge:
    """The application of a gateway; an ASGI application that is made when called."""

    def __init__(self, gateway: FakeMesh, **changes: Any) -> None:
        self.gateway = gateway
        self.stats = Stats()
        self._live = Live(settings(**changes))
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            loop = asyncio.get_running_loop()
            front = Front(
                self.gateway, Dispatcher(loop), self._live, self.stats, Keepalive(loop)
            )
            self._app = web_app(front)
        await self._app(scope, receive, send)
