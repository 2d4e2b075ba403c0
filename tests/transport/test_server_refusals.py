"""Requests of servers that cannot be carried out: refused alone, against a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.bare_server import CBOR, JSON, BareServer, data
from support.server_witness import ServerWitness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.gateway import GatewayProcess

LONG = "x" * 1025
MANY = [f"g{number}" for number in range(101)]
ABOUT = {"permission": "sendToGroup", "connectionId": "c", "group": "g"}

RULES: list[Any] = [
    None,
    "event",
    {},
    [7],
    [{}],
    [{"kind": None}],
    [{"kind": "event"}, {"kind": "system"}],
    [{"kind": "event", "pattern": "a*\\"}],
    [{"kind": "publish", "pattern": "a\\x"}],
    [{"kind": "event", "filter": "userId"}],
    [{"kind": "event", "filter": "userId eq"}],
    [{"kind": "event", "filter": "nobody eq 'a'"}],
    [{"kind": "event", "filter": "(" * 5000}],
    [{"kind": "event", "filter": 7}],
    [{"kind": "event"}] * 101,
]
MORE: list[dict[str, Any]] = [
    {"group": ""},
    {"group": LONG},
    {"group": 7},
    {"group": "g", "userId": "u"},
    {"userId": "u", "connectionId": "c"},
    {"connectionId": ""},
    {"userId": 7},
    {"noEcho": 1},
    {"noEcho": "true"},
    {"excluded": "c"},
    {"excluded": [7]},
    {"filter": "userId eq 'a"},
    {"filter": 7},
    {"ttlSeconds": -1},
    {"ttlSeconds": 301},
    {"ttlSeconds": 0.5},
    {"metadata": {"": "x"}},
    {"metadata": {"k": 7}},
    {"metadata": {"k": "ü"}},
    {"metadata": {"k": "x" * 20_000}},
    {"metadata": []},
]

REFUSED: list[dict[str, Any]] = [
    {"type": "unheard"},
    {"type": "Publish"},
    {"type": ""},
    {"type": None},
    {"type": 7},
    {"type": ["publish"]},
    {},
    # subscriber
    *({"type": "subscribe", "group": group} for group in ("", "  ", LONG, 7, ["g"])),
    {"type": "unsubscribe", "group": ""},
    *({"type": "handle", "rules": rules} for rules in RULES),
    *(
        {"type": "handle", "window": window}
        for window in (0, -1, 10_001, "1", None, 1.5, True)
    ),
    # publisher
    {"type": "publish"},
    {"type": "publish", "data": None},
    *(
        {"type": "publish", "dataType": kind, "data": value}
        for kind, value in (
            ("color", "x"),
            ("text", 7),
            ("text", None),
            ("text", ["x"]),
            ("binary", 7),
            ("binary", {}),
            ("protobuf", 1.5),
            (7, "x"),
        )
    ),
    *({"type": "publish", "dataType": "text", "data": "x", **more} for more in MORE),
    # manager
    {"type": "watch", "groups": MANY},
    {"type": "watch", "groups": ["a\\"]},
    {"type": "watch", "groups": "a"},
    {"type": "watch", "connections": "yes"},
    {"type": "close", "group": "g", "userId": "u"},
    {"type": "close", "reason": 7},
    {"type": "exists"},
    {"type": "exists", "group": ""},
    {"type": "addToGroup", "userId": "u"},
    {"type": "addToGroup", "group": "g"},
    {"type": "addToGroup", "group": "g", "userId": "u", "connectionId": "c"},
    {"type": "addToGroup", "group": "", "userId": "u"},
    {"type": "removeFromGroup", "group": "g"},
    {"type": "removeFromGroup", "group": "", "connectionId": "c"},
    *(
        {"type": name, "groups": groups}
        for name in ("addAllToGroups", "removeAllFromGroups")
        for groups in ([], MANY, ["g", ""], "g", [7])
    ),
    {"type": "addAllToGroups", "groups": ["g"], "filter": "1"},
    *(
        {"type": name, **ABOUT, **change}
        for name in ("grant", "revoke", "hasPermission")
        for change in (
            {"permission": "everything"},
            {"permission": ""},
            {"permission": None},
            {"connectionId": ""},
            {"group": ""},
            {"group": None},
        )
    ),
    {"type": "members"},
    {"type": "members", "group": ""},
    *({"type": "members", "group": "g", "limit": limit} for limit in (0, -1, 201, "1")),
    {"type": "members", "group": "g", "after": 7},
    # answers
    {"type": "respond"},
    {"type": "accept", "userId": "u"},
    {"type": "done", "eventId": "1"},
]


@pytest.fixture(scope="module")
def witness(gateway: GatewayProcess) -> Iterator[ServerWitness]:
    with ServerWitness(gateway, "refusals") as found:
        yield found


def short(frame: dict[str, Any]) -> str:
    return repr(frame)[:70]


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_what_makes_no_sense_is_refused_by_its_id_and_closes_nothing(
    gateway: GatewayProcess, witness: ServerWitness, protocol: str
) -> None:
    async with BareServer(gateway, "refusals", protocol) as server:
        taken = []
        for frame in REFUSED:
            if frame == {"type": "done", "eventId": "1"}:
                continue  # neither number can be read: see the hostile frames
            push = await server.request(**frame)
            if (push["type"], push.get("name")) != ("error", "BadRequest"):
                taken.append(short(frame))
            assert "message" in push, frame
        assert taken == []
        await server.quiet()
    witness.check()


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_what_is_at_its_bound_is_taken(
    gateway: GatewayProcess, witness: ServerWitness, protocol: str
) -> None:
    async with BareServer(gateway, "bounds", protocol) as server:
        for frame in (
            {"type": "subscribe", "group": "ü" * 1024},
            {"type": "handle", "rules": [{"kind": "event"}] * 100, "window": 10_000},
            {"type": "handle", "rules": [], "window": 1, "unknown": "member"},
            {"type": "publish", "data": data(protocol, 1), "ttlSeconds": 300},
            {"type": "publish", "data": data(protocol, False), "filter": ""},
            {"type": "publish", "dataType": "text", "data": "", "metadata": {}},
            {"type": "publish", "dataType": "binary", "data": _nothing(protocol)},
            {"type": "members", "group": "g", "limit": 200},
            {"type": "addAllToGroups", "groups": MANY[:100]},
        ):
            await server.do(**frame)
        await server.send(type="subscribe", group="other", id=2**53 - 1)
        assert await server.push() == {"type": "result", "id": 2**53 - 1}
        await server.send(type="subscribe", group="other", id=0)
        assert await server.push() == {"type": "result", "id": 0}
    witness.check()


def _nothing(protocol: str) -> bytes | str:
    return b"" if protocol == CBOR else ""


@pytest.mark.parametrize("protocol", [JSON, CBOR])
async def test_a_hub_remembers_a_thousand_rules(
    gateway: GatewayProcess, witness: ServerWitness, protocol: str
) -> None:
    hub = f"thousand_{protocol}"
    rules = [
        [{"kind": "event", "pattern": f"e{batch}.{number}"} for number in range(100)]
        for batch in range(11)
    ]
    for batch in rules[:10]:
        async with BareServer(gateway, hub, protocol) as brief:
            await brief.do(type="handle", rules=batch)
    async with BareServer(gateway, hub, protocol) as server:
        frame = {"type": "handle", "rules": rules[10]}
        assert await server.refusal(**frame) == "Conflict"
        await server.do(type="handle", rules=rules[3])
        await server.do(type="handle", rules=[])  # what is taken back makes room
        await server.do(**frame)
    witness.check()
