"""Actors of one's own in the gateway: a group, an event handler, and a clock.

    ann, bob --publish, join--> gateway --> Polite (a group: admits, and revises)
    ann -------event tea------> gateway --> Poll (an event handler: a vote for each)
    rude <--group time--------- gateway <-- Clock (an actor: speaks by itself)

Run it: `hubbub scenarios custom_actor`
"""

import os

from msgspec import structs

from hubbub import actors
from hubbub.scenarios.topology import Scene, run


class Polite(actors.Group):
    """Keeps out who is rude, keeps back what is shouted, and says please."""

    def admit(self, member: actors.Member) -> bool:
        return member.user_id != "rude"

    def revise(self, push: actors.GroupMessage) -> actors.GroupMessage | None:
        match push.payload:
            case actors.Text(text=text) if not text.isupper():
                return structs.replace(push, payload=actors.Text(f"{text}, please"))
        return None


class Poll(actors.EventHandler):
    """Takes one vote of each client of its gateway: the first."""

    def __init__(self) -> None:
        super().__init__()
        self.votes: dict[str, str] = {}

    def on_event(self, event: actors.events.UserEvent) -> actors.Respond:
        vote = self.votes.setdefault(event.client.connection_id, event.event)
        return actors.Respond(actors.Text(f"you vote for {vote}"))


class Clock(actors.HubActor):
    """Tells the group time how often it has ticked; each gateway has a clock."""

    def on_start(self) -> None:
        self.after(0.05, 1)

    def on_receive(self, message: int) -> None:
        self.hub.publish(actors.ToGroup("time"), {"at": os.getpid(), "n": message})
        self.after(0.05, message + 1)


def story(scene: Scene) -> None:
    gateway = scene.gateway(handlers=[Poll], groups={"tea.*": Polite}, actors=[Clock])
    ann, bob, rude = scene.clients("ann", "bob", "rude", place=gateway)

    scene.step("A group of one's own")
    ann.joins("tea.house")
    bob.joins("tea.house")
    rude.joins("tea.house", refused="Forbidden")
    ann.publishes("tea.house", "TEA!", refused="Forbidden")
    ann.publishes("tea.house", "tea", no_echo=True)
    bob.hears("tea, please", group="tea.house", sender="ann")

    scene.step("A handler of one's own")
    for vote in ("tea", "coffee"):
        ann.asks(vote, "my vote")
        ann.hears("you vote for tea", group=None)

    scene.step("An actor of one's own")
    rude.joins("time")
    first = rude.takes().data
    while (later := rude.takes().data)["at"] != first["at"]:
        pass  # another gateway's clock
    scene.expect("the clock's next tick", later["n"], first["n"] + 1)


if __name__ == "__main__":
    raise SystemExit(run(story))
