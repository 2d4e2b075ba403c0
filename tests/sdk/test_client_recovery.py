"""A client whose network is cut comes back into its session, and misses nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    Backoff,
    ConnectionLost,
    DeadlineError,
    NotRecovered,
    Offline,
    Online,
    RefusedError,
    WebPubSubClient,
)
from hubbub.sdk.client.spoken import SPOKEN
from support.sdk_clients import SECONDS, by_way_of, until, until_online
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.sdk.testing import HubbubGateway, NewClient

SOON = Backoff(first=0.01, most=0.05)
RELIABLE = [name for name in SPOKEN if "reliable" in name]


@pytest.fixture
def way(hubbub_gateway: HubbubGateway) -> Iterator[TcpProxy]:
    """The network between a client and its gateway."""
    with TcpProxy(hubbub_gateway.port) as proxy:
        yield proxy


@pytest.fixture
def url(hubbub_gateway: HubbubGateway, way: TcpProxy) -> str:
    """The URL of ann, who is in the lobby from the start."""
    return by_way_of(way, hubbub_gateway.client_url(user="ann", groups=["lobby"]))


# What survives.


@pytest.mark.parametrize("name", RELIABLE)
async def test_what_is_published_while_the_network_is_down_is_not_missed(
    name: str,
    url: str,
    way: TcpProxy,
    hubbub_gateway: HubbubGateway,
    hubbub_client: NewClient,
) -> None:
    bob = await hubbub_client()
    async with WebPubSubClient(url, name, backoff=SOON) as ann:
        await ann.join("hall")
        states, first = ann.states(), ann.connection_id
        await until_online(states)
        way.cut()
        await until(states, Offline)
        for number in range(5):
            await bob.send_to_group("lobby", number)
            await bob.send_to_group("hall", str(number))
        way.heal()
        assert await until_online(states) == [Online(first, "ann", recovered=True)]
        heard = [(await ann.next(SECONDS)).data for _ in range(10)]
        assert heard == [one for number in range(5) for one in (number, str(number))]
        await ann.send_to_group("hall", "still in")
        assert (await ann.next(SECONDS)).data == "still in"
    names = [one.name for one in hubbub_gateway.events if one.user_id == "ann"]
    assert names.count("connect") == names.count("connected") == 1


async def test_a_thousand_messages_and_many_cuts_lose_and_double_nothing(
    url: str, way: TcpProxy, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client()
    async with WebPubSubClient(url, backoff=SOON, inbox=2000) as ann:
        states, first = ann.states(), ann.connection_id

        async def publish() -> None:
            for number in range(1000):
                if number % 50 == 0:
                    back = await until(states, Online)
                    assert back == Online(first, "ann", recovered=number > 0)
                    way.reset()
                    await until(states, Offline)
                await bob.send_to_group("lobby", number)

        publishing = asyncio.create_task(publish())
        heard = [(await ann.next(SECONDS)).data for _ in range(1000)]
        await publishing
        assert heard == list(range(1000))
        await bob.send_to_group("lobby", "fence")
        assert (await ann.next(SECONDS)).data == "fence"
        assert ann.connection_id == first


async def test_what_is_given_again_is_not_heard_again(
    url: str, way: TcpProxy, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client()
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states, messages = ann.states(), ann.messages()
        await until_online(states)
        for number in range(20):
            await bob.send_to_group("lobby", number)
            assert (await messages.next(SECONDS)).data == number
        # The gateway has no acknowledgement yet: it comes a second after the first.
        way.reset()
        await until_online(states)
        await bob.send_to_group("lobby", "fence")
        assert (await messages.next(SECONDS)).data == "fence"


async def is_refused(url: str) -> bool:
    """Tell whether a URL lets nobody in any more."""
    try:
        async with WebPubSubClient(url):
            return False
    except RefusedError as refused:
        return refused.status == 401


async def test_a_token_that_has_expired_meanwhile_is_not_needed(
    way: TcpProxy, hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    # A token counts for five minutes more than it says.
    brief = hubbub_gateway.client_url(user="ann", groups=["lobby"], minutes=-4.98)
    bob = await hubbub_client()
    url = by_way_of(way, brief)
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        async with asyncio.timeout(SECONDS):
            while not await is_refused(url):  # noqa: ASYNC110 - its time must pass
                await asyncio.sleep(0.05)
        way.cut()
        await until(states, Offline)
        await bob.send_to_group("lobby", "are you there?")
        way.heal()
        back = await until_online(states)
        assert back == [Online(ann.connection_id, "ann", recovered=True)]
        assert (await ann.next(SECONDS)).data == "are you there?"


async def test_a_network_that_swallows_everything_is_noticed(
    url: str, way: TcpProxy, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client()
    async with WebPubSubClient(url, backoff=SOON, keep_alive=0.1) as ann:
        states = ann.states()
        await until_online(states)
        way.stall()
        await bob.send_to_group("lobby", "are you there?")
        await until(states, Offline)
        way.heal()
        back = await until_online(states)
        assert back == [Online(ann.connection_id, "ann", recovered=True)]
        assert (await ann.next(SECONDS)).data == "are you there?"


async def test_the_permissions_of_the_session_are_what_they_were(
    way: TcpProxy, hubbub_gateway: HubbubGateway
) -> None:
    roles = ["webpubsub.sendToGroup.mine"]
    url = by_way_of(way, hubbub_gateway.client_url(user="ann", roles=roles))
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        way.reset()
        await until_online(states)
        await ann.send_to_group("mine", "x")
        with pytest.raises(Exception, match="Forbidden"):
            await ann.join("theirs")


# Requests.


async def test_a_request_under_way_is_lost_and_can_be_repeated_once_recovered(
    url: str, way: TcpProxy, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client(groups=["lobby"])
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        way.stall()
        under_way = asyncio.create_task(ann.send_to_group("lobby", "once"))
        await asyncio.sleep(0)
        way.cut()
        with pytest.raises(ConnectionLost) as lost:
            await under_way
        way.heal()
        await until_online(states)
        for _ in range(2):
            await ann.send_to_group("lobby", "once", ack_id=lost.value.ack_id)
        await ann.send_to_group("lobby", "fence")
    assert [(await bob.next(SECONDS)).data for _ in range(2)] == ["once", "fence"]


async def test_requests_made_while_it_is_away_wait_for_the_recovery(
    url: str, way: TcpProxy
) -> None:
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        way.cut()
        await until(states, Offline)
        with pytest.raises(DeadlineError):
            await ann.join("hall", timeout=0)
        waiting = asyncio.create_task(ann.send_to_group("lobby", "after all"))
        await asyncio.sleep(0)
        way.heal()
        await waiting
        assert (await ann.next(SECONDS)).data == "after all"


# What does not survive, and is told.


@pytest.mark.hubbub(limits={"retained_messages": 10})
async def test_a_session_that_overflows_is_replaced_and_that_is_told(
    url: str, way: TcpProxy, hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client()
    async with WebPubSubClient(url, backoff=SOON) as ann:
        await ann.join("hall")
        states, first = ann.states(), ann.connection_id
        await until_online(states)
        way.cut()
        lost = await until(states, Offline)
        for number in range(20):
            await bob.send_to_group("hall", number)
        over = await hubbub_gateway.event("disconnected", user_id="ann")
        assert "10 messages" in str(over.reason)
        way.heal()
        told, back = await until_online(states)
        assert isinstance(lost, Offline)
        assert isinstance(told, NotRecovered)
        assert "1008" in told.reason
        assert back == Online(ann.connection_id, "ann")
        assert ann.connection_id != first
        for group in ("lobby", "hall"):
            await bob.send_to_group(group, f"news of the {group}")
        heard = [(await ann.next(SECONDS)).data for _ in range(2)]
        assert heard == ["news of the lobby", "news of the hall"]


async def test_a_session_dies_with_its_gateway_and_that_is_told(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(user="ann")
    await ann.join("hall")
    states, first = ann.states(), ann.connection_id
    await until_online(states)
    await asyncio.to_thread(hubbub_gateway.restart)
    lost, told, back = await until_online(states)
    assert isinstance(lost, Offline)
    assert isinstance(told, NotRecovered)
    assert back == Online(ann.connection_id, "ann")
    assert ann.connection_id != first
    await ann.send_to_group("hall", "in again")
    assert (await ann.next(SECONDS)).data == "in again"


@pytest.mark.hubbub(limits={"recovery_seconds": 0.2})
async def test_who_is_away_for_too_long_gets_a_new_session(
    url: str, way: TcpProxy, hubbub_gateway: HubbubGateway
) -> None:
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states, first = ann.states(), ann.connection_id
        await until_online(states)
        way.cut()
        await hubbub_gateway.event("disconnected", user_id="ann")
        way.heal()
        *_, told, back = await until_online(states)
        assert isinstance(told, NotRecovered)
        assert isinstance(back, Online)
        assert back.connection_id != first


async def test_a_client_that_does_not_look_for_its_session_gets_a_new_one(
    url: str, way: TcpProxy
) -> None:
    async with WebPubSubClient(url, backoff=SOON, recovery=0) as ann:
        states = ann.states()
        await until_online(states)
        way.reset()
        lost, told, back = await until_online(states)
        assert isinstance(lost, Offline)
        assert isinstance(told, NotRecovered)
        assert back == Online(ann.connection_id, "ann")
    with pytest.raises(ValueError, match="recovery"):
        WebPubSubClient(url, recovery=-1)


# The end.


async def test_stopping_ends_the_session_at_once_and_for_good(
    url: str, way: TcpProxy, hubbub_gateway: HubbubGateway
) -> None:
    async with WebPubSubClient(url) as ann:
        states = ann.states()
    ended = await hubbub_gateway.event("disconnected", user_id="ann")
    assert "1000" in str(ended.reason)
    assert way.accepted == 1
    assert [type(state) async for state in states] == [Online]


async def test_stopping_while_it_looks_for_its_session_does_not_wait(
    url: str, way: TcpProxy
) -> None:
    async with asyncio.timeout(SECONDS), WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        way.cut()
        await until(states, Offline)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cutting_off_for_good_tells_the_gateway_that_nobody_comes_back(
    url: str, hubbub_gateway: HubbubGateway
) -> None:
    ann = await WebPubSubClient(url).__aenter__()
    ann.abort()
    ended = await hubbub_gateway.event("disconnected", user_id="ann")
    assert "1000" in str(ended.reason)


async def test_no_log_record_tells_the_proof_of_a_session(
    url: str, way: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with WebPubSubClient(url, backoff=SOON) as ann:
        states = ann.states()
        await until_online(states)
        way.reset()
        await until_online(states)
        proof = ann._delivery.continuity._token
    assert proof is not None
    said = [f"{one.getMessage()} {vars(one)}" for one in caplog.records]
    assert said
    assert not [line for line in said if proof in line]
