"""What an attached server publishes and hears, against a real process."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, BareServer, client, data, scene

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

pytestmark = pytest.mark.parametrize("protocol", [JSON, CBOR])


# Publishing.


@pytest.mark.parametrize(
    ("target", "alice", "bob"),
    [
        ({}, True, True),
        ({"group": "a"}, True, False),
        ({"group": "both"}, True, True),
        ({"group": "nobody"}, False, False),
        ({"userId": "bob"}, False, True),
        ({"userId": "nobody"}, False, False),
        ({"connectionId": "bob"}, False, True),
        ({"connectionId": "nobody"}, False, False),
        ({"excluded": ["alice"]}, False, True),
        ({"group": "both", "excluded": ["alice", "x"]}, False, True),
        ({"userId": "alice", "excluded": ["alice"]}, False, False),
        ({"filter": "userId eq 'alice'"}, True, False),
        ({"group": "both", "filter": "not ('a' in groups)"}, False, True),
        ({"group": "both", "filter": "true", "excluded": ["bob"]}, True, False),
        ({"ttlSeconds": 300, "noEcho": True}, True, True),
    ],
    ids=str,
)
async def test_a_message_reaches_whom_it_is_for(
    gateway: GatewayProcess,
    protocol: str,
    target: dict[str, Any],
    alice: bool,
    bob: bool,
) -> None:
    async with scene(gateway, protocol, "targets") as all_of:
        ids = {"alice": all_of.alice.id, "bob": all_of.bob.id}
        if "excluded" in target:
            target = {**target, "excluded": [ids.get(n, n) for n in target["excluded"]]}
        if "connectionId" in target:
            name = target["connectionId"]
            target = {**target, "connectionId": ids.get(name, name)}
        message = {"type": "publish", "data": data(protocol, "x")}
        await all_of.server.do(**message, **target)
        await all_of.server.do(type="publish", dataType="text", data="fence")
        assert await all_of.alice.data() == ("x" if alice else "fence")
        assert await all_of.bob.data() == ("x" if bob else "fence")


async def test_every_data_type_and_metadata_arrive_as_they_were_sent(
    gateway: GatewayProcess, protocol: str
) -> None:
    raw = b"\x00\x01\xff"
    said = raw if protocol == CBOR else base64.b64encode(raw).decode()
    values = [
        ("text", "grüße ✓", "grüße ✓"),
        ("text", "", ""),
        (
            "json",
            data(protocol, {"b": [1.50, None], "a": "x"}),
            {"b": [1.5, None], "a": "x"},
        ),
        ("binary", said, raw),
        ("protobuf", said, raw),
    ]
    async with scene(gateway, protocol, "types") as all_of:
        await all_of.server.do(type="subscribe", group="both")
        for kind, sent, expected in values:
            await all_of.server.do(
                type="publish",
                group="both",
                dataType=kind,
                data=sent,
                metadata={"trace": "t-1", "Other": "two words"},
            )
            for receiver in (all_of.alice, all_of.bob):
                push = await receiver.push()
                assert push["dataType"] == kind
                assert push["metadata"] == {"trace": "t-1", "Other": "two words"}
                got = push["data"]
                if isinstance(expected, bytes):
                    got = base64.b64decode(got, validate=True)
                assert got == expected
            assert await all_of.server.data() == expected


async def test_json_is_relayed_byte_for_byte(
    gateway: GatewayProcess, protocol: str
) -> None:
    text = '{ "n": 1.10,\t"big": 123456789012345678901234567890, "n": "\\u00e9" }'
    async with (
        scene(gateway, protocol, "bytes") as all_of,
        client(gateway, all_of.hub, simple=True) as simple,
    ):
        if protocol == CBOR:
            await all_of.server.do(type="publish", data=text)
        else:
            await all_of.server.raw(f'{{"type":"publish","data":{text}}}')
        assert await simple.frame() == text


async def test_messages_of_one_server_arrive_in_order_and_before_their_result(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "order") as all_of:
        server = all_of.server
        await server.do(type="subscribe", group="both")
        for number in range(1000):
            await server.send(type="publish", group="both", data=data(protocol, number))
        await server.send(type="publish", group="both", data=data(protocol, -1), id=77)
        expected = [*range(1000), -1]
        for receiver in (all_of.alice, all_of.bob):
            assert await receiver.datas(1001) == expected
        assert [await server.data() for _ in expected] == expected
        assert await server.push() == {"type": "result", "id": 77}


# Listening.


async def test_a_server_hears_its_groups_until_it_unsubscribes(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "hear") as all_of:
        server, alice = all_of.server, all_of.alice
        await server.do(type="subscribe", group="a")
        await server.do(type="subscribe", group="a")  # twice is as once
        await server.do(type="subscribe", group="empty")
        for group in ("a", "both", "empty"):
            sent = {"type": "sendToGroup", "group": group, "data": group}
            assert (await alice.request(**sent))["success"]
        first = await server.push()
        first["data"] = "a"
        assert first == {
            "type": "message",
            "group": "a",
            "fromUserId": "alice",
            "dataType": "json",
            "data": "a",
        }
        assert await server.data() == "empty"
        await server.do(type="unsubscribe", group="a")
        await server.do(type="unsubscribe", group="a")
        assert (await alice.request(type="sendToGroup", group="a", data=2))["success"]
        await server.quiet()


async def test_a_server_hears_the_whole_hub_and_to_whom(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with (
        scene(gateway, protocol, "hub") as all_of,
        BareServer(gateway, all_of.hub, protocol) as other,
    ):
        server, bob = all_of.server, all_of.bob.id
        await server.do(type="subscribe")
        one = {"data": data(protocol, 1)}
        sent = {"type": "sendToGroup", "group": "a", "data": 1}
        assert (await all_of.alice.request(**sent))["success"]
        for target in (
            {"userId": "bob"},
            {"connectionId": bob},
            {"group": "nobody"},
            {},
        ):
            await other.do(type="publish", **target, **one)
        await other.do(type="publish", filter="false", **one)
        heard = [await server.push() for _ in range(6)]
        scope = {"type": "message", "scope": "hub", "dataType": "json", **one}
        assert heard == [
            {**scope, "group": "a", "fromUserId": "alice"},
            {**scope, "userId": "bob"},
            {**scope, "connectionId": bob},
            {**scope, "group": "nobody"},
            scope,
            scope,
        ]
        await server.do(type="unsubscribe")
        await other.do(type="publish", **one)
        await server.quiet()


async def test_no_echo_spares_the_server_that_publishes(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with (
        scene(gateway, protocol, "echo") as all_of,
        BareServer(gateway, all_of.hub, protocol) as other,
    ):
        server = all_of.server
        for listener in (server, other):
            await listener.do(type="subscribe", group="both")
        await server.do(type="subscribe")
        sent = {"type": "publish", "group": "both", "data": data(protocol, "x")}
        await server.do(**sent, noEcho=True)
        await server.quiet()
        assert await other.data() == "x"
        await other.do(**sent, excluded=[server.id])
        await server.quiet()
        assert await other.data() == "x"
        await server.do(**sent)
        assert [await server.data() for _ in range(2)] == ["x", "x"]  # group and hub


async def test_a_listening_server_is_no_member(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "member") as all_of:
        server = all_of.server
        await server.do(type="subscribe", group="quiet")
        assert await server.do(type="exists", group="quiet") is False
        assert await server.do(type="members", group="quiet") == {
            "members": [],
            "more": False,
        }
        await server.do(type="removeAllFromGroups", groups=["quiet"])
        await server.do(type="publish", group="quiet", data=data(protocol, 1))
        assert await server.data() == 1


async def test_a_group_ends_for_a_server_that_is_gone(
    gateway: GatewayProcess, protocol: str
) -> None:
    async with scene(gateway, protocol, "gone") as all_of:
        async with BareServer(gateway, all_of.hub, protocol) as brief:
            await brief.do(type="subscribe", group="a")
            await brief.do(type="subscribe", group="brief")
            await brief.do(type="subscribe")
            await brief.do(type="watch", connections=True, groups=["**"])
            brief.die()
        for group in ("a", "brief"):
            await all_of.server.do(
                type="publish", group=group, data=data(protocol, group)
            )
        assert await all_of.alice.data() == "a"
    assert "Traceback" not in gateway.log
