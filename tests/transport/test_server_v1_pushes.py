"""What attached servers are told: JSON and CBOR say the same, and as documented."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, get_args

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import commands, events, pushes, servers
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.messages.servers import ErrorName
from hubbub.actors.policy.rules import KINDS
from hubbub.transport.subprotocols.server_frames import AnyFrame
from hubbub.transport.subprotocols.server_v1 import CborServer, JsonServer
from hubbub.transport.wire.frames import BINARY, TEXT
from support.server_examples import PUSHES, REQUESTS, fields
from support.server_page import PAGE, Example, cddl, examples

if TYPE_CHECKING:
    from hubbub.transport.subprotocols.server_frames import Frame

JSON, CBOR = JsonServer(), CborServer()
SHAPE = cddl()
BARE = events.Client("chat", "c")
FULL = events.Client("chat", "c", "ü", "json.webpubsub.azure.v1", "s")
WHO: dict[str, Any] = {"connectionId": "c"}
ALL = {**WHO, "userId": "ü", "subprotocol": "json.webpubsub.azure.v1", "state": "s"}
EVENT: dict[str, Any] = {"type": "event", "eventId": 7}
META = {"metadata": {"k": "v"}}

TARGETS: list[tuple[commands.Target, dict[str, str]]] = [
    (commands.Everyone(), {}),
    (commands.ToGroup("g"), {"group": "g"}),
    (commands.ToUser("u"), {"userId": "u"}),
    (commands.ToConnection("c"), {"connectionId": "c"}),
]

SAID: list[tuple[servers.ServerPush, dict[str, Any], Payload | None]] = [
    (
        servers.Welcome("s", "chat", ("manager",)),
        {"type": "welcome", "serverId": "s", "hub": "chat", "roles": ["manager"]},
        None,
    ),
    (servers.Result(0), {"type": "result", "id": 0}, None),
    (servers.Result(1, False), {"type": "result", "id": 1, "value": False}, None),
    (
        servers.Result(2, commands.MemberPage((("a", None), ("b", "u")), True)),
        {
            "type": "result",
            "id": 2,
            "value": {
                "members": [
                    {"connectionId": "a"},
                    {"connectionId": "b", "userId": "u"},
                ],
                "more": True,
            },
        },
        None,
    ),
    *(
        (
            servers.Refused(number, name, "ü"),
            {"type": "error", "name": str(name), "message": "ü"}
            | ({} if number is None else {"id": number}),
            None,
        )
        for name in ErrorName
        for number in (None, 0, 2**53 - 1)
    ),
    (servers.Cancelled(7), {"type": "cancel", "eventId": 7}, None),
    (
        servers.Presence("joined", "c", None, "g"),
        {"type": "presence", "kind": "joined", "connectionId": "c", "group": "g"},
        None,
    ),
    (
        servers.Presence("disconnected", "c", "u"),
        {
            "type": "presence",
            "kind": "disconnected",
            "connectionId": "c",
            "userId": "u",
        },
        None,
    ),
    (servers.Draining(), {"type": "draining"}, None),
    (pushes.Pong(), {"type": "pong"}, None),
    *(
        (
            servers.Overheard(target, user, Text("x"), {"k": "v"}),
            {"type": "message", "scope": "hub", **said, **who, **META},
            Text("x"),
        )
        for target, said in TARGETS
        for user, who in ((None, {}), ("ü", {"fromUserId": "ü"}))
    ),
    *(
        (
            pushes.GroupMessage("g", "u", payload),
            {"type": "message", "group": "g", "fromUserId": "u"},
            payload,
        )
        for payload in (
            Text(""),
            Text("ü ✓"),
            Json(b'{"b": 1.50}'),
            Json(b"null"),
            Binary(b""),
            Binary(b"\0\xff"),
            Protobuf(b"\x0a"),
        )
    ),
    (
        servers.Event(
            7,
            events.Connect(
                BARE,
                0,
                {"q": ("1", "")},
                {"Host": ("h",)},
                {"sub": ("u",), "none": ()},
                ("p",),
                (events.Certificate("AB", "PEM"),),
            ),
        ),
        {
            **EVENT,
            **WHO,
            "kind": "connect",
            "query": {"q": ["1", ""]},
            "headers": {"Host": ["h"]},
            "claims": {"sub": ["u"], "none": []},
            "subprotocols": ["p"],
            "clientCertificates": [{"thumbprint": "AB", "content": "PEM"}],
        },
        None,
    ),
    (
        servers.Event(7, events.Connected(FULL, 1), 3),
        {**EVENT, **ALL, "kind": "connected", "attempt": 3},
        None,
    ),
    (
        servers.Event(7, events.Disconnected(BARE, 2, "")),
        {**EVENT, **WHO, "kind": "disconnected", "reason": ""},
        None,
    ),
    (
        servers.Event(7, events.UserEvent(FULL, 2, "e", Json(b"1"), {"k": "v"})),
        {**EVENT, **ALL, "kind": "event", "event": "e", **META},
        Json(b"1"),
    ),
    (
        servers.Event(7, events.Publish(BARE, 2, "g", Binary(b"\x01")), 2),
        {**EVENT, **WHO, "kind": "publish", "group": "g", "attempt": 2},
        Binary(b"\x01"),
    ),
    *(
        (
            servers.Event(7, kind(BARE, 2, "g")),
            {**EVENT, **WHO, "kind": kind.__name__.lower(), "group": "g"},
            None,
        )
        for kind in (events.Subscribe, events.Joined, events.Left)
    ),
]


@pytest.mark.parametrize(("push", "frame", "payload"), SAID)
def test_both_subprotocols_say_the_same_push(
    push: servers.ServerPush, frame: dict[str, Any], payload: Payload | None
) -> None:
    in_json, in_cbor = fields(payload) if payload is not None else ({}, {})
    kind, text = JSON.compose(push)
    assert kind == TEXT
    assert json.loads(text) == {**frame, **in_json}
    kind, data = CBOR.compose(push)
    assert kind == BINARY
    assert cbor2.loads(data) == {**frame, **in_cbor}
    assert SHAPE.fits(json.loads(text), "push")
    assert SHAPE.fits(cbor2.loads(data), "push")


def test_every_push_and_kind_of_the_page_is_in_the_table() -> None:
    frames = [frame for _, frame, _ in SAID]
    assert {frame["type"] for frame in frames} == SHAPE.literals("push", "type")
    kinds = {frame["kind"] for frame in frames if frame["type"] == "event"}
    assert (
        kinds
        == SHAPE.literals("event", "kind")
        == SHAPE.literals("kind", "")
        == {*KINDS}
    )


def test_the_page_describes_every_request() -> None:
    known = {frame.__struct_config__.tag for frame in _frames()}
    assert SHAPE.literals("request", "type") == known


def test_the_page_names_every_member_of_a_request() -> None:
    members = {name for frame in _frames() for name in frame.__struct_encode_fields__}
    assert members <= SHAPE.names()


def _frames() -> list[type[Frame]]:
    return list(get_args(AnyFrame))


@given(st.binary() | st.text())
def test_payloads_go_out_unchanged(value: bytes | str) -> None:
    cases: list[Payload] = (
        [Text(value), Json(json.dumps([value], ensure_ascii=False).encode())]
        if isinstance(value, str)
        else [Binary(value), Protobuf(value)]
    )
    for payload in cases:
        push = pushes.GroupMessage("g", None, payload)
        text, data = JSON.compose(push)[1], cbor2.loads(CBOR.compose(push)[1])
        match payload:
            case Text(expected):
                assert json.loads(text)["data"] == data["data"] == expected
            case Json(raw):
                assert b'"data":' + raw in text
                assert data["data"].encode() == raw
            case Binary(expected) | Protobuf(expected):
                assert base64.b64decode(json.loads(text)["data"]) == expected
                assert data["data"] == expected


# The bytes of the page.


@pytest.mark.parametrize("one", examples(), ids=lambda one: one.title)
def test_the_bytes_of_the_page_are_what_is_sent_and_read(one: Example) -> None:
    assert cbor2.loads(one.cbor) == one.diagnostic
    assert cbor2.dumps(one.diagnostic) == one.cbor
    assert SHAPE.fits(
        json.loads(one.json), "push" if one.title in PUSHES else "request"
    )
    if one.title in REQUESTS:
        expected = REQUESTS[one.title]
        assert JSON.decode(one.json.encode(), True) == expected
        assert CBOR.decode(one.cbor, False) == expected
    else:
        push = PUSHES[one.title]
        assert json.loads(JSON.compose(push)[1]) == json.loads(one.json)
        assert CBOR.compose(push)[1] == one.cbor


def test_every_example_is_on_the_page() -> None:
    assert [one.title for one in examples()] == [*REQUESTS, *PUSHES]


def test_the_page_explains_every_frame_error_and_kind() -> None:
    text = PAGE.read_text()
    names = {
        *SHAPE.literals("request", "type"),
        *SHAPE.literals("push", "type"),
        *KINDS,
        *map(str, ErrorName),
    }
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
