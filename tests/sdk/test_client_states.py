"""Group states: what members say of themselves, and who watches it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from hubbub.sdk import (
    CBOR_RELIABLE_V1,
    JSON_V1,
    PROTOBUF_V1,
    AckError,
    Backoff,
    ClosedError,
    DeadlineError,
    GroupStateSnapshot,
    GroupStateUpdate,
    MessagesLost,
    Offline,
    ProtocolError,
    StateItem,
    WebPubSubClient,
)
from hubbub.sdk.client.group_states import KnownGroup
from support.sdk_clients import SECONDS, by_way_of, until, until_online
from support.service import JSON, Line, Service
from support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from hubbub.sdk import GroupStateWatch
    from hubbub.sdk.client.group_states import GroupStateEvent
    from hubbub.sdk.testing import HubbubGateway, NewClient

SOON = Backoff(first=0.01, most=0.05)
ROLES = (
    "webpubsub.joinLeaveGroup",
    "webpubsub.sendToGroup",
    "webpubsub.getGroupState",
    "webpubsub.setGroupState",
)
TYPING, IDLE = {"status": "typing"}, {"status": "idle"}


def said(event: GroupStateEvent) -> list[tuple[str | None, Any]]:
    """Give who says what."""
    return [(item.user_id, item.state) for item in event.items]


async def snapshot(watch: GroupStateWatch) -> list[tuple[str | None, Any]]:
    event = await watch.next(SECONDS)
    assert isinstance(event, GroupStateSnapshot)
    return sorted(said(event))


async def update(watch: GroupStateWatch) -> list[tuple[str | None, Any]]:
    event = await watch.next(SECONDS)
    assert isinstance(event, GroupStateUpdate)
    return said(event)


# What is said and heard.


@pytest.mark.parametrize("protocol", [None, JSON_V1, CBOR_RELIABLE_V1])
async def test_a_watch_begins_with_all_there_is_and_hears_what_changes(
    hubbub_client: NewClient, protocol: Any
) -> None:
    options = {} if protocol is None else {"protocol": protocol}
    ann, bob = [
        await hubbub_client(user=user, roles=ROLES, groups=["room"], **options)
        for user in ("ann", "bob")
    ]
    await ann.set_group_state("room", TYPING)
    watch = await bob.subscribe_group_state("room")
    assert await snapshot(watch) == [("ann", TYPING)]
    await ann.set_group_state("room", IDLE)
    assert await update(watch) == [("ann", IDLE)]
    await bob.set_group_state("room", TYPING)
    assert await update(watch) == [("bob", TYPING)]
    assert {item.user_id: item.state for item in watch.items.values()} == {
        "ann": IDLE,
        "bob": TYPING,
    }
    await ann.set_group_state("room", None)
    assert await update(watch) == [("ann", None)]
    assert list(watch.items) == [bob.connection_id]


async def test_who_leaves_says_nothing_any_more(hubbub_client: NewClient) -> None:
    ann, bob, eve = [
        await hubbub_client(user=user, roles=ROLES) for user in ("ann", "bob", "eve")
    ]
    for client in (ann, bob):
        await client.join("room")
        await client.set_group_state("room", TYPING)
    watch = await eve.subscribe_group_state("room")
    assert await snapshot(watch) == [("ann", TYPING), ("bob", TYPING)]
    await ann.leave("room")
    assert await update(watch) == [("ann", None)]
    await bob.close()
    assert await update(watch) == [("bob", None)]
    assert watch.items == {}


async def test_who_watches_later_hears_first_what_is_known(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(user="ann", roles=ROLES, groups=["room"])
    await ann.set_group_state("room", TYPING)
    first = await ann.subscribe_group_state("room")
    assert await snapshot(first) == [("ann", TYPING)]
    second = await ann.subscribe_group_state("room")
    assert await snapshot(second) == [("ann", TYPING)]
    await ann.set_group_state("room", IDLE)
    events = [event for watch in (first, second) for event in await changes(watch)]
    assert events == [("ann", IDLE)] * 2


async def changes(watch: GroupStateWatch) -> list[tuple[str | None, Any]]:
    """Give the next update, passing over snapshots."""
    while isinstance(event := await watch.next(SECONDS), GroupStateSnapshot):
        pass
    return said(event)


async def test_a_watch_ends_when_it_is_over(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(user="ann", roles=ROLES)
    watch = await ann.subscribe_group_state("room")
    await ann.unsubscribe_group_state("room")
    events = [event async for event in watch]
    assert all(isinstance(event, GroupStateSnapshot) for event in events)
    again = await ann.subscribe_group_state("room")
    assert await snapshot(again) == []
    await ann.close()
    assert [event async for event in again] == []
    for request in (
        ann.set_group_state("room", TYPING),
        ann.subscribe_group_state("room"),
        ann.unsubscribe_group_state("room"),
    ):
        with pytest.raises(ClosedError):
            await request


async def test_a_watch_that_is_not_read_is_told_and_still_right(
    hubbub_client: NewClient,
) -> None:
    ann = await hubbub_client(user="ann", roles=ROLES, groups=["room"], inbox=5)
    watch = await ann.subscribe_group_state("room")
    for number in range(20):
        await ann.set_group_state("room", {"n": str(number)})
    await ann.ping()
    with pytest.raises(MessagesLost):
        await watch.next(SECONDS)
    assert watch.items[ann.connection_id].state == {"n": "19"}


# Refusals.


async def test_what_no_role_permits_is_an_ack_error(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(roles=["webpubsub.sendToGroup"], groups=["room"])
    with pytest.raises(AckError, match="Forbidden"):
        await ann.set_group_state("room", TYPING)
    with pytest.raises(AckError, match="Forbidden"):
        await ann.subscribe_group_state("room")
    await ann.send_to_group("room", "well")


async def test_what_cannot_be_said_is_refused_before(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(roles=ROLES, groups=["room"])
    for request in (
        ann.set_group_state("", TYPING),
        ann.set_group_state("room", {"k": "x" * 8192}),
        ann.subscribe_group_state(" "),
        ann.unsubscribe_group_state(""),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            await request
    await ann.set_group_state("room", {"k": "x" * 8191})


async def test_a_subprotocol_without_states_says_so(hubbub_client: NewClient) -> None:
    ann = await hubbub_client(protocol=PROTOBUF_V1, roles=ROLES)
    with pytest.raises(ProtocolError, match="SubscribeGroupState"):
        await ann.subscribe_group_state("room")
    await ann.join("room")


# Cuts.


async def test_a_recovery_keeps_states_and_watches(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    bob = await hubbub_client(user="bob", roles=ROLES, groups=["room"])
    with TcpProxy(hubbub_gateway.port) as way:
        own = hubbub_gateway.client_url(user="ann", roles=ROLES, groups=["room"])
        async with WebPubSubClient(by_way_of(way, own), backoff=SOON) as ann:
            states = ann.states()
            await until_online(states)
            await ann.set_group_state("room", IDLE)
            watch = await ann.subscribe_group_state("room")
            of_bob = await bob.subscribe_group_state("room")
            assert await snapshot(watch) == [("ann", IDLE)]
            assert await snapshot(of_bob) == [("ann", IDLE)]
            way.cut()
            await until(states, Offline)
            await bob.set_group_state("room", TYPING)
            assert await update(of_bob) == [("bob", TYPING)]
            way.heal()
            await until_online(states)
            assert await snapshot(watch) == [("ann", IDLE), ("bob", TYPING)]
            await bob.set_group_state("room", IDLE)
            assert await update(watch) == [("bob", IDLE)]
            assert await update(of_bob) == [("bob", IDLE)]  # ann was never gone


async def test_a_new_session_watches_again_and_begins_anew(
    hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    ann = await hubbub_client(user="ann", roles=ROLES, groups=["room"])
    await ann.set_group_state("room", IDLE)
    watch, states = await ann.subscribe_group_state("room"), ann.states()
    await until_online(states)
    assert await snapshot(watch) == [("ann", IDLE)]
    await asyncio.to_thread(hubbub_gateway.restart)
    await until_online(states)
    assert await snapshot(watch) == []
    assert watch.items == {}
    await ann.set_group_state("room", TYPING)
    assert await update(watch) == [("ann", TYPING)]


async def test_a_watch_that_a_new_session_may_not_have_ends_and_says_why(
    hubbub_gateway: HubbubGateway,
) -> None:
    roles = [["webpubsub.joinLeaveGroup"], ROLES]

    def url() -> str:
        return hubbub_gateway.client_url(user="ann", roles=roles.pop())

    async with WebPubSubClient(url, JSON_V1, backoff=SOON) as ann:
        watch = await ann.subscribe_group_state("room")
        assert await snapshot(watch) == []
        hubbub_gateway.cut()
        with pytest.raises(ClosedError) as ended:
            await watch.next(SECONDS)
        assert isinstance(ended.value.__cause__, AckError)


async def test_a_subscription_without_an_answer_is_none() -> None:
    items = [{"connectionId": "c", "state": TYPING, "updatedAt": 1}]

    async def silent(line: Line) -> None:
        await line.hello()
        await line.heard()
        await line.say(type="groupStateSnapshot", group="room", items=items)
        await line.serve()

    async with Service(silent, subprotocol=JSON) as service, service.client() as client:
        with pytest.raises(DeadlineError):
            await client.subscribe_group_state("room", timeout=0.05)
        watch = await client.subscribe_group_state("room")
        assert watch.items == {}


# Times.


def item(name: str, state: Any, time: int) -> StateItem:
    return StateItem(name, None, state, time)


def test_what_is_not_newer_is_old_news() -> None:
    known = KnownGroup("room")
    known.hear(GroupStateSnapshot("room", (item("a", IDLE, 5),)))
    for time in (4, 5):
        known.hear(GroupStateUpdate("room", (item("a", TYPING, time),)))
        assert known.items["a"].state == IDLE
    known.hear(GroupStateUpdate("room", (item("a", TYPING, 6),)))
    assert known.items["a"].state == TYPING
    known.hear(GroupStateUpdate("room", (item("a", None, 7),)))
    known.hear(GroupStateUpdate("room", (item("a", TYPING, 6),)))
    assert known.items == {}
    known.hear(GroupStateUpdate("room", (item("a", TYPING, 8),)))
    assert known.items["a"].updated_at == 8
    known.hear(GroupStateSnapshot("room", (item("a", IDLE, 3), item("b", None, 3))))
    assert known.items == {"a": item("a", IDLE, 3)}


def test_what_is_remembered_of_those_who_left_is_bounded() -> None:
    known = KnownGroup("room")
    for number in range(5000):
        known.hear(GroupStateUpdate("room", (item(str(number), None, 1),)))
    assert len(known._cleared) == 1000
