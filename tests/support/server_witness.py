"""A healthy server and a healthy client of one hub, undisturbed by what others do."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from support.bare_server import ANYTHING, JSON, SECONDS, server_url

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

CLIENTS = "json.webpubsub.azure.v1"


class ServerWitness:
    """Both ends in this thread; ``check`` runs an event and a publication through."""

    def __init__(self, gateway: GatewayProcess, hub: str) -> None:
        self._gateway = gateway
        self._hub = hub
        self._stack = ExitStack()
        self._number = 0

    def __enter__(self) -> Self:
        urls = {
            JSON: server_url(self._gateway, self._hub),
            CLIENTS: self._gateway.client_url(
                self._hub, "witness", ANYTHING, ["witnesses"]
            ),
        }
        self._server, self._client = (
            self._stack.enter_context(
                connect(
                    url,
                    subprotocols=[Subprotocol(protocol)],
                    compression=None,
                    open_timeout=SECONDS,
                    proxy=None,
                )
            )
            for protocol, url in urls.items()
        )
        assert _receive(self._server)["type"] == "welcome"
        assert _receive(self._client)["event"] == "connected"
        rule = {"kind": "event", "filter": "userId eq 'witness'"}
        _say(self._server, type="handle", rules=[rule], id=0)
        assert _receive(self._server) == {"type": "result", "id": 0}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check(self) -> None:
        """Let the client ask and the server answer; let the server publish."""
        self._number = number = self._number + 1
        _say(self._client, type="event", event="well", data=number, ackId=number)
        event = _receive(self._server)
        assert (event["kind"], event["data"]) == ("event", number), event
        assert "attempt" not in event
        answer = {"dataType": "json", "data": -number}
        _say(self._server, type="respond", eventId=event["eventId"], **answer)
        assert _receive(self._client)["data"] == -number
        ack = {"type": "ack", "ackId": number, "success": True}
        assert _receive(self._client) == ack
        _say(self._server, type="publish", group="witnesses", data="all", id=number)
        assert _receive(self._client)["data"] == "all"
        assert _receive(self._server) == {"type": "result", "id": number}


def _say(socket: ClientConnection, **frame: Any) -> None:
    socket.send(json.dumps(frame))


def _receive(socket: ClientConnection) -> dict[str, Any]:
    push: dict[str, Any] = json.loads(socket.recv(SECONDS))
    return push
