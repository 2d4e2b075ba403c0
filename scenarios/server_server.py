"""Two servers of one hub talk to each other, and share the events of its clients.

    kitchen --publish--> gateway --group orders--> bar
    ann, bob --event order--> gateway --> kitchen or bar, whoever has less to do
    ann, bob --event bill---> gateway --> bar, since the kitchen drains

Run it: `hubbub scenarios server_server`
"""

import asyncio
from collections.abc import Awaitable, Callable

from hubbub.actors import events
from hubbub.scenarios.topology import Scene, run
from hubbub.sdk import Respond, Text

Handler = Callable[[events.UserEvent], Awaitable[Respond]]


def waiter(name: str, both: asyncio.Barrier) -> Handler:
    """Make a handler that answers once the other server has an order, too."""

    async def take(event: events.UserEvent) -> Respond:
        await both.wait()
        return Respond(Text(f"{event.event}: {name}"))

    return take


def cashier(name: str) -> Callable[[events.UserEvent], Respond]:
    return lambda event: Respond(Text(f"{event.event}: {name}"))


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    kitchen = scene.server("kitchen", gateway)
    bar = scene.server("bar", gateway)

    scene.step("Servers talk to each other through the gateway")
    bar.listens_to("orders")
    kitchen.publishes("orders", {"table": 4, "ready": "soup"})
    bar.hears({"table": 4, "ready": "soup"}, group="orders", sender=None)

    scene.step("Two events at once go to two servers")
    both = asyncio.Barrier(2)
    for server in (kitchen, bar):
        server.answers("order", waiter(server.name, both))
        server.answers("bill", cashier(server.name))
    ann, bob = scene.clients("ann", "bob", place=gateway)
    scene.at_once(lambda: ann.asks("order", "soup"), lambda: bob.asks("order", "tea"))
    answers = sorted(client.takes().data for client in (ann, bob))
    scene.expect("who answered", answers, ["order: bar", "order: kitchen"])

    scene.step("A server that drains finishes its work; the other takes over")
    kitchen.drains()
    for client in (ann, bob):
        client.asks("bill", "please")
        client.hears("bill: bar", group=None)


if __name__ == "__main__":
    raise SystemExit(run(story))
