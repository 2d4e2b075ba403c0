"""The service's first design, beside v1: frames with an event and no type."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols import SPOKEN
from hubbub.transport.subprotocols.draft import DraftJson
from hubbub.transport.subprotocols.json_v1 import JsonV1
from hubbub.transport.subprotocols.protobuf_v1 import ProtobufV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT
from support import subprotocols as given_

DRAFT = DraftJson()
V1 = JsonV1()
ONE = payloads.Json(b"1")


def decode(data: str) -> requests.Request:
    return DRAFT.decode(data.encode(), True)


READ: list[tuple[str, requests.Request]] = [
    (
        '{"event":"publish","group":"g","payload":{"k": 1.0}}',
        requests.SendToGroup("g", payloads.Json(b'{"k": 1.0}')),
    ),
    (
        '{"event":"publish","payload":"hi"}',
        requests.SendToAll(payloads.Json(b'"hi"')),
    ),
    ('{"event":"publish","group":null,"payload":1}', requests.SendToAll(ONE)),
    (
        '{"event":"publish","payload":[null]}',
        requests.SendToAll(payloads.Json(b"[null]")),
    ),
    (
        '{"event":"publish","payload":false}',
        requests.SendToAll(payloads.Json(b"false")),
    ),
    ('{"event":"subscribe","group":"g"}', requests.JoinGroup("g")),
    ('{"event":"unsubscribe","group":"g"}', requests.LeaveGroup("g")),
    # In any case and order, with whatever else.
    ('{ "group" : "g", "event" : "SUBSCRIBE" }', requests.JoinGroup("g")),
    (
        '{"event":"Publish","payload":1,"ackId":"x","dataType":7}',
        requests.SendToAll(ONE),
    ),
    (r'{"event":"\u0070ublish","payload":1}', requests.SendToAll(ONE)),
    # With a type it is v1, whatever the event.
    (
        '{"type":"event","event":"publish","data":1,"ackId":2}',
        requests.SendEvent("publish", ONE, 2),
    ),
    ('{"type":"joinGroup","group":"g","ackId":1}', requests.JoinGroup("g", 1)),
    ('{"type":"PING"}', requests.Ping()),
    ('{"type":"sequenceAck","sequenceId":3}', requests.AckSequence(3)),
]


@pytest.mark.parametrize(("data", "request_"), READ, ids=[row[0][:60] for row in READ])
def test_a_request_is_read(data: str, request_: requests.Request) -> None:
    assert decode(data) == request_


WRONG = [
    "",
    "{",
    "null",
    "[]",
    '"publish"',
    "{}",
    '{"group":"g"}',
    '{"event":null,"payload":1}',
    '{"event":1,"payload":1}',
    '{"event":"","payload":1}',
    '{"event":"message","payload":1}',
    '{"event":"publish"}',
    '{"event":"publish","payload":null}',
    '{"event":"publish","payload": null }',
    '{"event":"publish","group":"","payload":1}',
    '{"event":"publish","group":" ","payload":1}',
    '{"event":"publish","group":1,"payload":1}',
    '{"event":"publish","payload":01}',
    '{"event":"subscribe"}',
    '{"event":"subscribe","group":null}',
    '{"event":"unsubscribe","group":""}',
    '{"event":"subscribe","group":["g"]}',
    # A type that is none is v1's to refuse.
    '{"type":null,"event":"publish","payload":1}',
    '{"type":"publish","payload":1}',
    '{"type":"event","event":"publish","payload":1}',
]


@pytest.mark.parametrize("data", WRONG)
def test_a_broken_message_is_refused_with_1007_and_a_reason(data: str) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        decode(data)
    assert raised.value.code == 1007
    assert len(raised.value.reason) > 5


@pytest.mark.parametrize("data", [b'{"event":"publish","payload":1}', b"", b"\xff"])
def test_a_binary_frame_is_refused_with_1003(data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        DRAFT.decode(data, False)
    assert raised.value.code == 1003


SAID: list[tuple[payloads.Payload, str]] = [
    (payloads.Json(b'{"k": 1.0}'), '{"k": 1.0}'),
    (payloads.Json(b'"hi"'), '"hi"'),
    (payloads.Text('h"i'), '"h\\"i"'),
    (payloads.Binary(b"\x01\x02"), '"AQI="'),
    (payloads.Protobuf(b"\xfb\xff\xbf"), '"+/+/"'),
]


@pytest.mark.parametrize(("payload", "said"), SAID)
def test_a_message_has_its_payload_in_line(
    payload: payloads.Payload, said: str
) -> None:
    to_group = pushes.GroupMessage('g"', "u", payload, {"not": "said"})
    to_all = pushes.ServerMessage(payload, {"not": "said"})
    for _ in range(2):
        assert DRAFT.compose(to_group) == (
            TEXT,
            b'{"event":"message","group":"g\\"","payload":%b}' % said.encode(),
        )
        assert DRAFT.compose(to_all) == (
            TEXT,
            b'{"event":"message","payload":%b}' % said.encode(),
        )


def test_json_null_and_the_end_of_a_stream_are_not_said() -> None:
    def said(payload: payloads.Payload, **more: Any) -> object:
        return DRAFT.compose(pushes.GroupMessage("g", "u", payload, **more))

    assert said(payloads.Json(b" null")) is None
    assert DRAFT.compose(pushes.ServerMessage(payloads.Json(b"null"))) is None
    part = payloads.StreamMark("s", 1)
    end = payloads.StreamMark("s", 2, end=True)
    assert said(payloads.Text("x"), stream=part) == said(payloads.Text("x"))
    assert said(payloads.Text(""), stream=end) is None


@settings(deadline=None)
@given(given_.basics | given_.novelties)
def test_everything_but_messages_is_said_as_in_v1(push: pushes.Push) -> None:
    assert DRAFT.compose(push) == V1.compose(push)


@settings(deadline=None)
@given(given_.all_requests)
def test_everything_with_a_type_is_read_as_in_v1(request: requests.Request) -> None:
    frame = given_.frame_of(request, _data)
    data = json.dumps(frame).encode()
    assert DRAFT.decode(data, True) == V1.decode(data, True) == request


def _data(payload: payloads.Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return json.loads(raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return base64.b64encode(data).decode()


@settings(deadline=None)
@given(given_.groups, given_.jsons)
def test_what_a_subscriber_reads_is_what_was_published(
    group: str, payload: payloads.Json
) -> None:
    value = json.loads(payload.raw)
    for fields in ({"group": group}, {}):
        frame = json.dumps({"event": "publish", "payload": value, **fields})
        request = decode(frame)
        assert isinstance(request, requests.SendToGroup | requests.SendToAll)
        assert request.payload == payload
    said = DRAFT.compose(pushes.GroupMessage(group, None, payload))
    assert said is not None
    assert json.loads(said[1]) == {"event": "message", "group": group, "payload": value}


def test_the_protobuf_of_the_first_design_has_the_schema_of_v1() -> None:
    spoken = SPOKEN["protobuf.webpubsub.azure"]
    assert isinstance(spoken, ProtobufV1)
    join = bytes.fromhex("32 06 0A 02 67 31 10 01")
    assert spoken.decode(join, False) == requests.JoinGroup("g1", 1)
    assert spoken.compose(pushes.Pong()) == (0x82, bytes.fromhex("22 00"))
