"""What attached servers send, byte by byte: JSON and CBOR give the same requests."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest

from hubbub.actors.messages import commands, events, requests, servers
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.messages.servers import Rule, ServerRole
from hubbub.actors.policy.filter import compile_filter
from hubbub.transport.subprotocols.server_v1 import CborServer, JsonServer
from support.server_examples import fields
from support.server_page import cddl

JSON, CBOR = JsonServer(), CborServer()
SHAPE = cddl()
NOWHERE: Any = None
MANAGER = ServerRole.MANAGER
ME = {"connectionId": "c"}
ABOUT = {"connectionId": "c", "permission": "joinLeaveGroup", "group": "g"}
JOIN = commands.Permission.JOIN_LEAVE_GROUP
TO_C = commands.ToConnection("c")


def order(command: commands.Command, **more: Any) -> servers.Order:
    return servers.Order(command, MANAGER, **more)


def publish(payload: Payload = Text("x"), **more: Any) -> servers.Order:  # noqa: B008 - frozen
    order_fields = {
        name: more.pop(name) for name in ("request_id", "no_echo") if name in more
    }
    target = more.pop("target", commands.Everyone())
    command = commands.Publish(target, payload, **more)
    return servers.Order(command, ServerRole.PUBLISHER, **order_fields)


REQUESTS: list[tuple[dict[str, Any], Payload | None, servers.ServerRequest]] = [
    ({"type": "subscribe"}, None, servers.Listen(None)),
    ({"type": "subscribe", "group": "g", "id": 0}, None, servers.Listen("g", 0)),
    ({"type": "unsubscribe", "group": "g", "id": 1}, None, servers.Unlisten("g", 1)),
    ({"type": "handle"}, None, servers.Handle((), 1000)),
    (
        {
            "type": "handle",
            "rules": [
                {"kind": "connect"},
                {"kind": "event", "pattern": "a.*, b"},
                {"kind": "publish", "pattern": "**", "filter": "group eq 'g'"},
                {"kind": "left", "filter": ""},
            ],
            "window": 7,
            "id": 2**53 - 1,
        },
        None,
        servers.Handle(
            (
                Rule("connect"),
                Rule("event", "a.*, b"),
                Rule("publish", "**", "group eq 'g'"),
                Rule("left"),
            ),
            7,
            2**53 - 1,
        ),
    ),
    ({"type": "watch", "groups": ["a-*"]}, None, servers.Watch(False, ("a-*",))),
    ({"type": "watch", "connections": True}, None, servers.Watch(True, ())),
    ({"type": "publish"}, Text("x"), publish()),
    (
        {"type": "publish", "group": "g", "noEcho": True, "excluded": ["c"], "id": 4},
        Json(b"[1]"),
        publish(
            Json(b"[1]"),
            target=commands.ToGroup("g"),
            exclude=("c",),
            no_echo=True,
            request_id=4,
        ),
    ),
    (
        {"type": "publish", "userId": "u", "filter": "true", "ttlSeconds": 5},
        Binary(b"\0\xff"),
        publish(
            Binary(b"\0\xff"),
            target=commands.ToUser("u"),
            ttl=5,
            where=compile_filter("true"),
        ),
    ),
    (
        {"type": "publish", **ME, "metadata": {"k": "v"}, "filter": "", "new": 1},
        Protobuf(b""),
        publish(Protobuf(b""), target=TO_C, metadata={"k": "v"}),
    ),
    ({"type": "close"}, None, order(commands.Close(commands.Everyone()))),
    (
        {"type": "close", **ME, "excluded": ["d"], "reason": "why"},
        None,
        order(commands.Close(TO_C, ("d",), "why")),
    ),
    (
        {"type": "exists", "group": "g", "id": 3},
        None,
        order(commands.Exists(commands.ToGroup("g"), NOWHERE), request_id=3),
    ),
    (
        {"type": "addToGroup", "group": "g", "userId": "u"},
        None,
        order(commands.AddToGroup(commands.ToUser("u"), "g")),
    ),
    (
        {"type": "removeFromGroup", **ME},
        None,
        order(commands.RemoveFromGroup(TO_C, None)),
    ),
    (
        {"type": "addAllToGroups", "groups": ["g", "h"]},
        None,
        order(commands.AddAllToGroups(("g", "h"), None)),
    ),
    (
        {"type": "removeAllFromGroups", "groups": ["g"], "filter": "true"},
        None,
        order(commands.RemoveAllFromGroups(("g",), compile_filter("true"))),
    ),
    ({"type": "grant", **ABOUT}, None, order(commands.Grant("c", JOIN, "g", NOWHERE))),
    (
        {"type": "revoke", **ABOUT},
        None,
        order(commands.Revoke("c", JOIN, "g", NOWHERE)),
    ),
    (
        {"type": "hasPermission", **ABOUT},
        None,
        order(commands.HasPermission("c", JOIN, "g", NOWHERE)),
    ),
    (
        {"type": "members", "group": "g"},
        None,
        order(commands.Members("g", "", 200, NOWHERE)),
    ),
    (
        {"type": "members", "group": "g", "after": "c", "limit": 1},
        None,
        order(commands.Members("g", "c", 1, NOWHERE)),
    ),
    ({"type": "drain", "id": 9}, None, servers.Retire(9)),
    ({"type": "ping"}, None, requests.Ping()),
    ({"type": "accept", "eventId": 1}, None, servers.Answer(1, events.Accept())),
    (
        {
            "type": "accept",
            "eventId": 1,
            "userId": "",
            "groups": ["g"],
            "roles": [],
            "subprotocol": "p",
            "state": "s",
        },
        None,
        servers.Answer(1, events.Accept("", ("g",), (), "p", "s")),
    ),
    ({"type": "reject", "eventId": 1}, None, servers.Answer(1, events.Reject())),
    (
        {"type": "reject", "eventId": 1, "status": 403, "reason": "no"},
        None,
        servers.Answer(1, events.Reject(403, "no")),
    ),
    ({"type": "respond", "eventId": 2}, None, servers.Answer(2, events.Respond())),
    (
        {"type": "respond", "eventId": 2, "state": "s", "metadata": {"k": "v"}},
        Text("t"),
        servers.Answer(2, events.Respond(Text("t"), "s", {"k": "v"})),
    ),
    ({"type": "allow", "eventId": 3}, None, servers.Answer(3, events.Allow())),
    (
        {"type": "allow", "eventId": 3, "group": "h", "metadata": {"k": "v"}},
        Json(b"1"),
        servers.Answer(3, events.Allow(Json(b"1"), {"k": "v"}, "h")),
    ),
    (
        {"type": "deny", "eventId": 4, "reason": "no"},
        None,
        servers.Answer(4, events.Deny("no")),
    ),
    (
        {"type": "fail", "eventId": 5, "reason": "no"},
        None,
        servers.Answer(5, events.Fail("no")),
    ),
    ({"type": "done", "eventId": 6, "id": 7}, None, servers.Answer(6, None)),
]


@pytest.mark.parametrize(("frame", "payload", "request_"), REQUESTS)
def test_both_subprotocols_read_the_same_request(
    frame: dict[str, Any],
    payload: Payload | None,
    request_: servers.ServerRequest,
) -> None:
    in_json, in_cbor = fields(payload) if payload is not None else ({}, {})
    assert JSON.decode(json.dumps({**frame, **in_json}).encode(), True) == request_
    assert CBOR.decode(cbor2.dumps({**frame, **in_cbor}), False) == request_
    assert SHAPE.fits({**frame, **in_json}, "request")
    assert SHAPE.fits({**frame, **in_cbor}, "request")


def test_every_request_of_the_page_is_in_the_table() -> None:
    known = {frame["type"] for frame, _, _ in REQUESTS}
    assert known == SHAPE.literals("request", "type")


@pytest.mark.parametrize("text", ["null", " null ", "", "[1", "1 2"])
def test_json_in_cbor_must_be_json_that_clients_can_be_told(text: str) -> None:
    frame = {"type": "publish", "id": 1, "dataType": "json", "data": text}
    refused = CborServer().decode(cbor2.dumps(frame), False)
    assert isinstance(refused, servers.Unclear)
    assert refused.request_id == 1
