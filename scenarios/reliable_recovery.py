"""A client's network is cut while others talk; it comes back and misses nothing.

    ann --publish--> gateway --group news--> carl
    bob ===link====> gateway --group news--> bob

The link breaks, and heals at the next gateway if there are several: the session moves
there. What is not acknowledged is kept for a minute, but 1,000 messages at most.

Run it: `hubbub scenarios reliable_recovery`
"""

from functools import partial

from hubbub.scenarios.topology import Client, Link, Scene, run

CUTS = 3
TOO_MANY = 1010


def cut(link: Link, bob: Client) -> None:
    """Cut bob off, again and again; each time he finds his session."""
    for _ in range(CUTS):
        link.breaks()
        link.heals_elsewhere()
        bob.comes_back(recovered=True)


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    ann, carl = scene.clients("ann", "carl", place=gateway)
    link = scene.link(gateway)
    bob = scene.client("bob", link)
    for client in (ann, bob, carl):
        client.joins("news")

    scene.step("What is said while bob is away is kept for him")
    link.breaks()
    ann.counts("news", 100)
    carl.hears_count(100, group="news", sender="ann")
    link.heals_elsewhere()
    bob.comes_back(recovered=True)
    bob.hears_count(100, group="news", sender="ann")

    scene.step("He is in his session: he may say something, and is still in the group")
    bob.publishes("news", "here I am", no_echo=True)
    for client in (ann, carl):
        client.hears("here I am", sender="bob")

    scene.step("Cut after cut, while ann counts: he hears every number once")
    scene.at_once(partial(ann.counts, "news", 300), partial(cut, link, bob))
    bob.hears_count(300, group="news", sender="ann")
    carl.hears_count(300, group="news", sender="ann")

    scene.step("Nothing is kept without end: then there is a new session, and he knows")
    link.breaks()
    ann.counts("news", TOO_MANY)
    link.heals_elsewhere()
    bob.comes_back(recovered=False)
    ann.publishes("news", "what did I miss?", no_echo=True)
    bob.hears("what did I miss?", group="news", sender="ann")


if __name__ == "__main__":
    raise SystemExit(run(story))
