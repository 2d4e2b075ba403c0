"""Whatever a server sends is a request or a violation; nothing else, and in no time."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import cbor2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import commands, servers
from hubbub.actors.messages.payload import Binary, Json, Payload, Protobuf, Text
from hubbub.actors.messages.servers import ServerRole
from hubbub.transport.subprotocols.server_v1 import CborServer, JsonServer
from hubbub.transport.subprotocols.violation import ProtocolViolation
from support.server_examples import fields
from support.server_page import cddl

JSON, CBOR = JsonServer(), CborServer()
TYPES = sorted(cddl().literals("request", "type"))
KEYS = sorted(cddl().names())


def outcome(codec: JsonServer | CborServer, data: bytes) -> object:
    """Read bytes; only a violation may be raised."""
    try:
        return codec.decode(data, codec is JSON)
    except ProtocolViolation as error:
        violation = error
    assert violation.code == 1007
    assert violation.reason
    return None


texts = st.text(max_size=12)
keys = st.sampled_from(KEYS)
types = st.sampled_from(TYPES)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["json", "binary", "sendToGroup", "connect", "event"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | keys, inner, max_size=3)
    ),
    max_leaves=8,
)
frames = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    types | values,
    st.dictionaries(keys | texts, values, max_size=6),
)


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"type":"publish","id":1,"data":' + b"[" * 100_000)
@settings(max_examples=300)
def test_any_bytes_are_a_json_request_or_a_violation(data: bytes) -> None:
    outcome(JSON, data)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x9f" * 100_000)
@example(b"\xa1\x61a" * 100_000)
@example(b"\x9b" + b"\xff" * 8)
@example(cbor2.dumps({"type": "publish", "id": 1, "data": "[" * 100_000}))
@settings(max_examples=300)
def test_any_bytes_are_a_cbor_request_or_a_violation(data: bytes) -> None:
    outcome(CBOR, data)


@given(frames | values)
@settings(max_examples=500)
def test_any_json_value_is_a_request_or_a_violation(value: Any) -> None:
    outcome(JSON, json.dumps(value).encode())


anything = st.recursive(
    scalars | st.binary(max_size=8) | st.floats() | st.datetimes() | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(scalars | keys, inner, max_size=3)
        | st.builds(cbor2.CBORTag, st.integers(0, 2**32), inner)
    ),
    max_leaves=8,
)


@given(frames | st.dictionaries(keys, anything, max_size=6) | anything)
@settings(max_examples=500)
def test_any_cbor_value_is_a_request_or_a_violation(value: Any) -> None:
    outcome(CBOR, cbor2.dumps(value, timezone=UTC))


@given(frames, st.integers(0, 200), st.binary(max_size=3))
def test_a_damaged_frame_is_a_request_or_a_violation(
    frame: dict[str, Any], place: int, junk: bytes
) -> None:
    for codec, data in (
        (JSON, json.dumps(frame).encode()),
        (CBOR, cbor2.dumps(frame)),
    ):
        outcome(codec, data[:place] + junk + data[place + len(junk) :])


def is_big(value: Any) -> bool:
    """Tell whether CBOR needs a tag, which the protocol has not, for a number."""
    match value:
        case dict():
            return any(map(is_big, value.values()))
        case list():
            return any(map(is_big, value))
        case int():
            return not -(2**64) <= value < 2**64
    return False


@given(frames.filter(lambda frame: not is_big(frame)))
def test_both_subprotocols_agree_on_frames_without_data(frame: dict[str, Any]) -> None:
    frame = {key: value for key, value in frame.items() if key != "data"}
    in_json = outcome(JSON, json.dumps(frame).encode())
    in_cbor = outcome(CBOR, cbor2.dumps(frame))
    if not isinstance(in_json, servers.Unclear):
        assert in_json == in_cbor
    else:
        assert isinstance(in_cbor, servers.Unclear)


payloads = (
    st.builds(Text, st.text())
    | st.builds(lambda value: Json(json.dumps(value).encode()), values)
    | st.builds(Binary, st.binary())
    | st.builds(Protobuf, st.binary())
)


@given(payloads)
def test_payloads_come_in_unchanged(payload: Payload) -> None:
    if payload == Json(b"null"):
        return  # JSON takes it for data that is missing
    command = commands.Publish(commands.Everyone(), payload)
    expected = servers.Order(command, ServerRole.PUBLISHER)
    in_json, in_cbor = fields(payload)
    head = {"type": "publish"}
    if isinstance(payload, Json):
        raw = b'{"type":"publish","dataType":"json","data":' + payload.raw + b"}"
    else:
        raw = json.dumps({**head, **in_json}).encode()
    assert JSON.decode(raw, True) == expected
    assert CBOR.decode(cbor2.dumps({**head, **in_cbor}), False) == expected
