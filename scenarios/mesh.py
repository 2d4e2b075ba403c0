"""A peer comes, goes and comes back; those that stay lose nothing.

    ann --> gateway 1 <----peers----> gateway 2 <-- bob
                   ^                     ^
                    +--> gateway 3 <--+        (joins, leaves, returns,
                             ^                  crashes, returns)
                            carl
    ann, bob, carl <--group lobby--> ann, bob, carl

Run it: `hubbub scenarios mesh`
"""

from hubbub.scenarios.topology import Client, Scene, run

COUNT = 100


def talk(*clients: Client) -> None:
    """Let each of them say something, and everyone else hear it."""
    for one in clients:
        one.publishes("lobby", f"{one.name} is here", no_echo=True)
        for other in clients:
            if other is not one:
                other.hears(f"{one.name} is here", group="lobby", sender=one.name)


def story(scene: Scene) -> None:
    first, second = scene.gateways(2)
    ann, bob = scene.client("ann", first), scene.client("bob", second)
    for client in (ann, bob):
        client.joins("lobby")

    scene.step("Two gateways serve the clients of one group")
    talk(ann, bob)
    first.sees(second, epoch=1, lost=0)

    scene.step("A third joins by the first, and the second learns of it")
    third = scene.peer(first)
    for one in (first, second):
        one.sees(third, epoch=1)
    carl = scene.client("carl", third)
    carl.joins("lobby")
    talk(ann, bob, carl)

    scene.step("It leaves in order: nothing is lost, and the others go on")
    third.leaves()
    for one in (first, second):
        one.sees_no_more(third)
    talk(ann, bob)

    scene.step("It comes back, and its client does, too")
    third.returns()
    carl.comes_back()
    for one in (first, second):
        one.sees(third, epoch=2, lost=0)
    talk(ann, bob, carl)

    scene.step("It crashes while ann counts: bob hears every number")
    scene.at_once(lambda: ann.counts("lobby", COUNT), third.crashes)
    bob.hears_count(COUNT, group="lobby", sender="ann")
    ann.counts("lobby", COUNT)
    bob.hears_count(COUNT, group="lobby", sender="ann")

    scene.step("It comes back: what it never got is counted, and it gets the rest")
    third.returns()
    carl.comes_back()
    carl.empties_its_inbox()
    for one in (first, second):
        one.sees(third, epoch=3)
    first.has_lost(COUNT, third)
    first.sees(second, epoch=1, lost=0)
    talk(ann, bob, carl)


if __name__ == "__main__":
    raise SystemExit(run(story))
