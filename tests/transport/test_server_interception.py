"""What clients want to publish and join, decided by servers, against a real process."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from support.bare_server import CBOR, JSON, BareServer, client, data, fresh_hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.gateway import GatewayProcess
    from support.official import Bystander

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])

FAILED = {"name": "InternalServerError", "message": "The event handler failed."}


class Trial(NamedTuple):
    """A server that decides, alice who wants something, bob in the groups g and h."""

    server: BareServer
    alice: Bystander
    bob: Bystander


@asynccontextmanager
async def trial(
    gateway: GatewayProcess, protocol: str, kind: str, **rule: Any
) -> AsyncIterator[Trial]:
    hub = fresh_hub("intercept")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub, "alice") as alice,
        client(gateway, hub, "bob", groups=["g", "h"]) as bob,
    ):
        await server.handle(kind, **rule)
        yield Trial(server, alice, bob)


async def fence(trial: Trial, protocol: str) -> None:
    """Check that bob has heard nothing else."""
    await trial.server.do(type="publish", userId="bob", data=data(protocol, "fence"))
    assert await trial.bob.data() == "fence"


PUBLISH = {"type": "sendToGroup", "group": "g", "data": {"n": 1}}


@pytest.mark.parametrize(
    ("kind", "fields", "group", "heard"),
    [
        ("allow", {}, "g", {"n": 1}),
        ("allow", {"group": "h"}, "h", {"n": 1}),
        ("allow", {"dataType": "text", "data": "polite"}, "g", "polite"),
        ("allow", {"data": "JSON"}, "g", {"m": 2}),
        ("allow", {"group": "h", "data": "JSON"}, "h", {"m": 2}),
        ("deny", {"reason": "not today"}, None, None),
        ("deny", {}, None, None),
        ("fail", {"reason": "lost"}, None, None),
        ("respond", {}, None, None),
        ("accept", {}, None, None),
        ("done", {}, None, None),
        ("allow", {"group": ""}, None, None),
        ("allow", {"dataType": "binary", "data": "?"}, None, None),
    ],
    ids=str,
)
async def test_a_publish_happens_as_the_server_decides(
    gateway: GatewayProcess,
    protocol: str,
    kind: str,
    fields: dict[str, Any],
    group: str | None,
    heard: Any,
) -> None:
    if fields.get("data") == "JSON":
        fields = {**fields, "data": data(protocol, {"m": 2})}
    async with trial(gateway, protocol, "publish") as on:
        asking = asyncio.create_task(on.alice.request(**PUBLISH))
        event = await on.server.event("publish")
        assert (event["group"], event["userId"]) == ("g", "alice")
        assert (event["dataType"], event["data"]) == ("json", data(protocol, {"n": 1}))
        await on.server.answer(event, kind, **fields)
        ack = await asking
        assert ack["success"] == (group is not None)
        if kind == "deny":
            reason = fields.get("reason", "")
            assert ack["error"] == {"name": "Forbidden", "message": reason}
        elif kind == "fail":
            assert ack["error"] == {"name": "InternalServerError", "message": "lost"}
        elif group is None:
            assert ack["error"] == FAILED
        else:
            push = await on.bob.push()
            assert (push["group"], push["data"]) == (group, heard)
            assert push["fromUserId"] == "alice"
        await on.server.errors()
        await fence(on, protocol)


async def test_requests_without_ack_and_behind_an_open_one_keep_their_order(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with trial(gateway, protocol, "publish", pattern="g") as on:
        content = {**PUBLISH, "metadata": {"k": "v"}}
        for number in range(4):
            group = "h" if number == 2 else "g"
            frame = {**content, "group": group, "data": number}
            await on.alice.socket.send(json.dumps(frame))
        for number in (0, 1, 3):
            event = await on.server.event("publish")
            assert event["data"] == data(protocol, number)
            assert event["metadata"] == {"k": "v"}
            await on.server.quiet()  # one at a time
            kind = "deny" if number == 1 else "allow"
            await on.server.answer(event, kind)
        assert await on.bob.datas(3) == [0, 2, 3]


async def test_what_a_client_may_not_do_is_not_asked_about(
    gateway: GatewayProcess, protocol: str
) -> None:
    hub = fresh_hub("intercept")
    async with (
        BareServer(gateway, hub, protocol) as server,
        client(gateway, hub, roles=()) as poor,
    ):
        await server.handle("publish", "subscribe")
        for wish in (PUBLISH, {"type": "joinGroup", "group": "g"}):
            assert (await poor.request(**wish))["error"]["name"] == "Forbidden"
        await server.quiet()


async def test_only_wishes_that_pass_the_filter_are_asked_about(
    gateway: GatewayProcess, protocol: str
) -> None:
    rule = {"pattern": "?", "filter": "group eq 'g' and userId eq 'alice'"}
    async with trial(gateway, protocol, "publish", **rule) as on:
        assert (await on.alice.request(**{**PUBLISH, "group": "h"}))["success"]
        assert (await on.bob.request(**PUBLISH, noEcho=True))["success"]
        asking = asyncio.create_task(on.alice.request(**PUBLISH))
        await on.server.answer(await on.server.event("publish"), "deny")
        assert not (await asking)["success"]


@pytest.mark.parametrize(
    ("kind", "fields", "member_of"),
    [
        ("allow", {}, "g"),
        ("allow", {"group": "other"}, "other"),
        ("deny", {"reason": "full"}, None),
        ("accept", {}, None),
    ],
    ids=str,
)
async def test_a_client_joins_as_the_server_decides(
    gateway: GatewayProcess,
    protocol: str,
    kind: str,
    fields: dict[str, Any],
    member_of: str | None,
) -> None:
    async with trial(gateway, protocol, "subscribe") as on:
        asking = asyncio.create_task(on.alice.request(type="joinGroup", group="g"))
        event = await on.server.event("subscribe")
        assert (event["group"], event["userId"]) == ("g", "alice")
        await on.server.answer(event, kind, **fields)
        ack = await asking
        assert ack["success"] == (member_of is not None)
        if kind == "deny":
            assert ack["error"] == {"name": "Forbidden", "message": "full"}
        for group in ("g", "other"):
            await on.server.do(type="publish", group=group, data=data(protocol, group))
        await on.server.do(type="publish", data=data(protocol, "fence"))
        assert await on.alice.data() == (member_of or "fence")
        # Groups of the token and of servers are not wishes of the client.
        await on.server.do(type="addToGroup", group="new", connectionId=on.alice.id)
        assert (await on.alice.request(type="leaveGroup", group="g"))["success"]
        await on.server.quiet()


async def test_a_rewritten_publish_spares_its_sender_where_it_asked_so(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with trial(gateway, protocol, "publish") as on:
        await on.server.do(type="addToGroup", group="h", connectionId=on.alice.id)
        asking = asyncio.create_task(on.alice.request(**PUBLISH, noEcho=True))
        event = await on.server.event("publish")
        await on.server.answer(event, "allow", group="h", metadata={"by": "server"})
        assert (await asking)["success"]
        push = await on.bob.push()
        assert (push["group"], push["metadata"]) == ("h", {"by": "server"})
        await on.server.do(type="publish", data=data(protocol, "fence"))
        assert await on.alice.data() == "fence"


async def test_frames_of_simple_clients_are_decided_on_without_closing_them(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with trial(gateway, protocol, "publish") as on:
        hub = on.server.welcome["hub"]
        mode = "&webpubsub_mode=sendToGroup&group=g&noEcho=true"
        async with client(gateway, hub, "sam", simple=True, query=mode) as simple:
            for text, kind, fields in (
                ("one", "deny", {"reason": "no"}),
                ("two", "fail", {}),
                ("three", "allow", {"dataType": "text", "data": "THREE"}),
                ("four", "allow", {"group": "h"}),
                ("five", "allow", {}),
            ):
                await simple.socket.send(text)
                event = await on.server.event("publish")
                assert (event["data"], event["userId"]) == (text, "sam")
                assert "subprotocol" not in event
                await on.server.answer(event, kind, **fields)
            heard = [await on.bob.push() for _ in range(3)]
            # Groups have an order each, and none in common.
            by_group = sorted(heard, key=lambda one: str(one["group"]))
            assert [(one["group"], one["data"]) for one in by_group] == [
                ("g", "THREE"),
                ("g", "five"),
                ("h", "four"),
            ]


async def test_a_client_that_publishes_and_leaves_is_still_decided_on(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with trial(gateway, protocol, "publish") as on:
        hub = on.server.welcome["hub"]
        async with client(gateway, hub, "carol") as carol:
            await carol.socket.send(json.dumps(PUBLISH))
        event = await on.server.event("publish")
        assert event["userId"] == "carol"
        await on.server.answer(event, "allow")
        assert await on.bob.data() == {"n": 1}


async def test_an_interception_begins_and_ends_with_its_declaration(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with trial(gateway, protocol, "publish") as on:
        async with BareServer(gateway, on.server.welcome["hub"], protocol) as other:
            await on.server.do(type="handle")
            assert (await on.alice.request(**PUBLISH))["success"]
            await other.handle("publish")
            asking = asyncio.create_task(on.alice.request(**PUBLISH))
            await other.answer(await other.event("publish"), "deny")
            assert not (await asking)["success"]
            await other.do(type="handle")
        assert (await on.alice.request(**PUBLISH))["success"]
        await on.server.quiet()
