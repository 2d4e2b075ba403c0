"""Servers that leave, die, never answer or never come, against a real process.

In each a client and a server of another hub live on undisturbed.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from support.bare_server import CBOR, BareServer, ask, client
from support.gateway import GatewayProcess
from support.raw import Witness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from support.official import Bystander

CONFIG = """
[default]
server_grace = 60.0

[hubs.brief]
server_grace = 0.2

[hubs.replaced]
server_grace = 0.2

[hubs.required]
server_grace = 0.2
servers_required = true

[hubs.hasty]
server_timeout = 0.2
"""
GONE = "The servers that had the event are gone."
ABSENT = "No server is attached that takes this event; try again."


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    path: Path = tmp_path_factory.mktemp("ends") / "hubbub.toml"
    path.write_text(CONFIG)
    with GatewayProcess("--config", str(path), "--log-level", "info") as process:
        yield process


@pytest.fixture(autouse=True)
def undisturbed(gateway: GatewayProcess) -> Iterator[None]:
    with Witness(gateway, "elsewhere") as witness:
        yield
        witness.check()
    assert "Traceback" not in gateway.log


@asynccontextmanager
async def let_in(
    gateway: GatewayProcess, server: BareServer
) -> AsyncIterator[Bystander]:
    """Give a client that its server accepts."""
    await server.handle("connect")
    comes = client(gateway, server.welcome["hub"], "bob")
    entering = asyncio.create_task(comes.__aenter__())
    await server.answer(await server.event("connect"), "accept")
    try:
        yield await entering
    finally:
        await comes.__aexit__(None, None, None)


# A server that dies.


async def test_events_of_a_dead_server_go_to_another_as_the_second_attempt(
    gateway: GatewayProcess,
) -> None:
    async with (
        BareServer(gateway, "heirs") as heir,
        client(gateway, "heirs", "alice") as alice,
        client(gateway, "heirs", "bob") as bob,
    ):
        async with BareServer(gateway, "heirs", CBOR) as mortal:
            await mortal.handle("event")
            asking = [ask(alice, data="a"), ask(bob, data="b")]
            for _ in asking:
                assert "attempt" not in await mortal.event("event")
            await heir.handle("event")
            mortal.die()
        given = [await heir.event("event") for _ in asking]
        assert [one["attempt"] for one in given] == [2, 2]
        assert {one["data"] for one in given} == {"a", "b"}
        for one in given:
            await heir.answer(one, "respond")
        assert [(await waiting)["success"] for waiting in asking] == [True, True]
        again = ask(alice)
        event = await heir.event("event")
        assert "attempt" not in event
        await heir.answer(event, "respond")
        assert (await again)["success"]


async def test_what_was_given_and_what_waited_keep_their_order(
    gateway: GatewayProcess,
) -> None:
    async with BareServer(gateway, "orderly") as heir:
        async with BareServer(gateway, "orderly") as mortal:
            await mortal.handle("connected", "joined", "left", "disconnected", window=1)
            async with client(gateway, "orderly", groups=["g"]) as alice:
                await alice.request(type="leaveGroup", group="g")
                await mortal.event("connected")
                await heir.handle("connected", "joined", "left", "disconnected")
                mortal.die()
                told = await heir.acknowledge("connected", "joined", "left")
        assert [one.get("attempt", 1) for one in told] == [2, 1, 1]
        await heir.acknowledge("disconnected")


async def test_an_event_fails_after_three_servers(gateway: GatewayProcess) -> None:
    async with client(gateway, "doomed", "alice") as alice:
        asking: asyncio.Task[dict[str, Any]] | None = None
        for attempt in (1, 2, 3):
            async with BareServer(gateway, "doomed") as mortal:
                await mortal.handle("event")
                asking = asking or ask(alice)
                event = await mortal.event("event")
                assert event.get("attempt", 1) == attempt
                mortal.die()
        assert asking is not None
        error = {"name": "InternalServerError", "message": GONE}
        assert (await asking)["error"] == error
        async with BareServer(gateway, "doomed") as healthy:
            await healthy.handle("event")
            again = ask(alice)
            await healthy.answer(await healthy.event("event"), "respond")
            assert (await again)["success"]
            await healthy.quiet()


@pytest.mark.one_process("who has least to do is for each gateway to see")
async def test_a_client_keeps_its_server_while_it_is_there(
    gateway: GatewayProcess,
) -> None:
    async with (
        BareServer(gateway, "sticky") as first,
        BareServer(gateway, "sticky") as second,
        client(gateway, "sticky", "alice") as alice,
        client(gateway, "sticky", "bob") as bob,
    ):
        await first.handle("event")
        asking = ask(alice)
        await first.answer(await first.event("event"), "respond")
        assert (await asking)["success"]
        await second.handle("event")
        for _ in range(3):
            both = [ask(alice), ask(bob)]
            # Alice's is the first's; the least busy for bob is then the second.
            mine = await first.event("event")
            assert mine["userId"] == "alice"
            theirs = await second.event("event")
            assert theirs["userId"] == "bob"
            await second.answer(theirs, "respond")
            await first.answer(mine, "respond")
            assert [(await one)["success"] for one in both] == [True, True]


# No server.


async def test_events_wait_for_the_next_server(gateway: GatewayProcess) -> None:
    async with client(gateway, "waiting", "alice", groups=["g"]) as alice:
        async with BareServer(gateway, "waiting") as first:
            await first.handle("connect", "event", "publish")
        asking = ask(alice)
        comes = client(gateway, "waiting", "bob")
        entering = asyncio.create_task(comes.__aenter__())
        async with BareServer(gateway, "waiting") as second:
            await second.handle("connect", "event", "publish")
            for _ in range(2):
                event = await second.event()
                kind = {"connect": "accept", "event": "respond"}[event["kind"]]
                assert "attempt" not in event
                await second.answer(event, kind)
            assert (await asking)["success"]
            await (await entering).__aexit__(None, None, None)


async def test_without_a_server_everything_fails_closed_after_the_grace(
    gateway: GatewayProcess,
) -> None:
    async with client(gateway, "brief", "alice", groups=["g"]) as alice:
        async with BareServer(gateway, "brief") as brief:
            await brief.handle("connect", "event", "publish", "subscribe")
        for wish in (
            {"type": "event", "event": "e", "data": 1},
            {"type": "sendToGroup", "group": "g", "data": 1},
            {"type": "joinGroup", "group": "h"},
        ):
            error = {"name": "InternalServerError", "message": ABSENT}
            assert (await alice.request(**wish))["error"] == error
        with pytest.raises(InvalidStatus) as refused:
            async with client(gateway, "brief"):
                pytest.fail("let in")
        answer = refused.value.response
        assert answer.status_code == 503
        assert answer.body == f"{ABSENT}\n".encode()
        assert answer.headers["Retry-After"] == "1"
        async with BareServer(gateway, "brief") as back, let_in(gateway, back) as bob:
            assert bob.connected["userId"] == "bob"


async def test_a_rule_that_was_taken_back_is_not_waited_for(
    gateway: GatewayProcess,
) -> None:
    async with BareServer(gateway, "takenback") as server:
        await server.handle("connect", "publish")
        await server.do(type="handle")
    async with client(gateway, "takenback", groups=["g"]) as alice:
        sent = {"type": "sendToGroup", "group": "g", "data": 1}
        assert (await alice.request(**sent))["success"]


async def test_another_server_may_take_back_the_rule_of_one_that_is_gone(
    gateway: GatewayProcess,
) -> None:
    sent = {"type": "sendToGroup", "group": "g", "data": 1}
    async with client(gateway, "replaced", groups=["g"]) as alice:
        async with BareServer(gateway, "replaced") as old:
            await old.handle("publish", pattern="g")
        async with BareServer(gateway, "replaced") as new:
            await new.handle("event")
            assert not (await alice.request(**sent))["success"]
            await new.handle("publish", pattern="g")
            await new.handle("event")
            assert (await alice.request(**sent))["success"]


async def test_a_hub_that_requires_servers_is_closed_until_one_takes_connect(
    gateway: GatewayProcess,
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client(gateway, "required"):
            pytest.fail("let in")
    assert refused.value.response.status_code == 503
    async with BareServer(gateway, "required") as server:
        await server.handle("event")
        with pytest.raises(InvalidStatus) as refused:
            async with client(gateway, "required"):
                pytest.fail("let in")
        assert refused.value.response.status_code == 503
        async with let_in(gateway, server) as bob:
            assert bob.connected["userId"] == "bob"


# A server that never answers.


async def test_a_server_that_never_answers_fails_its_events_in_time(
    gateway: GatewayProcess,
) -> None:
    async with (
        BareServer(gateway, "hasty") as silent,
        client(gateway, "hasty", "alice") as alice,
        client(gateway, "hasty", simple=True) as simple,
    ):
        await silent.handle("event", "connect", window=1)
        late = "The event handler did not answer in time."
        ack = await ask(alice)
        assert ack["error"] == {"name": "InternalServerError", "message": late}
        event = await silent.event("event")
        cancelled = {"type": "cancel", "eventId": event["eventId"]}
        assert await silent.push() == cancelled
        await silent.answer(event, "respond", dataType="text", data="too late")
        await simple.socket.send("hello")
        assert await simple.closed() == (1011, "the event handler failed")
        with pytest.raises(InvalidStatus) as refused:
            async with client(gateway, "hasty"):
                pytest.fail("let in")
        assert refused.value.response.status_code == 500
        assert (await alice.request(type="joinGroup", group="g"))["success"]
        kinds = [(await silent.push())["type"] for _ in range(4)]
        assert kinds == ["event", "cancel", "event", "cancel"]
        asking = ask(alice)
        await silent.answer(await silent.event("event"), "respond")
        assert (await asking)["success"]
