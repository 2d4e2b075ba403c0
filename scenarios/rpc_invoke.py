"""A client calls a server as it would call a function: what it asks has a type.

    ann --invoke price--> gateway --on_event--> shop (an attached server)
    ann <----Price------- gateway <--Respond--- shop
    ann <----error------- gateway <----Fail---- shop
    ann --cancel--------> gateway               (the shop's answer is nobody's)

Run it: `hubbub scenarios rpc_invoke`
"""

import asyncio
import threading

import msgspec

from hubbub.actors import Fail, Json, Respond, events
from hubbub.scenarios.topology import Scene, run

PRICES = {"tea": 3.5, "cake": 4.0}


class Question(msgspec.Struct, frozen=True):
    """What the shop is asked."""

    item: str
    count: int = 1


class Price(msgspec.Struct, frozen=True):
    """What it answers."""

    item: str
    euros: float


class Shop:
    """Knows prices; of the moon it has to think until somebody lets it stop."""

    def __init__(self) -> None:
        self.thinks, self.may_stop = threading.Event(), threading.Event()

    async def price(self, event: events.UserEvent) -> Respond | Fail:
        match event.payload:
            case Json(raw=raw):
                question = msgspec.json.decode(raw, type=Question)
            case _:
                return Fail("ask in JSON")
        if question.item == "the moon":
            self.thinks.set()
            await asyncio.to_thread(self.may_stop.wait, 10)
        if question.item not in PRICES:
            return Fail(f"no {question.item} today")
        answer = Price(question.item, PRICES[question.item] * question.count)
        return Respond(Json(msgspec.json.encode(answer)))


def story(scene: Scene) -> None:
    gateway = scene.gateway()
    shop, server = Shop(), scene.server("shop", gateway)
    server.answers("price", shop.price)
    ann, bob = scene.clients("ann", "bob", place=gateway)

    scene.step("A result goes to who has asked, and to nobody else")
    ann.invokes("price", Question("tea", 2), returns=Price("tea", 7.0))
    bob.invokes("price", Question("cake"), returns=Price("cake", 4.0))

    scene.step("An error is an answer as well")
    ann.invokes("price", Question("coffee"), refused="InternalServerError")
    ann.invokes("price", "how much?", refused="InternalServerError")
    ann.invokes("weather", "here", refused="InternalServerError")

    scene.step("Who gives up is not answered, and the next result is the next one's")
    ann.gives_up("price", Question("the moon"), once=shop.thinks.wait)
    shop.may_stop.set()
    ann.invokes("price", Question("tea"), returns=Price("tea", 3.5))


if __name__ == "__main__":
    raise SystemExit(run(story))
