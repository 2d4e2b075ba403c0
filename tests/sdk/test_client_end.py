"""How a client ends: by its owner, by a refusal, at a gateway that is frozen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import (
    JSON_V1,
    Backoff,
    ClosedError,
    ConnectError,
    Offline,
    Online,
    RefusedError,
    WebPubSubClient,
)

if TYPE_CHECKING:
    from hubbub.sdk.testing import HubbubGateway, NewClient

SECONDS = 10.0


# The end.


async def test_leaving_the_block_ends_everything(
    hubbub_gateway: HubbubGateway,
) -> None:
    url = hubbub_gateway.client_url("chat", groups=["lobby"])
    async with WebPubSubClient(url) as ann:
        messages, states = ann.messages(), ann.states()
        await ann.send_to_group("lobby", "last")
        waiting = asyncio.create_task(anext(ann.messages(), None))
        await asyncio.sleep(0)
    assert not ann.connected
    assert [message.data async for message in messages] == ["last"]
    assert [state async for state in states] == [Online(ann.connection_id, None)]
    assert await waiting is None
    assert (await ann.next()).data == "last"
    for request in (ann.next(), ann.join("lobby"), ann.send_event("x", 1, ack=False)):
        with pytest.raises(ClosedError):
            await request
    assert [message async for message in ann.messages()] == []
    gone = await hubbub_gateway.event("disconnected")
    assert "1000" in str(gone.reason)
    await ann.close()


async def test_a_client_connects_once(hubbub_gateway: HubbubGateway) -> None:
    ann = WebPubSubClient(hubbub_gateway.client_url())
    with pytest.raises(ClosedError):
        ann.connection_id  # noqa: B018 - it is the asking that fails
    async with ann:
        with pytest.raises(RuntimeError):
            await ann.__aenter__()


async def test_leaving_does_not_wait_for_a_frozen_gateway(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann, bob = await hubbub_client(), await hubbub_client()
    with hubbub_gateway.frozen():
        async with asyncio.timeout(SECONDS):
            await ann.close(timeout=0.05)
        bob.abort()
        with pytest.raises(ClosedError):
            await bob.join("lobby")


async def test_leaving_does_not_wait_for_a_connection_that_is_lost(
    hubbub_gateway: HubbubGateway,
) -> None:
    slow = Backoff(first=60, most=60)
    async with (
        asyncio.timeout(SECONDS),
        WebPubSubClient(hubbub_gateway.client_url(), backoff=slow) as ann,
    ):
        states = ann.states()
        assert isinstance(await states.next(SECONDS), Online)
        hubbub_gateway.cut()
        assert isinstance(await states.next(SECONDS), Offline)
        waiting = asyncio.create_task(ann.join("lobby"))
        await asyncio.sleep(0)
    with pytest.raises(ClosedError):
        await waiting
    assert [state async for state in states] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Refusals.


async def test_a_bad_token_fails_the_first_connection(
    hubbub_gateway: HubbubGateway,
) -> None:
    place, _, _ = hubbub_gateway.client_url("chat").partition("?")
    _, _, token = hubbub_gateway.client_url("another").partition("?")
    with pytest.raises(RefusedError) as refused:
        await WebPubSubClient(f"{place}?{token}").__aenter__()
    assert refused.value.status == 401
    assert refused.value.final


@pytest.mark.hubbub(open_hubs=False, hubs={"chat": {}})
async def test_an_unknown_hub_fails_the_first_connection(
    hubbub_gateway: HubbubGateway,
) -> None:
    with pytest.raises(RefusedError) as refused:
        await WebPubSubClient(hubbub_gateway.client_url("another")).__aenter__()
    assert refused.value.status == 404


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1/", "ws://", "ws://h:port/", "ws://127.0.0.1:1/x"]
)
async def test_where_no_gateway_is_there_is_a_connect_error(url: str) -> None:
    with pytest.raises(ConnectError):
        await WebPubSubClient(url).__aenter__()


async def test_the_error_of_a_provider_is_the_owners(
    hubbub_gateway: HubbubGateway,
) -> None:
    del hubbub_gateway

    async def broken() -> str:
        raise LookupError("no token today")

    with pytest.raises(LookupError, match="no token today"):
        await WebPubSubClient(broken).__aenter__()


async def test_a_token_that_is_refused_later_ends_the_client(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    urls = [hubbub_gateway.client_url("another"), hubbub_gateway.client_url("chat")]
    place = urls[1].partition("?")[0]
    good, bad = urls[1], f"{place}?{urls[0].partition('?')[2]}"
    answers = [good, bad]
    ann = WebPubSubClient(lambda: answers.pop(0), JSON_V1)
    async with ann:
        waiting = asyncio.create_task(anext(ann.messages()))
        await asyncio.sleep(0)
        hubbub_gateway.cut()
        for failing in (waiting, ann.next(), ann.join("lobby"), anext(ann.messages())):
            with pytest.raises(ClosedError) as ended:
                async with asyncio.timeout(SECONDS):
                    await failing
            assert isinstance(ended.value.__cause__, RefusedError)
            assert ended.value.__cause__.status == 401
    await hubbub_client()  # the gateway is well
