"""Clients ask, and a handler in the gateway answers and repeats.

    alice --event say--> gateway --on_event--> Lobby (an event handler of ours)
    alice <--answer----- gateway <--Respond--- Lobby
    alice, bob <--lobby- gateway <--publish--- Lobby

Run it: `hubbub scenarios client_server`
"""

from hubbub.actors import (
    Accept,
    EventHandler,
    Reject,
    Respond,
    Text,
    ToGroup,
    events,
)
from hubbub.scenarios.topology import Scene, run


class Lobby(EventHandler):
    """Lets everyone in but mallory, and repeats to the lobby what they say."""

    def on_connect(self, event: events.Connect) -> Accept | Reject:
        if event.client.user_id == "mallory":
            return Reject(403, "not you")
        return Accept(groups=("lobby",))

    def on_event(self, event: events.UserEvent) -> Respond:
        self.hub.publish(ToGroup("lobby"), event.payload)
        return Respond(Text(f"{event.event}? done"))


def story(scene: Scene) -> None:
    gateway = scene.gateway(handlers=[Lobby])
    alice, bob = scene.clients("alice", "bob", place=gateway)

    scene.step("A handler decides who may connect")
    scene.turned_away("mallory", gateway, status=403)

    scene.step("A handler answers an event, and publishes")
    alice.asks("say", "hello")
    alice.hears("hello", group="lobby")
    alice.hears("say? done", group=None)
    bob.hears("hello", group="lobby", sender=None)


if __name__ == "__main__":
    raise SystemExit(run(story))
