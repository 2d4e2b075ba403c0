"""A chat whose host hears who comes and goes, and can tell who is there.

    ann, bob --join tea--> gateway --on_joined, on_left--> Host
    ann, bob <--group tea- gateway <--publish------------- Host
    ann --event seen-----> gateway --on_event------------> Host --Respond--> ann
                           gateway <--exists?------------- Host

With several gateways each has a host, which hears of the clients there; what it asks
the hub is answered for all of them.

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
    ToUser,
    events,
)
from hubbub.scenarios.topology import Scene, run


class Host(EventHandler):
    """Keeps strangers out, announces who comes and goes, and tells who is there."""

    def on_connect(self, event: events.Connect) -> Accept | Reject:
        if event.client.user_id == "host":
            return Reject(403, "there is one already")
        return Accept()

    def on_joined(self, event: events.Joined) -> None:
        self.hub.publish(ToGroup(event.group), f"{event.client.user_id} is here")

    def on_left(self, event: events.Left) -> None:
        self.hub.publish(ToGroup(event.group), f"{event.client.user_id} has left")

    def on_event(self, event: events.UserEvent) -> Respond | Fail:
        match event.payload:
            case Text(text=guest):
                there = self.hub.exists(ToUser(guest)).get(timeout=10)
                return Respond(Text(f"{guest} is {'in' if there else 'out'}"))
        return Fail("name somebody")


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

    scene.step("They chat, and ask the handler who is there")
    bob.publishes("tea", "hello", no_echo=True)
    ann.hears("hello", group="tea", sender="bob")
    ann.asks("seen", "bob")
    ann.hears("bob is in", group=None)
    ann.asks("seen", {"no": "name"}, refused="InternalServerError")

    scene.step("Who goes is missed")
    bob.disconnects()
    ann.hears("bob has left", group="tea")
    ann.asks("seen", "bob")
    ann.hears("bob is out", group=None)


if __name__ == "__main__":
    raise SystemExit(run(story))
