"""How a client comes back with a new connection, and what was under way meanwhile.

How it comes back into its session is in ``test_client_recovery``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    JSON_V1,
    ConnectionLost,
    DeadlineError,
    NotRejoined,
    Offline,
    Online,
    WebPubSubClient,
)

if TYPE_CHECKING:
    from hubbub.sdk.client.inbox import Inbox
    from hubbub.sdk.client.states import State
    from hubbub.sdk.testing import HubbubGateway, NewClient

SECONDS = 10.0


async def until_online(states: Inbox[State]) -> list[State]:
    """Give the states up to the next Online, which is the last."""
    seen = [await states.next(SECONDS)]
    while not isinstance(seen[-1], Online):
        seen.append(await states.next(SECONDS))
    return seen


async def cut_off(gateway: HubbubGateway, client: WebPubSubClient) -> list[State]:
    """Cut a client's socket and wait until it is back."""
    states = client.states()
    assert await until_online(states) == [Online(client.connection_id, client.user_id)]
    assert gateway.cut(client.connection_id) == 1
    return await until_online(states)


# The way back.


async def test_a_lost_connection_is_replaced_and_its_groups_are_joined_again(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(user="ann", groups=["given"], protocol=JSON_V1)
    bob = await hubbub_client(user="bob")
    for group in ("room", "hall", "left"):
        await ann.join(group)
    await ann.leave("left")
    first = ann.connection_id
    lost, back = await cut_off(hubbub_gateway, ann)
    assert isinstance(lost, Offline)
    assert back == Online(ann.connection_id, "ann")
    assert ann.connection_id != first
    for group in ("left", "given", "room", "hall"):
        await bob.send_to_group(group, group)
    heard = [(await ann.next(SECONDS)).data for _ in range(3)]
    assert heard == ["given", "room", "hall"]


async def test_the_client_is_not_back_before_it_is_in_all_its_groups(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(protocol=JSON_V1)
    groups = {f"group {number}" for number in range(250)}
    await asyncio.gather(*map(ann.join, groups))
    await cut_off(hubbub_gateway, ann)
    joined = {
        event.group
        for event in hubbub_gateway.events
        if event.name == "joined" and event.connection_id == ann.connection_id
    }
    assert joined == groups


async def test_requests_made_meanwhile_wait_for_the_connection(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client()
    await ann.join("lobby")
    states = ann.states()
    await until_online(states)
    hubbub_gateway.cut()
    assert isinstance(await states.next(SECONDS), Offline)
    assert not ann.connected
    with pytest.raises(DeadlineError) as late:
        await ann.join("hall", timeout=0)
    assert late.value.ack_id is None  # it was never sent
    await ann.send_to_group("lobby", "after all")
    assert (await ann.next(SECONDS)).data == "after all"


async def test_a_request_under_way_when_the_gateway_crashes_is_lost_not_hung(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client()
    states = ann.states()
    await until_online(states)
    hubbub_gateway.freeze()
    under_way = asyncio.create_task(ann.join("lobby"))
    await asyncio.sleep(0)
    await asyncio.to_thread(hubbub_gateway.restart)
    with pytest.raises(ConnectionLost) as lost:
        await under_way
    assert lost.value.ack_id == 1
    assert ann.groups == frozenset()
    await until_online(states)
    await ann.join("lobby")


async def test_a_crash_of_the_gateway_is_survived(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client()
    await ann.join("lobby")
    states = ann.states()
    await until_online(states)
    await asyncio.to_thread(hubbub_gateway.restart)
    await until_online(states)
    await ann.send_to_group("lobby", "hello again")
    assert (await ann.next(SECONDS)).data == "hello again"


async def test_a_group_that_is_closed_to_the_new_connection_is_told(
    hubbub_gateway: HubbubGateway,
) -> None:
    roles = [["webpubsub.joinLeaveGroup.hall"], ["webpubsub.joinLeaveGroup"]]

    async def provide() -> str:
        await asyncio.sleep(0)
        return hubbub_gateway.client_url("chat", roles=roles.pop())

    async with WebPubSubClient(provide, JSON_V1) as ann:
        await ann.join("lobby")
        await ann.join("hall")
        lost, refused, back = await cut_off(hubbub_gateway, ann)
        assert isinstance(lost, Offline)
        assert isinstance(refused, NotRejoined)
        assert (refused.group, refused.name) == ("lobby", "Forbidden")
        assert isinstance(back, Online)
        assert ann.groups == {"hall"}


# Repeated requests and interrupted waits.


async def test_a_repeated_ack_id_succeeds_and_is_not_carried_out_again(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(groups=["lobby"])
    with hubbub_gateway.frozen(), pytest.raises(DeadlineError) as late:
        await ann.send_to_group("lobby", "once", timeout=0.05)
    await ann.send_to_group("lobby", "once", ack_id=late.value.ack_id)
    await ann.send_to_group("lobby", "fence")
    assert [(await ann.next(SECONDS)).data for _ in range(2)] == ["once", "fence"]


async def test_a_cancelled_request_leaves_the_client_usable(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(groups=["lobby"])
    with hubbub_gateway.frozen():
        for request in (ann.join("a"), ann.leave("b"), ann.send_to_group("lobby", 1)):
            under_way = asyncio.create_task(request)
            await asyncio.sleep(0)
            under_way.cancel()
            with pytest.raises(asyncio.CancelledError):
                await under_way
    await ann.send_to_group("lobby", 2)
    assert [(await ann.next(SECONDS)).data for _ in range(2)] == [1, 2]
    assert ann.connected


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
async def test_a_cancelled_entry_leaves_nothing_behind(
    hubbub_gateway: HubbubGateway, steps: int
) -> None:
    ann = WebPubSubClient(hubbub_gateway.client_url())
    with hubbub_gateway.frozen():
        entering = asyncio.create_task(ann.__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    assert not ann.connected
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await ann.close()
