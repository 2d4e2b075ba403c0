"""Invocations, streams, group state and sequence ids in JSON, byte by byte."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols.json_v1 import JsonReliableV1, JsonV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT
from support import subprotocols as given_

V1, RELIABLE = JsonV1(), JsonReliableV1()
BOTH = pytest.mark.parametrize("codec", [V1, RELIABLE], ids=["v1", "reliable"])
MOST_ID = 2**64 - 1
LONG = "i" * 1024


def data_of(payload: payloads.Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return json.loads(raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return base64.b64encode(data).decode()


def invoke(**fields: Any) -> str:
    head = {"type": "invoke", "invocationId": "1", "target": "event", "event": "price"}
    return json.dumps(head | fields)


def start(stream: object, **fields: Any) -> str:
    return json.dumps({"type": "sendToGroup", "group": "g", "stream": stream} | fields)


def part(**fields: Any) -> str:
    return json.dumps({"type": "streamData", "streamId": "s-1"} | fields)


def end(**fields: Any) -> str:
    return json.dumps({"type": "streamEnd", "streamId": "s-1"} | fields)


def state(value: object) -> str:
    return json.dumps({"type": "setGroupState", "group": "g", "state": value})


EMPTY = payloads.Text("")

READ: list[tuple[str, requests.Request]] = [
    # Invocations: the examples of the reference, then the corners.
    (
        (
            '{"type":"invoke","invocationId":"1","target":"event","event":"price",'
            '"dataType":"json","data":{"sku":"a"}}'
        ),
        requests.Invoke("1", "price", payloads.Json(b'{"sku":"a"}')),
    ),
    (
        '{"type":"cancelInvocation","invocationId":"1"}',
        requests.CancelInvocation("1"),
    ),
    (invoke(), requests.Invoke("1", "price", EMPTY)),
    (invoke(dataType="json"), requests.Invoke("1", "price", EMPTY)),
    (invoke(data="x"), requests.Invoke("1", "price", payloads.Json(b'"x"'))),
    (
        invoke(dataType="binary", data="AQI=", metadata={"a": "b"}),
        requests.Invoke("1", "price", payloads.Binary(b"\x01\x02"), {"a": "b"}),
    ),
    (invoke(invocationId=LONG), requests.Invoke(LONG, "price", EMPTY)),
    (
        '{"type":"invokeResponse","invocationId":"7","success":true}',
        requests.AnswerInvocation("7"),
    ),
    (
        (
            '{"type":"invokeResponse","invocationId":"7","success":false,'
            '"error":{"name":"No","message":"no"},"data":null}'
        ),
        requests.AnswerInvocation("7"),
    ),
    # Streams.
    (
        (
            '{"type":"sendToGroup","group":"g","noEcho":false,'
            '"stream":{"streamId":"s-1","idleTimeoutMs":60000}}'
        ),
        requests.StartStream("g", "s-1", False, 60.0),
    ),
    (start({"streamId": "s"}), requests.StartStream("g", "s", False, 300.0)),
    (
        start({"streamId": "s", "idleTimeoutMs": None}),
        requests.StartStream("g", "s", False, 300.0),
    ),
    (
        start({"streamId": "s", "idleTimeoutMs": 1}, noEcho=True),
        requests.StartStream("g", "s", True, 0.001),
    ),
    (
        start({"streamId": LONG, "idleTimeoutMs": 2**32 - 1}),
        requests.StartStream("g", LONG, False, 4294967.295),
    ),
    (start({"streamId": "s"}, ackId=3), requests.StartStream("g", "s")),
    (start({"streamId": "s"}, metadata={"a": "b"}), requests.StartStream("g", "s")),
    (start({"streamId": "s", "more": [1]}), requests.StartStream("g", "s")),
    # With data it is a message: what begins a stream has none.
    (
        start({"streamId": "s"}, data=1, ackId=3),
        requests.SendToGroup("g", payloads.Json(b"1"), ack_id=3),
    ),
    (start(None, data=1), requests.SendToGroup("g", payloads.Json(b"1"))),
    (
        (
            '{"type":"streamData","streamId":"s-1","streamSequenceId":1,'
            '"dataType":"text","data":"hel"}'
        ),
        requests.SendFragment("s-1", 1, payloads.Text("hel")),
    ),
    (
        part(streamSequenceId=MOST_ID, dataType="JSON", data=[1]),
        requests.SendFragment("s-1", MOST_ID, payloads.Json(b"[1]")),
    ),
    (
        part(streamSequenceId=0, dataType="binary", data=""),
        requests.SendFragment("s-1", 0, payloads.Binary(b"")),
    ),
    (part(), requests.KeepStream("s-1")),
    (part(streamSequenceId=None, dataType=None), requests.KeepStream("s-1")),
    (end(), requests.EndStream("s-1")),
    (end(error=None), requests.EndStream("s-1")),
    (
        end(error={"message": "m", "userErrorCode": "c"}),
        requests.EndStream("s-1", payloads.StreamError("UserError", "m", "c")),
    ),
    (
        end(error={"name": "Other"}),
        requests.EndStream("s-1", payloads.StreamError("UserError")),
    ),
    # Group state.
    (
        ('{"type":"setGroupState","group":"g","state":{"status":"typing"},"ackId":7}'),
        requests.SetGroupState("g", {"status": "typing"}, 7),
    ),
    ('{"type":"setGroupState","group":"g"}', requests.SetGroupState("g", None)),
    (state(None), requests.SetGroupState("g", None)),
    (state({}), requests.SetGroupState("g", {})),
    (state({"": "", "é ": "\n"}), requests.SetGroupState("g", {"": "", "é ": "\n"})),
    (state({"k": "v" * 8191}), requests.SetGroupState("g", {"k": "v" * 8191})),
    (
        '{"type":"setGroupState","group":"g","state":{"a":"1","a":"2"}}',
        requests.SetGroupState("g", {"a": "2"}),
    ),
    (
        '{"type":"subscribeGroupState","group":"g","ackId":8}',
        requests.SubscribeGroupState("g", 8),
    ),
    (
        '{"type":"unsubscribeGroupState","group":"g","ackId":9}',
        requests.UnsubscribeGroupState("g", 9),
    ),
    (
        '{"type":"subscribeGroupState","group":"g"}',
        requests.SubscribeGroupState("g"),
    ),
]


@BOTH
@pytest.mark.parametrize(("data", "request_"), READ, ids=[row[0][:60] for row in READ])
def test_a_newer_request_is_read(
    codec: JsonV1, data: str, request_: requests.Request
) -> None:
    assert codec.decode(data.encode(), True) == request_


@pytest.mark.parametrize(("data", "request_"), READ, ids=[row[0][:60] for row in READ])
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
def test_a_type_is_read_in_any_case(
    data: str, request_: requests.Request, spell: Any
) -> None:
    kind = json.loads(data)["type"]
    spelled = data.replace(kind, spell(kind), 1)
    assert V1.decode(spelled.encode(), True) == request_


@pytest.mark.parametrize("target", ["group", "Event", "", "events"])
@pytest.mark.parametrize("more", [{}, {"event": None}, {"event": "9 no name"}])
def test_whatever_is_no_event_cannot_be_invoked_and_is_told_why(
    target: str, more: dict[str, Any]
) -> None:
    refusal = V1.decode(invoke(target=target, **more).encode(), True)
    assert isinstance(refusal, requests.RefuseInvocation)
    assert refusal.invocation_id == "1"
    assert "event" in refusal.reason


WRONG: list[str] = [
    # Invocations.
    '{"type":"invoke","target":"event","event":"e"}',
    '{"type":"invoke","invocationId":"1","event":"e"}',
    '{"type":"invoke","invocationId":"1","target":"event"}',
    invoke(invocationId=1),
    invoke(invocationId=""),
    invoke(invocationId=LONG + "i"),
    invoke(target=None),
    invoke(target=1),
    invoke(event="9"),
    invoke(event=None),
    invoke(data=None),
    invoke(dataType="text", data=1),
    invoke(dataType="xml", data=1),
    invoke(metadata={"a": 1}),
    '{"type":"cancelInvocation"}',
    '{"type":"cancelInvocation","invocationId":null}',
    '{"type":"cancelInvocation","invocationId":""}',
    '{"type":"invokeResponse","invocationId":"1"}',
    '{"type":"invokeResponse","invocationId":"1","success":null}',
    '{"type":"invokeResponse","invocationId":"1","success":"true"}',
    '{"type":"invokeResponse","success":true}',
    # Streams.
    start({}),
    start([]),
    start("s"),
    start({"streamId": ""}),
    start({"streamId": 1}),
    start({"streamId": None}),
    start({"streamId": LONG + "i"}),
    start({"streamId": "s", "idleTimeoutMs": 0}),
    start({"streamId": "s", "idleTimeoutMs": -1}),
    start({"streamId": "s", "idleTimeoutMs": 2**32}),
    start({"streamId": "s", "idleTimeoutMs": 10**400}),
    start({"streamId": "s", "idleTimeoutMs": 1.5}),
    start({"streamId": "s", "idleTimeoutMs": "1"}),
    start({"streamId": "s"}, group=""),
    start({"streamId": "s"}, data=None),
    start({"streamId": "s"}, metadata={"a": 1}),
    start({"streamId": 1}, data=1),
    start(None),
    '{"type":"streamData"}',
    part(streamId=""),
    part(streamId=1),
    part(streamSequenceId=1),
    part(dataType="text"),
    part(data="x"),
    part(streamSequenceId=1, dataType="text"),
    part(streamSequenceId=1, data="x"),
    part(dataType="text", data="x"),
    part(streamSequenceId=-1, dataType="text", data="x"),
    part(streamSequenceId=MOST_ID + 1, dataType="text", data="x"),
    part(streamSequenceId="1", dataType="text", data="x"),
    part(streamSequenceId=1, dataType="json", data=None),
    part(data=None),
    '{"type":"streamEnd"}',
    end(streamId=""),
    end(error="x"),
    end(error={"message": 1}),
    end(error={"userErrorCode": 1}),
    # Group state.
    '{"type":"setGroupState"}',
    '{"type":"subscribeGroupState"}',
    '{"type":"unsubscribeGroupState","group":" "}',
    '{"type":"subscribeGroupState","group":"g","ackId":-1}',
    '{"type":"subscribeGroupState","group":"g","ackId":"1"}',
    state([]),
    state("x"),
    state({"a": 1}),
    state({"a": None}),
    state({"a": {"b": "c"}}),
    state({"k": "v" * 8192}),
    state({"é" * 4096: "v"}),
    state({f"k{n}": "v" * 1022 for n in range(9)}),
]


@BOTH
@pytest.mark.parametrize("data", WRONG, ids=lambda data: repr(data)[:60])
def test_a_broken_newer_request_is_refused_with_1007_and_a_reason(
    codec: JsonV1, data: str
) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        codec.decode(data.encode(), True)
    assert raised.value.code == 1007
    assert len(raised.value.reason) > 5


def test_a_state_that_is_too_long_is_told_how_long_it_may_be() -> None:
    with pytest.raises(ProtocolViolation, match="8192 bytes"):
        V1.decode(state({"k": "v" * 8192}).encode(), True)


FAULT = payloads.StreamError("UserError", "m", "c")
NO = pushes.AckError(pushes.AckName.INTERNAL_SERVER_ERROR, "no")

SAID: list[tuple[pushes.Push, str]] = [
    (
        pushes.InvokeResponse("1", payloads.Json(b'{"eur": 3}')),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,'
            '"dataType":"json","data":{"eur": 3}}'
        ),
    ),
    (
        pushes.InvokeResponse("1", payloads.Protobuf(b"\xfb\xff\xbf")),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,'
            '"dataType":"protobuf","data":"+/+/"}'
        ),
    ),
    (
        pushes.InvokeResponse("1", payloads.Text("")),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,'
            '"dataType":"text","data":""}'
        ),
    ),
    # A null with its type would hang the caller.
    (
        pushes.InvokeResponse("1"),
        '{"type":"invokeResponse","invocationId":"1","success":true}',
    ),
    (
        pushes.InvokeResponse("1", payloads.Json(b" null\n")),
        '{"type":"invokeResponse","invocationId":"1","success":true}',
    ),
    (
        pushes.InvokeResponse("1", error=NO),
        (
            '{"type":"invokeResponse","invocationId":"1","success":false,'
            '"error":{"name":"InternalServerError","message":"no"}}'
        ),
    ),
    (
        pushes.StreamAck("s-1", 3),
        '{"type":"streamAck","streamId":"s-1","expectedSequenceId":3}',
    ),
    (
        pushes.StreamNack("s-1", 3),
        (
            '{"type":"streamNack","streamId":"s-1","name":"InvalidSequenceId",'
            '"expectedSequenceId":3}'
        ),
    ),
    (pushes.StreamClosed("s-1"), '{"type":"streamClosed","streamId":"s-1"}'),
    (
        pushes.StreamClosed("s-1", FAULT),
        (
            '{"type":"streamClosed","streamId":"s-1","error":{"name":"UserError",'
            '"message":"m","userErrorCode":"c"}}'
        ),
    ),
    (
        pushes.StreamClosed("s-1", payloads.StreamError("IdleTimeout")),
        '{"type":"streamClosed","streamId":"s-1","error":{"name":"IdleTimeout"}}',
    ),
    (
        pushes.GroupStateSnapshot(
            "g",
            (
                pushes.StateItem("c1", "u1", {"status": "typing"}, 1790000000000),
                pushes.StateItem("c2", None, {}, 1790000000001),
            ),
        ),
        (
            '{"type":"groupStateSnapshot","group":"g","items":[{"connectionId":"c1",'
            '"userId":"u1","state":{"status":"typing"},"updatedAt":1790000000000},'
            '{"connectionId":"c2","state":{},"updatedAt":1790000000001}]}'
        ),
    ),
    (
        pushes.GroupStateSnapshot("g", ()),
        '{"type":"groupStateSnapshot","group":"g","items":[]}',
    ),
    (
        pushes.GroupStateUpdate(
            "g", (pushes.StateItem("c1", "u1", None, 1790000000500),)
        ),
        (
            '{"type":"groupStateUpdate","group":"g","items":[{"connectionId":"c1",'
            '"userId":"u1","updatedAt":1790000000500}]}'
        ),
    ),
    # Parts of streams.
    (
        pushes.GroupMessage(
            "g", "a", payloads.Text("hel"), stream=payloads.StreamMark("s-1", 1)
        ),
        (
            '{"type":"message","from":"group","group":"g","fromUserId":"a",'
            '"dataType":"text","data":"hel",'
            '"stream":{"streamId":"s-1","streamSequenceId":1}}'
        ),
    ),
    (
        pushes.GroupMessage(
            "g", "a", payloads.Text(""), stream=payloads.StreamMark("s-1", 3, True)
        ),
        (
            '{"type":"message","from":"group","group":"g","fromUserId":"a",'
            '"dataType":"text","data":"",'
            '"stream":{"streamId":"s-1","streamSequenceId":3,"endOfStream":true}}'
        ),
    ),
    (
        pushes.GroupMessage(
            "g",
            None,
            payloads.Text(""),
            {"k": "v"},
            stream=payloads.StreamMark("s-1", 3, True, FAULT),
        ),
        (
            '{"type":"message","from":"group","group":"g","dataType":"text","data":"",'
            '"metadata":{"k":"v"},"stream":{"streamId":"s-1","streamSequenceId":3,'
            '"endOfStream":true,"error":{"name":"UserError","message":"m",'
            '"userErrorCode":"c"}}}'
        ),
    ),
]


@BOTH
@pytest.mark.parametrize(("push", "data"), SAID, ids=[row[1][:60] for row in SAID])
def test_a_newer_push_is_said(codec: JsonV1, push: pushes.Push, data: str) -> None:
    assert codec.compose(push) == (TEXT, data.encode())


def test_a_part_of_a_stream_that_is_null_is_never_sent() -> None:
    mark = payloads.StreamMark("s", 1)
    null = pushes.GroupMessage("g", "u", payloads.Json(b"null"), stream=mark)
    assert V1.compose(null) is None


# Reliable.


def test_a_message_gets_its_number_in_front() -> None:
    said = RELIABLE.compose(pushes.GroupMessage("g", "u", payloads.Json(b"[1]")))
    assert said is not None
    assert RELIABLE.kind == TEXT
    assert RELIABLE.stamp(said[1], 42) == (
        b'{"sequenceId":42,"type":"message","from":"group","group":"g",'
        b'"fromUserId":"u","dataType":"json","data":[1]}'
    )


def test_what_comes_once_has_its_reconnection_token() -> None:
    assert RELIABLE.compose(pushes.Connected("c", "u", "t")) == (
        TEXT,
        (
            b'{"type":"system","event":"connected","userId":"u","connectionId":"c",'
            b'"reconnectionToken":"t"}'
        ),
    )


# Anything that can be said, read by Python's own reader, and written by its writer.


@settings(deadline=None, max_examples=500)
@given(given_.all_requests)
def test_what_a_client_writes_is_read_as_it_was_meant(
    request: requests.Request,
) -> None:
    frame = json.dumps(given_.frame_of(request, data_of))
    assert V1.decode(frame.encode(), True) == request


@settings(deadline=None, max_examples=500)
@given(given_.messages | given_.basics | given_.novelties, st.integers(1, MOST_ID))
def test_what_is_said_is_what_a_client_reads(push: pushes.Push, number: int) -> None:
    said = V1.compose(push)
    assert said is not None
    kind, data = said
    expected = given_.said_of(push, data_of)
    assert kind == TEXT
    assert json.loads(data) == expected
    assert RELIABLE.compose(push) == said
    if expected["type"] == "message":
        stamped = json.loads(RELIABLE.stamp(data, number))
        assert stamped == expected | {"sequenceId": number}
