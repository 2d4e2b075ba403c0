"""The pytest plugin's attached servers: made, seen, cut off, and closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import AckError, Respond, Text

if TYPE_CHECKING:
    from hubbub.actors import events
    from hubbub.sdk import WebPubSubServer
    from hubbub.sdk.testing import HubbubGateway, NewClient, NewServer

SECONDS = 10.0

both_kinds = pytest.mark.parametrize(
    "hubbub_settings", [{}, {"process": True}], ids=["inside", "process"]
)


async def serving_tea(hubbub_server: NewServer) -> WebPubSubServer:
    """Attach a server that answers orders."""
    server = await hubbub_server("chat")

    async def order(event: events.UserEvent) -> Respond:
        return Respond(Text(f"tea for {event.client.user_id}"))

    await server.handle_event("order.*", order)
    return server


@both_kinds
async def test_a_server_handles_events_that_the_gateway_sees_too(
    hubbub_gateway: HubbubGateway, hubbub_server: NewServer, hubbub_client: NewClient
) -> None:
    server = await serving_tea(hubbub_server)
    ann = await hubbub_client(user="ann", groups=["lobby"])
    await ann.send_event("order.new", "tea")
    assert (await ann.next(SECONDS)).data == "tea for ann"
    await server.publish("lobby", "closing time")
    assert (await ann.next(SECONDS)).data == "closing time"
    order = await hubbub_gateway.event("order.new", user_id="ann")
    published = await hubbub_gateway.event("published", group="lobby")
    assert (order.data, published.data) == ("tea", "closing time")


@both_kinds
@pytest.mark.parametrize("verb", ["cut", "restart"])
async def test_a_server_that_is_cut_off_attaches_again(
    hubbub_gateway: HubbubGateway,
    hubbub_server: NewServer,
    hubbub_client: NewClient,
    verb: str,
) -> None:
    server = await serving_tea(hubbub_server)
    before = server.server_id
    assert before is not None
    if verb == "cut":
        assert hubbub_gateway.cut(before) == 1
    else:
        await asyncio.to_thread(hubbub_gateway.restart)
    async with asyncio.timeout(SECONDS):
        while server.server_id == before:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await server.wait_attached(SECONDS)
    ann = await hubbub_client(user="ann")
    await ann.send_event("order.again", "tea")
    assert (await ann.next(SECONDS)).data == "tea for ann"


async def test_each_test_has_servers_of_its_own(
    hubbub_server: NewServer, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client()
    with pytest.raises(AckError, match="No event handler"):
        await ann.send_event("order.new", "tea")
    server = await serving_tea(hubbub_server)
    await ann.send_event("order.new", "tea")
    assert server.attached
