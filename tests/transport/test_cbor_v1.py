"""The CBOR subprotocols: what the page on them says, byte by byte, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator, schema_diagnostics
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols.cbor_v1 import CborReliableV1, CborV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import BINARY
from support import subprotocols as given_

V1, RELIABLE = CborV1(), CborReliableV1()
BOTH = pytest.mark.parametrize("codec", [V1, RELIABLE], ids=["v1", "reliable"])
MOST_ID = 2**64 - 1
LONG = "i" * 1024

# The page.

PAGE = (
    Path(__file__).parents[2] / "docs" / "reference" / "cbor-subprotocol.md"
).read_text()
(CDDL,) = re.findall(r"^```cddl\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHAPE = Validator(CDDL)
SHOWN = {
    title: (diagnostic, bytes.fromhex("".join(digits.split())))
    for title, diagnostic, digits in re.findall(
        r"^#### ([^\n]+)\n\n```cbor-diag\n(.*?)^```\n\n```hex\n(.*?)^```",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
}


def fits(data: bytes, kind: str) -> bool:
    return bool(SHAPE.validate(data, root_type=kind).valid)


def values(diagnostic: str) -> Any:
    """Read diagnostic notation (RFC 8949, section 8): JSON, and h'' for bytes."""
    marked = re.sub(r"h'([0-9a-f]*)'", r'{"": "\1"}', diagnostic.replace("\n", " "))
    return json.loads(
        marked,
        object_hook=lambda found: bytes.fromhex(found[""]) if "" in found else found,
    )


TEXT_HI = payloads.Text("hi")
EMPTY = payloads.Text("")

HEARD: dict[str, requests.Request] = {
    "join a group": requests.JoinGroup("g1", 1),
    "publish text": requests.SendToGroup("g1", TEXT_HI, True, 2),
    "publish JSON": requests.SendToGroup(
        "g1", payloads.Json(b'{"k":1}'), metadata={"trace": "t-1"}
    ),
    "call the event handler with bytes": requests.SendEvent(
        "e1", payloads.Binary(b"\x01\x02"), 3
    ),
    "invoke": requests.Invoke("1", "price", payloads.Json(b'{"sku":"a"}')),
    "begin a stream": requests.StartStream("g1", "s-1", False, 60.0),
    "send a part of a stream": requests.SendFragment("s-1", 1, payloads.Text("hel")),
    "end a stream": requests.EndStream("s-1"),
    "set a state": requests.SetGroupState("g1", {"status": "typing"}, 7),
    "acknowledge messages": requests.AckSequence(5),
    "ping": requests.Ping(),
}

SAID: dict[str, pushes.Push] = {
    "connected": pushes.Connected("c1", "u1", "t1"),
    "a message": pushes.GroupMessage("g1", "u1", TEXT_HI),
    "a numbered message": pushes.ServerMessage(payloads.Json(b'{"a":1}')),
    "bytes": pushes.ServerMessage(payloads.Binary(b"\x01\x02\xff")),
    "the end of a stream": pushes.GroupMessage(
        "g1", None, EMPTY, stream=payloads.StreamMark("s-1", 3, end=True)
    ),
    "success": pushes.Ack(1),
    "failure": pushes.Ack(2, pushes.AckError(pushes.AckName.FORBIDDEN, "no")),
    "an answer": pushes.InvokeResponse("1", payloads.Json(b'{"eur":3}')),
    "group state": pushes.GroupStateUpdate(
        "g1", (pushes.StateItem("c1", "u1", {"status": "typing"}, 1790000000000),)
    ),
    "pong": pushes.Pong(),
}


def test_the_description_has_no_fault() -> None:
    assert schema_diagnostics(CDDL) == ()


def test_the_page_shows_every_example() -> None:
    assert list(SHOWN) == [*HEARD, *SAID]


@pytest.mark.parametrize("title", SHOWN)
def test_an_example_is_what_its_notation_says_and_fits_the_description(
    title: str,
) -> None:
    diagnostic, data = SHOWN[title]
    assert cbor2.loads(data) == values(diagnostic)
    assert fits(data, "request" if title in HEARD else "push")


@BOTH
@pytest.mark.parametrize("title", HEARD)
def test_an_example_of_a_client_is_read(codec: CborV1, title: str) -> None:
    assert codec.decode(SHOWN[title][1], False) == HEARD[title]


@pytest.mark.parametrize("title", SAID)
def test_an_example_of_the_gateway_is_what_it_says(title: str) -> None:
    said = RELIABLE.compose(SAID[title])
    assert said == V1.compose(SAID[title])
    kind, data = said
    assert kind == RELIABLE.kind == BINARY
    if title == "a numbered message":
        data = RELIABLE.stamp(data, 5)
    assert data == SHOWN[title][1]


# Requests.


def send(**fields: Any) -> bytes:
    head = {"type": "sendToGroup", "group": "g", "dataType": "text", "data": "x"}
    return cbor2.dumps(head | fields)


def frame(kind: str, **fields: Any) -> bytes:
    return cbor2.dumps({"type": kind} | fields)


X = payloads.Text("x")

READ: list[tuple[bytes, requests.Request]] = [
    # Lengths of any kind: indefinite, or longer than they need be.
    (
        bytes.fromhex("bf6474797065696a6f696e47726f75706567726f75706167ff"),
        requests.JoinGroup("g"),
    ),
    (b"\xb9\x00\x02\x64type\x64ping\x64more\x9f\xf5\xff", requests.Ping()),
    (b"\xbf\x7f\x62ty\x62pe\xff\x64ping\xff", requests.Ping()),
    # Types and data types in any case; keys that nobody knows.
    (send(type="SENDTOGROUP"), requests.SendToGroup("g", X)),
    (send(dataType="TEXT"), requests.SendToGroup("g", X)),
    (send(more={"a": [1, None, 1.5, b"x"]}, Type=1), requests.SendToGroup("g", X)),
    # No type of data is JSON; what is null is not there.
    (
        send(dataType=None, data=" [1] "),
        requests.SendToGroup("g", payloads.Json(b" [1] ")),
    ),
    (
        send(ackId=None, metadata=None, noEcho=None, ttlSeconds=None, stream=None),
        requests.SendToGroup("g", X),
    ),
    (send(metadata={}), requests.SendToGroup("g", X)),
    (
        send(data="", metadata={"a": "b"}),
        requests.SendToGroup("g", EMPTY, metadata={"a": "b"}),
    ),
    (
        frame("sendToGroup", group="g", metadata={"a": "b"}),
        requests.SendToGroup("g", EMPTY, metadata={"a": "b"}),
    ),
    (send(ackId=0), requests.SendToGroup("g", X, ack_id=0)),
    (send(ackId=MOST_ID), requests.SendToGroup("g", X, ack_id=MOST_ID)),
    (send(ttlSeconds=300), requests.SendToGroup("g", X, ttl=300)),
    (
        send(dataType="protobuf", data=b"\x0a\x01x"),
        requests.SendToGroup("g", payloads.Protobuf(b"\x0a\x01x")),
    ),
    (
        send(stream={"streamId": "s"}),
        requests.SendToGroup("g", X),
    ),
    (frame("setGroupState", group="g"), requests.SetGroupState("g", None)),
    (frame("setGroupState", group="g", state={}), requests.SetGroupState("g", {})),
    (frame("sequenceAck", sequenceId="7"), requests.AckSequence(7)),
    (frame("streamData", streamId=LONG), requests.KeepStream(LONG)),
    (
        frame("invoke", invocationId="1", target="group"),
        requests.RefuseInvocation("1", "Only the target event can be invoked."),
    ),
]


@BOTH
@pytest.mark.parametrize(("data", "request_"), READ, ids=[row[0].hex() for row in READ])
def test_a_request_is_read(
    codec: CborV1, data: bytes, request_: requests.Request
) -> None:
    assert codec.decode(data, False) == request_


WRONG: list[bytes] = [
    # No map, more than one, or a broken one.
    b"",
    b"\x00",
    b"\xa0",
    b"\xff",
    b"\xa1",
    b"\xa1\x64type",
    b"\xbf\x64type\x64ping",
    frame("ping") + b"\x00",
    frame("ping")[:-1],
    frame("ping") * 2,
    cbor2.dumps([{"type": "ping"}]),
    cbor2.dumps("ping"),
    b'{"type":"ping"}',
    b"\xa2\x64type\x64ping\x64type\x64ping",
    b"\xa1\x64type\x64\xff\xff\xff\xff",
    cbor2.dumps(cbor2.CBORTag(55799, {"type": "ping"})),
    cbor2.dumps({"type": "ping", "x": cbor2.CBORTag(1, 1)}),
    cbor2.dumps({"type": "ping", "x": 2**70}),
    b"\xa2\x64type\x64ping\x61x" + b"\x81" * 100_000,
    b"\x9b" + b"\xff" * 8,
    # The type.
    cbor2.dumps({"group": "g"}),
    cbor2.dumps({"type": None}),
    cbor2.dumps({"type": b"ping"}),
    cbor2.dumps({"type": 1}),
    frame("pong"),
    frame("message"),
    # Members.
    frame("joinGroup"),
    frame("joinGroup", group=""),
    frame("joinGroup", group=b"g"),
    frame("joinGroup", group="g", ackId="1"),
    frame("joinGroup", group="g", ackId=-1),
    frame("joinGroup", group="g", ackId=1.5),
    frame("event", event="9", data="1"),
    frame("event", event="e"),
    frame("sequenceAck", sequenceId=-1),
    send(group="g" * 1025),
    send(noEcho=1),
    send(ttlSeconds=301),
    send(ttlSeconds=-1),
    # Data.
    frame("sendToGroup", group="g"),
    send(data=None),
    send(data=1),
    send(data=b"x"),
    send(data={"a": 1}),
    send(dataType="binary", data="AQI="),
    send(dataType="protobuf", data="x"),
    send(dataType="json", data=b"1"),
    send(dataType="json", data=1),
    send(dataType="json", data=""),
    send(dataType="json", data="null"),
    send(dataType="json", data=" null "),
    send(dataType="json", data="{"),
    send(dataType="json", data="[" * 100_000),
    send(dataType="xml"),
    send(dataType=1),
    # Metadata and state.
    send(metadata=[]),
    send(metadata="a"),
    send(metadata={"a": 1}),
    send(metadata={1: "a"}),
    send(metadata={"a b": "v"}),
    send(metadata={"a": "é"}),
    frame("setGroupState", group="g", state=[]),
    frame("setGroupState", group="g", state={"a": 1}),
    frame("setGroupState", group="g", state={b"a": "b"}),
    frame("setGroupState", group="g", state={"k": "v" * 8192}),
    # Streams and invocations.
    frame("sendToGroup", group="g", stream={}),
    frame("sendToGroup", group="g", stream={"streamId": "s", "idleTimeoutMs": 0}),
    frame("streamData", streamId=""),
    frame("streamData", streamId="s", streamSequenceId=1),
    frame("streamData", streamId="s", streamSequenceId=1, data="1"),
    frame("streamEnd", streamId="s", error="x"),
    frame("invoke", invocationId="1", target="event"),
    frame("invokeResponse", invocationId="1"),
]


@BOTH
@pytest.mark.parametrize("data", WRONG, ids=lambda data: repr(data)[:60])
def test_a_broken_message_is_refused_with_1007_and_a_reason(
    codec: CborV1, data: bytes
) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        codec.decode(data, False)
    assert raised.value.code == 1007
    assert len(raised.value.reason) > 5


@BOTH
@pytest.mark.parametrize("data", [frame("ping"), b"", b"\xff"])
def test_a_text_frame_is_refused_with_1003(codec: CborV1, data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        codec.decode(data, True)
    assert raised.value.code == 1003


# Pushes.


def test_a_json_null_is_said_as_its_text() -> None:
    _, data = V1.compose(pushes.ServerMessage(payloads.Json(b"null")))
    assert cbor2.loads(data)["data"] == "null"
    assert fits(data, "push")


def test_heads_are_bounded() -> None:
    codec = CborV1()
    for number in range(10_000):
        codec.compose(pushes.GroupMessage(f"group-{number}", None, X))
    assert len(codec._heads) <= 4096


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536, 10**6])
def test_data_of_any_size_arrives(size: int) -> None:
    for payload, expected in (
        (payloads.Binary(b"\xff" * size), b"\xff" * size),
        (payloads.Text("é" * size), "é" * size),
    ):
        _, data = V1.compose(pushes.ServerMessage(payload))
        assert cbor2.loads(data)["data"] == expected


@pytest.mark.parametrize("number", [1, 23, 24, 255, 256, 65_536, 2**32, MOST_ID])
def test_a_number_of_any_size_fits_into_every_message(number: int) -> None:
    marked = payloads.StreamMark("s", 1)
    for push in (
        pushes.ServerMessage(X),
        pushes.GroupMessage("g", "u", X),
        pushes.GroupMessage("g", "u", X, {"a": "b"}, 0, marked),
    ):
        _, data = RELIABLE.compose(push)
        stamped = RELIABLE.stamp(data, number)
        assert cbor2.loads(stamped) == {"sequenceId": number, **cbor2.loads(data)}
        assert fits(stamped, "push")


# Anything that can be said, written and read by the library as it comes.


def data_of(payload: payloads.Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return raw.decode()
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return data


@settings(deadline=None, max_examples=500)
@given(given_.all_requests)
def test_what_a_client_writes_is_read_as_it_was_meant(
    request: requests.Request,
) -> None:
    data = cbor2.dumps(given_.frame_of(request, data_of))
    assert V1.decode(data, False) == request
    assert fits(data, "request")


@settings(deadline=None, max_examples=500)
@given(given_.messages | given_.basics | given_.novelties, st.integers(1, MOST_ID))
def test_what_is_said_is_what_a_client_reads(push: pushes.Push, number: int) -> None:
    kind, data = V1.compose(push)
    expected = given_.said_of(push, data_of)
    assert kind == BINARY
    assert cbor2.loads(data) == expected
    assert RELIABLE.compose(push) == (kind, data)
    if expected["type"] == "message":
        assert cbor2.loads(RELIABLE.stamp(data, number)) == {
            "sequenceId": number,
            **expected,
        }
    assert fits(data, "push")
