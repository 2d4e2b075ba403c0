"""The JSON subprotocol, byte by byte, in both directions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols.json_v1 import JsonV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.wire.frames import TEXT

V1 = JsonV1()
MOST_ID = 2**64 - 1


def decode(data: bytes | str) -> requests.Request:
    return V1.decode(data.encode() if isinstance(data, str) else data, True)


def send(**fields: Any) -> str:
    return json.dumps({"type": "sendToGroup", "group": "g", "data": 1, **fields})


def event(**fields: Any) -> str:
    return json.dumps({"type": "event", "event": "e", "data": 1, **fields})


def to_g(payload: payloads.Payload, **fields: Any) -> requests.SendToGroup:
    return requests.SendToGroup("g", payload, **fields)


ONE = payloads.Json(b"1")

READ: list[tuple[str, requests.Request]] = [
    # The examples of the reference.
    (
        '{"type":"joinGroup","group":"room-7","ackId":1}',
        requests.JoinGroup("room-7", 1),
    ),
    (
        '{"type":"leaveGroup","group":"room-7","ackId":2}',
        requests.LeaveGroup("room-7", 2),
    ),
    (
        (
            '{"type":"sendToGroup","group":"room-7","dataType":"text","data":"hi",'
            '"noEcho":true,"ackId":3}'
        ),
        requests.SendToGroup("room-7", payloads.Text("hi"), True, 3),
    ),
    (
        (
            '{"type":"sendToGroup","group":"room-7","dataType":"binary","data":"AQI=",'
            '"noEcho":false}'
        ),
        requests.SendToGroup("room-7", payloads.Binary(b"\x01\x02")),
    ),
    (
        (
            '{"type":"sendToGroup","group":"room-7","data":{"k":1},"ttlSeconds":30,'
            '"metadata":{"trace":"t-1"},"ackId":4}'
        ),
        requests.SendToGroup(
            "room-7", payloads.Json(b'{"k":1}'), False, 4, {"trace": "t-1"}, 30
        ),
    ),
    (
        (
            '{"type":"event","event":"order.new","dataType":"json","data":{"id":9},'
            '"ackId":5}'
        ),
        requests.SendEvent("order.new", payloads.Json(b'{"id":9}'), 5),
    ),
    ('{"type":"ping"}', requests.Ping()),
    ('{"type":"sequenceAck","sequenceId":7}', requests.AckSequence(7)),
    # One documentation page quotes it.
    ('{"type":"sequenceAck","sequenceId":"7"}', requests.AckSequence(7)),
    (f'{{"type":"sequenceAck","sequenceId":{MOST_ID}}}', requests.AckSequence(MOST_ID)),
    # Python's spaces; any order; any whitespace.
    ('{"group": "g", "type": "joinGroup"}', requests.JoinGroup("g")),
    (' \r\n\t{ "type" :\n"ping" } ', requests.Ping()),
    # Types and data types in any case, or escaped.
    ('{"type":"JOINGROUP","group":"g"}', requests.JoinGroup("g")),
    ('{"type":"LeaveGroup","group":"g"}', requests.LeaveGroup("g")),
    ('{"type":"sendtogroup","group":"g","data":1}', to_g(ONE)),
    ('{"type":"Event","event":"e","data":1}', requests.SendEvent("e", ONE)),
    ('{"type":"PING"}', requests.Ping()),
    ('{"type":"SequenceAck","sequenceId":1}', requests.AckSequence(1)),
    (r'{"type":"\u006aoinGroup","group":"g"}', requests.JoinGroup("g")),
    (r'{"type":"\u004aoinGroup","group":"g"}', requests.JoinGroup("g")),
    (send(dataType="JSON"), to_g(ONE)),
    (send(dataType="Text", data="x"), to_g(payloads.Text("x"))),
    (send(dataType="BINARY", data="AA=="), to_g(payloads.Binary(b"\0"))),
    (send(dataType="ProtoBuf", data="AA=="), to_g(payloads.Protobuf(b"\0"))),
    # Group names are kept as they are.
    (send(group="Straße/é ☃"), requests.SendToGroup("Straße/é ☃", ONE)),
    (send(group=" g "), requests.SendToGroup(" g ", ONE)),
    (send(group="g" * 1024), requests.SendToGroup("g" * 1024, ONE)),
    (event(event="a" * 128), requests.SendEvent("a" * 128, ONE)),
    (event(event="A.b_c-9"), requests.SendEvent("A.b_c-9", ONE)),
    # Ack ids.
    (send(ackId=0), to_g(ONE, ack_id=0)),
    (send(ackId=MOST_ID), to_g(ONE, ack_id=MOST_ID)),
    (send(ackId=None), to_g(ONE)),
    ('{"type":"joinGroup","group":"g","ackId":null}', requests.JoinGroup("g")),
    (event(ackId=None), requests.SendEvent("e", ONE)),
    # Unknown properties.
    (send(stranger={"a": [1, None]}), to_g(ONE)),
    (event(noEcho=True), requests.SendEvent("e", ONE)),
    ('{"type":"ping","data":null,"ackId":"x"}', requests.Ping()),
    # Data of every kind.
    (send(dataType="text", data=""), to_g(payloads.Text(""))),
    (send(dataType="text", data='"\\é\n'), to_g(payloads.Text('"\\é\n'))),
    (send(dataType="binary", data=""), to_g(payloads.Binary(b""))),
    (send(dataType="binary", data="+/+/"), to_g(payloads.Binary(b"\xfb\xff\xbf"))),
    (send(data=False), to_g(payloads.Json(b"false"))),
    (send(data=""), to_g(payloads.Json(b'""'))),
    (send(data="null"), to_g(payloads.Json(b'"null"'))),
    (send(data=[None]), to_g(payloads.Json(b"[null]"))),
    # Ttl and metadata.
    (send(ttlSeconds=0), to_g(ONE)),
    (send(ttlSeconds=300), to_g(ONE, ttl=300)),
    (
        '{"type":"sendToGroup","group":"g","metadata":{"a":"b"}}',
        to_g(payloads.Text(""), metadata={"a": "b"}),
    ),
    (
        '{"type":"event","event":"e","metadata":{"a":"b"}}',
        requests.SendEvent("e", payloads.Text(""), metadata={"a": "b"}),
    ),
    (send(metadata={"a": ""}), to_g(ONE, metadata={"a": ""})),
    (
        send(metadata={"!#$%&'*+-.^_`|~aZ9": "v"}),
        to_g(ONE, metadata={"!#$%&'*+-.^_`|~aZ9": "v"}),
    ),
    (
        send(metadata={"k" * 256: "v" * 1024}),
        to_g(ONE, metadata={"k" * 256: "v" * 1024}),
    ),
    (
        send(metadata={f"k{n}": "v" * 1022 for n in range(8)}),
        to_g(ONE, metadata={f"k{n}": "v" * 1022 for n in range(8)}),
    ),
]


@pytest.mark.parametrize(("data", "request_"), READ, ids=[row[0][:60] for row in READ])
def test_a_request_is_read(data: str, request_: requests.Request) -> None:
    assert decode(data) == request_


WRONG: list[str | bytes] = [
    # Not JSON, or not an object.
    "",
    " ",
    "{",
    "x",
    "{'type':'ping'}",
    '{"type":"ping"} {}',
    '{"type":"ping",}',
    '{"type":"ping"/**/}',
    "null",
    "[]",
    '"ping"',
    "1",
    '[{"type":"ping"}]',
    b'\xef\xbb\xbf{"type":"ping"}',
    b'{"type":"ping","\xff":1',
    b'{"type":"joinGroup","group":"\xff"}',
    b'{"type":"joinGroup","group":"\xed\xa0\x80"}',
    "[" * 100_000,
    '{"a":' * 100_000,
    # The type.
    "{}",
    '{"group":"g"}',
    '{"type":null}',
    '{"type":1}',
    '{"type":["ping"]}',
    '{"type":""}',
    '{"type":" ping"}',
    '{"type":"pong"}',
    '{"type":"joingroups","group":"g"}',
    '{"Type":"ping"}',
    # Names.
    '{"type":"joinGroup"}',
    '{"type":"joinGroup","group":null}',
    '{"type":"joinGroup","group":1}',
    '{"type":"joinGroup","group":""}',
    '{"type":"joinGroup","group":" \\t"}',
    '{"type":"leaveGroup","group":""}',
    '{"type":"leaveGroup"}',
    send(group=""),
    send(group="  "),
    send(group="g" * 1025),
    send(group=None),
    event(event=""),
    event(event="9lives"),
    event(event="a b"),
    event(event="é"),
    event(event="a" * 129),
    event(event=None),
    '{"type":"event","data":1}',
    # Ack ids.
    send(ackId="1"),
    send(ackId=-1),
    send(ackId=MOST_ID + 1),
    send(ackId=10**30),
    send(ackId=1.5),
    send(ackId=True),
    send(ackId=[1]),
    '{"type":"joinGroup","group":"g","ackId":"1"}',
    '{"type":"leaveGroup","group":"g","ackId":-1}',
    event(ackId=MOST_ID + 1),
    # Sequence ids.
    '{"type":"sequenceAck"}',
    '{"type":"sequenceAck","sequenceId":null}',
    '{"type":"sequenceAck","sequenceId":-1}',
    '{"type":"sequenceAck","sequenceId":1.5}',
    '{"type":"sequenceAck","sequenceId":"x"}',
    '{"type":"sequenceAck","sequenceId":"\u0663"}',
    '{"type":"sequenceAck","sequenceId":"-1"}',
    f'{{"type":"sequenceAck","sequenceId":{MOST_ID + 1}}}',
    # Data.
    '{"type":"sendToGroup","group":"g"}',
    '{"type":"event","event":"e"}',
    send(data=None),
    event(data=None),
    '{"type":"sendToGroup","group":"g","data":null,"metadata":{"a":"b"}}',
    send(dataType="xml"),
    send(dataType=""),
    send(dataType=1),
    send(dataType="text", data=1),
    send(dataType="text", data={"a": "b"}),
    send(dataType="text", data=None),
    send(dataType="binary", data=1),
    send(dataType="binary", data=None),
    send(dataType="protobuf", data="A"),
    '{"type":"event","event":"e","data":NaN}',
    '{"type":"event","event":"e","data":Infinity}',
    '{"type":"event","event":"e","data":01}',
    '{"type":"event","event":"e","data":.5}',
    '{"type":"event","event":"e","data":1.}',
    '{"type":"event","event":"e","data":[1,]}',
    '{"type":"event","event":"e","data":"\x01"}',
    r'{"type":"event","event":"e","data":"\x"}',
    # Base64 with the standard alphabet, padded, and nothing else.
    *(
        send(dataType="binary", data=data)
        for data in (
            "AQI",
            "AQ",
            "A",
            "A===",
            "AQI==",
            "AQ=I",
            "=AQI",
            "==",
            "AQI=AQI=",
            "AQ-_",
            "AQI=\n",
            " AQI=",
            "A QI=",
            "äQI=",
        )
    ),
    # noEcho, ttl.
    send(noEcho="true"),
    send(noEcho=1),
    send(ttlSeconds=-1),
    send(ttlSeconds=301),
    send(ttlSeconds="30"),
    send(ttlSeconds=1.5),
    send(ttlSeconds=True),
    # Metadata.
    send(metadata=[]),
    send(metadata="a"),
    send(metadata={"a": 1}),
    send(metadata={"a": None}),
    send(metadata={"": "v"}),
    send(metadata={"a b": "v"}),
    send(metadata={"a:b": "v"}),
    send(metadata={"ä": "v"}),
    send(metadata={"a": "ä"}),
    send(metadata={"k" * 257: "v"}),
    send(metadata={"k": "v" * 1025}),
    send(metadata={"kk": "v" * 1023, **{f"k{n}": "v" * 1022 for n in range(7)}}),
    '{"type":"sendToGroup","group":"g","data":1,"metadata":{"a":"1","a":"2"}}',
    event(metadata={"a": 1}),
    event(metadata={"k": "v" * 1025}),
    # What the service says is no type of a client.
    '{"type":"message","from":"group","group":"g","dataType":"text","data":"x"}',
    '{"type":"streamAck","streamId":"s","expectedSequenceId":1}',
]


@pytest.mark.parametrize("data", WRONG, ids=lambda data: repr(data)[:60])
def test_a_broken_message_is_refused_with_1007_and_a_reason(data: str | bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        decode(data)
    assert raised.value.code == 1007
    assert len(raised.value.reason) > 5


@pytest.mark.parametrize("data", [b'{"type":"ping"}', b"", b"\0\xff"])
def test_a_binary_frame_is_refused_with_1003(data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        V1.decode(data, False)
    assert raised.value.code == 1003
    assert "text" in raised.value.reason


G = pushes.GroupMessage
S = pushes.ServerMessage

SAID: list[tuple[pushes.Push, str]] = [
    (
        pushes.Connected("3f0c", "alice"),
        '{"type":"system","event":"connected","userId":"alice","connectionId":"3f0c"}',
    ),
    (
        pushes.Connected("3f0c", None),
        '{"type":"system","event":"connected","userId":null,"connectionId":"3f0c"}',
    ),
    (
        pushes.Connected("3f0c", "alice", "eyJ"),
        (
            '{"type":"system","event":"connected","userId":"alice","connectionId":"3f0c",'
            '"reconnectionToken":"eyJ"}'
        ),
    ),
    (
        pushes.Disconnected('Closed by "x".'),
        '{"type":"system","event":"disconnected","message":"Closed by \\"x\\"."}',
    ),
    (
        G("room-7", "alice", payloads.Text("hi")),
        (
            '{"type":"message","from":"group","group":"room-7","fromUserId":"alice",'
            '"dataType":"text","data":"hi"}'
        ),
    ),
    (
        G("room-7", None, payloads.Text("hi")),
        (
            '{"type":"message","from":"group","group":"room-7","dataType":"text",'
            '"data":"hi"}'
        ),
    ),
    (
        S(payloads.Json(b'{"k":1}'), {"trace": "t-1"}),
        (
            '{"type":"message","from":"server","dataType":"json","data":{"k":1},'
            '"metadata":{"trace":"t-1"}}'
        ),
    ),
    (
        S(payloads.Binary(b"\x01\x02")),
        '{"type":"message","from":"server","dataType":"binary","data":"AQI="}',
    ),
    (
        S(payloads.Protobuf(b"\xfb\xff\xbf")),
        '{"type":"message","from":"server","dataType":"protobuf","data":"+/+/"}',
    ),
    (
        S(payloads.Binary(b"")),
        '{"type":"message","from":"server","dataType":"binary","data":""}',
    ),
    (
        S(payloads.Text('"\\\n\u2028é\U0001f600')),
        (
            '{"type":"message","from":"server","dataType":"text",'
            '"data":"\\"\\\\\\n\u2028é\U0001f600"}'
        ),
    ),
    (
        G('a"b', "u\\", payloads.Text("x")),
        (
            '{"type":"message","from":"group","group":"a\\"b","fromUserId":"u\\\\",'
            '"dataType":"text","data":"x"}'
        ),
    ),
    (pushes.Ack(3), '{"type":"ack","ackId":3,"success":true}'),
    (pushes.Ack(MOST_ID), f'{{"type":"ack","ackId":{MOST_ID},"success":true}}'),
    (
        pushes.Ack(
            3,
            pushes.AckError(
                pushes.AckName.FORBIDDEN, "No permission to publish to room-7."
            ),
        ),
        (
            '{"type":"ack","ackId":3,"success":false,"error":{"name":"Forbidden",'
            '"message":"No permission to publish to room-7."}}'
        ),
    ),
    (
        pushes.Ack(3, pushes.AckError(pushes.AckName.DUPLICATE, "again")),
        (
            '{"type":"ack","ackId":3,"success":false,"error":{"name":"Duplicate",'
            '"message":"again"}}'
        ),
    ),
    (pushes.Pong(), '{"type":"pong"}'),
]


@pytest.mark.parametrize(("push", "data"), SAID, ids=[row[1][:60] for row in SAID])
def test_a_push_is_said(push: pushes.Push, data: str) -> None:
    assert V1.compose(push) == (TEXT, data.encode())


@pytest.mark.parametrize("raw", [b"null", b" null", b"\n\tnull \r"])
def test_json_null_is_never_sent(raw: bytes) -> None:
    assert V1.compose(S(payloads.Json(raw))) is None
    assert V1.compose(G("g", "u", payloads.Json(raw), {"a": "b"})) is None


VERBATIM = [
    b"12345678901234567890.123456789012345678901234567890e-7",
    b"-0.0",
    b"1E400",
    b"123456789012345678901234567890",
    b'{ "b" : 1 ,\n"a":2, "a"\t:\r3}',
    b'"\\u00e9\\/\\ud83d\\ude00"',
    '"é\u2028"'.encode(),
    b"[ ]",
    b'{"":{}}',
    b'"type"',
    b'{"type":"ping","data":null}',
]


@pytest.mark.parametrize("raw", VERBATIM)
@pytest.mark.parametrize("kind", ["sendToGroup", "SENDTOGROUP"])
@pytest.mark.parametrize("space", [b"", b" \n\t\r"])
def test_json_goes_through_byte_for_byte(raw: bytes, kind: str, space: bytes) -> None:
    data = b'{"type":"%b","data":%b%b%b,"group":"g"}' % (
        kind.encode(),
        space,
        raw,
        space,
    )
    request = decode(data)
    assert request == to_g(payloads.Json(raw))
    said = V1.compose(G("g", None, payloads.Json(raw)))
    assert said is not None
    assert said[1].endswith(b'"data":' + raw + b"}")


def test_a_head_is_remembered_for_its_own_group_user_and_kind_only() -> None:
    codec = JsonV1()
    said = {
        codec.compose(G(group, user, payload))
        for _ in range(2)
        for group in ("a", "b")
        for user in ("u", "v", None)
        for payload in (payloads.Text("AAAA"), payloads.Binary(b"\0\0\0"))
    }
    assert len(said) == 12


def test_heads_are_bounded() -> None:
    codec = JsonV1()
    for number in range(10_000):
        codec.compose(G(f"group-{number}", None, ONE))
    assert len(codec._heads) <= 4096


# Anything at all.

space = st.text(" \t\r\n", max_size=3).map(str.encode)
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
).map(str.encode)
plain = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters='"\\', min_codepoint=32)
).map(str.encode)
escapes = st.sampled_from(
    [rb"\"", rb"\\", rb"\/", rb"\b", rb"\n", rb"\u00e9", rb"\uD83D\uDE00", rb"\u0000"]
)
strings = st.lists(st.one_of(plain, escapes), max_size=3).map(
    lambda parts: b'"' + b"".join(parts) + b'"'
)


def _spaced(first: bytes, value: bytes, last: bytes) -> bytes:
    return first + value + last


def _containers(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    spaced = st.builds(_spaced, space, values, space)
    pairs = st.builds(
        lambda key, value: key + b":" + value,
        st.builds(_spaced, space, strings, space),
        spaced,
    )
    return st.one_of(
        st.lists(spaced, max_size=4).map(lambda v: b"[" + b",".join(v) + b"]"),
        st.lists(pairs, max_size=4).map(lambda v: b"{" + b",".join(v) + b"}"),
    )


json_texts = st.recursive(
    st.one_of(numbers, strings, st.sampled_from([b"true", b"false", b"null"])),
    _containers,
    max_leaves=8,
)


@settings(deadline=None)
@given(json_texts.filter(lambda raw: raw != b"null"), space, space, st.booleans())
def test_any_json_value_goes_through_byte_for_byte(
    raw: bytes, before: bytes, after: bytes, shout: bool
) -> None:
    kind = b"EVENT" if shout else b"event"
    data = b'{"event":"e","data":%b%b%b,"type":"%b"}' % (before, raw, after, kind)
    assert decode(data) == requests.SendEvent("e", payloads.Json(raw))
    said = V1.compose(S(payloads.Json(raw)))
    assert said is not None
    assert said[1] == (
        b'{"type":"message","from":"server","dataType":"json","data":' + raw + b"}"
    )


def code_of(data: bytes, text: bool) -> int | None:
    """Decode; give the close code, if that is how it ends."""
    try:
        V1.decode(data, text)
    except ProtocolViolation as violation:
        return violation.code
    return None


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
@example(b'{"type":"\xff"}', True)
@example(b'{"type":"joinGroup","group":"\\ud800"}', True)
@example(b'{"type":"joinGroup","group":"\\udc00\\ud800"}', True)
@example(b'{"type":"EVENT","event":"\xff","data":1}', True)
@example(b'{"TYPE":1}', True)
def test_arbitrary_bytes_raise_nothing_but_a_violation(data: bytes, text: bool) -> None:
    assert code_of(data, text) in {None, 1003, 1007}


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
fields = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "group",
            "event",
            "data",
            "dataType",
            "ackId",
            "noEcho",
            "metadata",
            "ttlSeconds",
            "sequenceId",
        ]
    ),
    st.one_of(
        scalars,
        st.sampled_from(["sendToGroup", "EVENT", "joingroup", "sequenceAck", "binary"]),
        st.dictionaries(st.text(), scalars, max_size=3),
    ),
)


@settings(deadline=None)
@given(fields)
def test_arbitrary_fields_raise_nothing_but_a_violation(fields: dict[str, Any]) -> None:
    assert code_of(json.dumps(fields).encode(), True) in {None, 1007}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_text_and_bytes_arrive_as_they_were_sent(text: str, data: bytes) -> None:
    assert decode(send(dataType="text", data=text)) == to_g(payloads.Text(text))
    said = V1.compose(S(payloads.Text(text)))
    assert said is not None
    assert json.loads(said[1])["data"] == text
    encoded = base64.b64encode(data).decode()
    assert decode(send(dataType="binary", data=encoded)) == to_g(payloads.Binary(data))
    said = V1.compose(S(payloads.Binary(data)))
    assert said is not None
    assert json.loads(said[1])["data"] == encoded
