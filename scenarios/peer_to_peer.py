"""Clients talk among themselves in groups; no server takes part.

    ann --publish, no echo--> gateway --group chess--> bob, carl
    bob ===link=============> gateway      (it breaks, and heals)
    carl, who may only listen --publish--X
    eve, who may do nothing -----join----X

Run it: `hubbub scenarios peer_to_peer`
"""

from hubbub.scenarios.topology import Scene, run


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    link = scene.link(gateway)
    ann = scene.client("ann", gateway)
    bob = scene.client("bob", link)
    listener = [f"webpubsub.joinLeaveGroup.{group}" for group in ("chess", "hall")]
    carl = scene.client("carl", gateway, roles=listener, groups=["hall"])
    eve = scene.client("eve", gateway, roles=[])

    scene.step("A token says what a client may do")
    for client in (ann, bob, carl):
        client.joins("chess")
    eve.joins("chess", refused="Forbidden")
    carl.publishes("chess", "e4!", refused="Forbidden")

    scene.step("Who publishes without echo does not hear itself")
    ann.publishes("chess", "e4", no_echo=True)
    bob.hears("e4", group="chess", sender="ann")
    carl.hears("e4")
    bob.publishes("chess", {"move": "e5"})
    for client in (ann, bob, carl):
        client.hears({"move": "e5"}, group="chess", sender="bob")

    scene.step("Who has left a group hears it no more")
    carl.leaves("chess")
    ann.publishes("chess", "Nf3", no_echo=True)
    bob.hears("Nf3")
    ann.publishes("hall", "another game?")
    carl.hears("another game?", group="hall", sender="ann")
    carl.joins("chess")
    ann.publishes("chess", "your move", no_echo=True)
    bob.hears("your move")
    carl.hears("your move")

    scene.step("A lost connection is found again, and what came meanwhile with it")
    link.breaks()
    ann.publishes("chess", "are you there?", no_echo=True)
    carl.hears("are you there?")
    link.heals()
    bob.comes_back()
    bob.hears("are you there?", sender="ann")
    ann.publishes("chess", "welcome back", no_echo=True)
    bob.hears("welcome back", sender="ann")
    carl.hears("welcome back")


if __name__ == "__main__":
    raise SystemExit(run(story))
