"""Actors of one's own in the gateway: a group, an event handler, and a clock.

    ann, bob --publish, join--> gateway --> Polite (a group: admits, and revises)
    ann, bob --event tea------> gateway --> Poll (an event handler: counts votes)
    ann <--group time---------- gateway <-- Clock (an actor: speaks by itself)

Run it: `hubbub scenarios custom_actor`
"""

from collections import Counter

import msgspec

from hubbub import actors
from hubbub.actors import EventHandler, Group, HubActor, Respond, Text, ToGroup
from hubbub.scenarios.topology import Scene, run


class Polite(Group):
    """Keeps out who is rude, keeps back what is shouted, and says please."""

    def admit(self, member: actors.Member) -> bool:
        return member.user_id != "rude"

    def revise(self, push: actors.GroupMessage) -> actors.GroupMessage | None:
        match push.payload:
            case Text(text=text) if not text.isupper():
                return msgspec.structs.replace(push, payload=Text(f"{text}, please"))
        return None


class Poll(EventHandler):
    """Counts votes, one of each client."""

    def __init__(self) -> None:
        super().__init__()
        self.votes: dict[str, str] = {}

    def on_event(self, event: actors.events.UserEvent) -> Respond:
        self.votes[event.client.connection_id] = event.event
        ((first, count),) = Counter(self.votes.values()).most_common(1)
        return Respond(Text(f"{first} leads with {count}"))


class Clock(HubActor):
    """Tells the group time how often it has ticked, twenty times a second."""

    def on_start(self) -> None:
        self.after(0.05, 1)

    def on_receive(self, message: int) -> None:
        self.hub.publish(ToGroup("time"), message)
        self.after(0.05, message + 1)


def story(scene: Scene) -> None:
    groups = {"polite.*": Polite}
    gateway = scene.gateway(handlers=[Poll], groups=groups, actors=[Clock])
    ann, bob, rude = scene.clients("ann", "bob", "rude", place=gateway)

    scene.step("A group of one's own")
    bob.joins("polite.tea")
    rude.joins("polite.tea", refused="Forbidden")
    ann.publishes("polite.tea", "TEA!", refused="Forbidden")
    ann.publishes("polite.tea", "tea")
    bob.hears("tea, please", group="polite.tea", sender="ann")

    scene.step("A handler of one's own")
    for client, vote in ((ann, "tea"), (rude, "coffee"), (bob, "tea")):
        client.asks(vote, "my vote")
    bob.hears("tea leads with 2", group=None)

    scene.step("An actor of one's own")
    ann.hears("tea leads with 1")
    ann.joins("time")
    ann.hears(ann.takes().data + 1, group="time", sender=None)


if __name__ == "__main__":
    raise SystemExit(run(story))
