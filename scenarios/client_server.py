"""Two clients and a server behind the gateway.

    alice --event--> gateway --on_event--> Lobby (an event handler of ours)
    alice, bob <--group message-- gateway <--publish-- Lobby

Run it: `python scenarios/client_server.py`
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from websockets.sync.client import ClientConnection, connect

from hubbub.actors import Accept, EventHandler, Reject, ToGroup, events

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL: Any = "json.webpubsub.azure.v1"
say = Console().print


class Lobby(EventHandler):
    """Admits whoever gives a name, and repeats to the lobby what they say."""

    def on_connect(self, event: events.Connect) -> Accept | Reject:
        if "name" not in event.query:
            return Reject(401, "name, please")
        return Accept(user_id=event.query["name"][0], groups=("lobby",))

    def on_event(self, event: events.UserEvent) -> None:
        self.hub.publish(ToGroup("lobby"), event.payload)


@contextmanager
def gateway() -> Iterator[str]:
    options = ["--port", "0", "--allow-anonymous", "--log-level", "warning"]
    handler = ["--handler", "chat=client_server:Lobby"]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "hubbub.transport", "serve", *options, *handler],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=sys.path[0],
        text=True,
    )
    with process:
        try:
            ready = next(line for line in process.stdout or () if "ready" in line)
            yield ready.split()[1].replace("http", "ws") + "/client/hubs/chat"
        finally:
            process.terminate()


def hear(client: ClientConnection) -> dict[str, Any]:
    return json.loads(client.recv(timeout=10))  # type: ignore[no-any-return]


def main() -> int:
    with gateway() as address:
        alice = connect(f"{address}?name=alice", subprotocols=[PROTOCOL])
        bob = connect(f"{address}?name=bob", subprotocols=[PROTOCOL])
        with alice, bob:
            for client in (alice, bob):
                say(f"{hear(client)['userId']} is connected, by the lobby's leave")
            event = {"type": "event", "event": "say", "dataType": "text"}
            alice.send(json.dumps({**event, "data": "hello", "ackId": 1}))
            say("alice says hello to the server")
            heard = hear(bob)
            say(f"bob hears {heard['data']!r} from the group {heard['group']}")
            return 0 if heard["data"] == "hello" else 1


if __name__ == "__main__":
    sys.exit(main())
