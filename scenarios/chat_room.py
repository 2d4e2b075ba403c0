"""A chat whose handler knows who is there, because the gateway tells it.

    ann, bob --join tea--> gateway --on_joined, on_left--> Host (remembers who is in)
    ann --event who------> gateway --on_event------------> Host --Respond--> ann
    ann, bob <--group tea- gateway <--publish------------- Host

Run it: `hubbub scenarios chat_room`
"""

from hubbub.actors import (
    Accept,
    EventHandler,
    Fail,
    Reject,
    Respond,
    Text,
    ToGroup,
    events,
)
from hubbub.scenarios.topology import Scene, run


class Host(EventHandler):
    """Keeps strangers out, announces who comes and goes, and tells who is in."""

    def __init__(self) -> None:
        super().__init__()
        self.guests: dict[str, list[str]] = {}

    def on_connect(self, event: events.Connect) -> Accept | Reject:
        if event.client.user_id == "host":
            return Reject(403, "there is one already")
        return Accept()

    def on_joined(self, event: events.Joined) -> None:
        guest = event.client.user_id or "someone"
        self.guests.setdefault(event.group, []).append(guest)
        self.hub.publish(ToGroup(event.group), f"{guest} is here")

    def on_left(self, event: events.Left) -> None:
        guest = event.client.user_id or "someone"
        self.guests[event.group].remove(guest)
        self.hub.publish(ToGroup(event.group), f"{guest} has left")

    def on_event(self, event: events.UserEvent) -> Respond | Fail:
        match event.payload:
            case Text(text=place) if place in self.guests:
                return Respond(Text(", ".join(self.guests[place])))
        return Fail("there is no such place")


def story(scene: Scene) -> None:
    gateway = scene.gateway(handlers=[Host], presence=["tea"])
    scene.turned_away("host", gateway, status=403)
    ann, bob = scene.clients("ann", "bob", place=gateway)

    scene.step("The handler hears who joins, and says so")
    ann.joins("tea")
    ann.hears("ann is here", group="tea", sender=None)
    bob.joins("tea")
    for client in (ann, bob):
        client.hears("bob is here", group="tea")

    scene.step("They chat, and ask the handler who is in")
    bob.publishes("tea", "hello", no_echo=True)
    ann.hears("hello", group="tea", sender="bob")
    ann.asks("who", "tea")
    ann.hears("ann, bob", group=None)
    ann.asks("who", "coffee", refused="InternalServerError")

    scene.step("Who goes is missed")
    bob.disconnects()
    ann.hears("bob has left", group="tea")


if __name__ == "__main__":
    raise SystemExit(run(story))
