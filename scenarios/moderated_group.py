"""A server decides what clients may publish, and which groups they may join.

    ann --publish m.talk--> gateway --publish?----> moderator: allow, rewrite or deny
    ann --join m.staff----> gateway --subscribe?--> moderator: deny
    ann --publish open----> gateway     (the filter says: nothing to ask)
    bob <--group m.talk---- gateway

Run it: `hubbub scenarios moderated_group`
"""

from hubbub.actors import events
from hubbub.scenarios.topology import Scene, run
from hubbub.sdk import Allow, Deny, Text

MODERATED = "startswith(group, 'm.')"


def moderate(event: events.Publish) -> Allow | Deny:
    match event.payload:
        case Text(text=text) if "spam" in text:
            return Deny("no advertisements")
        case Text(text=text):
            return Allow(payload=Text(text.replace("darn", "d***")))
    return Deny("text only")


def guard(event: events.Subscribe) -> Allow | Deny:
    return Deny("members only") if event.group == "m.staff" else Allow()


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    moderator = scene.server("moderator", gateway)
    moderator.intercepts("publish", moderate, where=MODERATED)
    moderator.intercepts("subscribe", guard, where=MODERATED)
    ann, bob = scene.clients("ann", "bob", place=gateway)

    scene.step("The moderator is asked who may join")
    ann.joins("m.staff", refused="Forbidden")
    moderator.is_given("subscribe", ann)
    bob.joins("m.talk")
    moderator.is_given("subscribe", bob)

    scene.step("It is asked what may be published, and may change it")
    ann.publishes("m.talk", "buy spam", refused="Forbidden")
    ann.publishes("m.talk", {"no": "text"}, refused="Forbidden")
    ann.publishes("m.talk", "darn good coffee")
    bob.hears("d*** good coffee", group="m.talk", sender="ann")
    for _ in range(3):
        moderator.is_given("publish", ann)

    scene.step("Elsewhere it is not asked: only what passes the filter goes to it")
    bob.joins("open")
    ann.publishes("open", "buy spam")
    bob.hears("buy spam", group="open", sender="ann")
    ann.publishes("m.talk", "the end")
    moderator.is_given("publish", ann)
    bob.hears("the end")


if __name__ == "__main__":
    raise SystemExit(run(story))
