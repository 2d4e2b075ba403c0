"""Whatever a client sends is a request or a violation with a code; nothing else.

Each decoder gets random bytes, and bytes that were a request until something happened
to them. What comes through can be said again, in every subprotocol. ``FUZZ_CASES`` in
the environment raises the number of cases.
"""

from __future__ import annotations

import base64
import json
import os
import random
from typing import TYPE_CHECKING, NamedTuple, get_args

import cbor2
import pytest
from google.protobuf.any_pb2 import Any as ProtobufAny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols import SPOKEN
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.subprotocols.webpubsub_pb2 import MessageData, UpstreamMessage
from support.subprotocols import frame_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = int(os.environ.get("FUZZ_CASES", "50000"))
"""Damaged requests for each decoder."""

JSON, DRAFT = "json.webpubsub.azure.v1", "json.webpubsub.azure"
PROTOBUF, CBOR = "protobuf.webpubsub.azure.v1", "cbor.webpubsub.hubbub.v1"
DECODERS = (JSON, DRAFT, PROTOBUF, CBOR)
TEXTUAL = {JSON, DRAFT}
REQUESTS = get_args(requests.Request)

X = payloads.Text("x")
MARK = {"trace": "t-1"}
SAMPLES: list[requests.Request] = [
    requests.JoinGroup("room-7", 1),
    requests.LeaveGroup("é", 2**64 - 1),
    requests.SendToGroup("g", payloads.Text("h\u00e9\n"), True, 3, MARK, 30),
    requests.SendToGroup("g", payloads.Json(b'{"k": [1, "\\u00e9", null]}')),
    requests.SendToGroup("g", payloads.Binary(b"\x00\xff" * 80), ack_id=0),
    requests.SendToGroup(
        "g", payloads.Protobuf(ProtobufAny(type_url="t/x").SerializeToString())
    ),
    requests.SendEvent("order.new", payloads.Json(b"[]"), 5, MARK),
    requests.AckSequence(300),
    requests.Ping(),
    requests.Invoke("1", "price", X, MARK),
    requests.CancelInvocation("1"),
    requests.AnswerInvocation("1"),
    requests.StartStream("g", "s-1", True, 60.0),
    requests.SendFragment("s-1", 1, X),
    requests.KeepStream("s-1"),
    requests.EndStream("s-1", payloads.StreamError("UserError", "m", "c")),
    requests.SetGroupState("g", {"status": "typing"}, 7),
    requests.SubscribeGroupState("g", 8),
    requests.UnsubscribeGroupState("g"),
]


class Outcome(NamedTuple):
    """What became of bytes: a request, or a close code."""

    request: requests.Request | None
    code: int | None


def outcome(name: str, data: bytes, text: bool) -> Outcome:
    """Read bytes; only a violation may be raised."""
    try:
        request = SPOKEN[name].decode(data, text)
    except ProtocolViolation as raised:
        violation = raised
    else:
        assert isinstance(request, REQUESTS)
        return Outcome(request, None)
    assert violation.code in {1003, 1007}
    assert violation.reason.encode()
    return Outcome(None, violation.code)


def check(name: str, data: bytes) -> Outcome:
    """Read bytes both as they should come and as they should not."""
    wrong = outcome(name, data, name not in TEXTUAL)
    assert wrong.code == 1003
    found = outcome(name, data, name in TEXTUAL)
    assert found.code in {None, 1007}
    if found.request is not None and not (name in TEXTUAL and not is_utf8(data)):
        say_everywhere(found.request)
    return found


def is_utf8(data: bytes) -> bool:
    """Tell whether a session would pass this on as text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def say_everywhere(request: requests.Request) -> None:
    """Say a publication in every subprotocol, and read it as the clients would."""
    payload = getattr(request, "payload", None)
    if payload is None:
        return
    group = getattr(request, "group", "g")
    push = pushes.GroupMessage(group, None, payload, getattr(request, "metadata", None))
    for name in (JSON, DRAFT):
        said = SPOKEN[name].compose(push)
        assert said is not None
        assert is_utf8(said[1])
        json.loads(said[1])
    said = SPOKEN[CBOR].compose(push)
    assert said is not None
    assert cbor2.loads(said[1])["group"] == group
    said = SPOKEN[PROTOBUF].compose(push)
    # A JSON or CBOR client may say that anything is an Any.
    assert said is not None or isinstance(payload, payloads.Protobuf)


# Bytes that nobody meant.


@pytest.mark.parametrize("name", DECODERS)
@settings(deadline=None, max_examples=1000)
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 64)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"type":"sendToGroup","group":"g","data":' + b"[" * 100_000)
@example(b'{"event":"publish","payload":' + b"[" * 100_000)
@example(b'{"type":"joinGroup","group":"\\ud800"}')
@example(b'{"event":"subscribe","group":"\\ud800"}')
@example(b'{"type":"setGroupState","group":"g","state":{"\\ud800":""}}')
@example(b"\x9f" * 100_000)
@example(b"\xa1\x61a" * 100_000)
@example(b"\x9b" + b"\xff" * 8)
@example(b"\x0b" * 100_000)
@example(b"\x0a\xff\xff\xff\xff\x07")
def test_any_bytes_are_a_request_or_a_violation(name: str, data: bytes) -> None:
    check(name, data)


# Bytes that somebody meant, damaged.


def data_of(payload: payloads.Payload) -> object:
    match payload:
        case payloads.Text(text=text):
            return text
        case payloads.Json(raw=raw):
            return json.loads(raw)
        case payloads.Binary(data=data) | payloads.Protobuf(data=data):
            return base64.b64encode(data).decode()


def in_json() -> list[bytes]:
    return [
        json.dumps(frame_of(sample, data_of), ensure_ascii=bool(place % 2)).encode()
        for place, sample in enumerate(SAMPLES)
    ]


def in_draft() -> list[bytes]:
    own = [
        '{"event":"publish","group":"g","payload":{"k":[1,null]}}',
        '{"event":"publish","payload":"h\\u00e9"}',
        '{"event":"subscribe","group":"é"}',
        '{"event": "unsubscribe", "group": "g"}',
    ]
    return [text.encode() for text in own] * 3 + in_json()


def in_cbor() -> list[bytes]:
    def as_it_is(payload: payloads.Payload) -> object:
        match payload:
            case payloads.Text(text=text):
                return text
            case payloads.Json(raw=raw):
                return raw.decode()
            case payloads.Binary(data=data) | payloads.Protobuf(data=data):
                return data

    return [cbor2.dumps(frame_of(sample, as_it_is)) for sample in SAMPLES]


def in_protobuf() -> list[bytes]:
    send, event = UpstreamMessage.SendToGroupMessage, UpstreamMessage.EventMessage
    any_ = ProtobufAny(type_url="t/x", value=b"\x00\xff").SerializeToString()
    kinds = [
        MessageData(text_data="h\u00e9"),
        MessageData(json_data='{"k":[1,null]}'),
        MessageData(binary_data=b"\x00\xff" * 80),
        MessageData(protobuf_data=any_),
    ]
    begun = UpstreamMessage.StreamStartInfo(stream_id="s", idle_timeout_ms=9)
    sends = [
        send(
            group="g", data=data, ack_id=3, no_echo=True, ttl_seconds=30, metadata=MARK
        )
        for data in kinds
    ]
    sends += [send(group="g", stream=begun), send(group="é", metadata=MARK)]
    made = [UpstreamMessage(send_to_group_message=one) for one in sends]
    made += [
        UpstreamMessage(event_message=event(event="e", data=data, ack_id=0))
        for data in kinds
    ]
    few = ("32 06 0A 02 67 31 10 01", "3A 06 0A 02 67 31 10 09", "42 02 08 05", "4A 00")
    return [one.SerializeToString() for one in made] + [
        bytes.fromhex(one) for one in few
    ]


SEEDS = {JSON: in_json, DRAFT: in_draft, CBOR: in_cbor, PROTOBUF: in_protobuf}
TOKENS = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"null",
        b"true",
        b"1e999",
        b"-",
    ),
    *(b"\x00", b"\xff", b"\x80", b"\x7f", b"\xa0", b"\xbf", b"\xf6", b"\xc0", b"\x1b"),
    *(b"\\ud800", b"\xed\xa0\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    *(
        b"stream",
        b"metadata",
        b"state",
        b"sendToGroup",
        b"binary",
        b"protobuf",
        b"9" * 30,
    ),
]


def damaged(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Give requests to which one, two or four things have happened."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            place = chance.randint(0, len(data))
            stop = min(len(data), place + chance.randint(1, 8))
            match chance.randint(0, 6):
                case 0 if data:
                    data[place % len(data)] ^= 1 << chance.randint(0, 7)
                case 1 if data:
                    data[place % len(data)] = chance.randint(0, 255)
                case 2:
                    del data[place:stop]
                case 3:
                    data[place:place] = chance.choice(TOKENS)
                case 4:
                    data[place:stop] = chance.choice(TOKENS)
                case 5:
                    data[place:place] = data[place:stop]
                case _:
                    other = chance.choice(seeds)
                    data[place:] = other[chance.randint(0, len(other)) :]
        yield bytes(data)


@pytest.mark.parametrize("name", DECODERS)
def test_a_damaged_request_is_a_request_or_a_violation(name: str) -> None:
    seeds = SEEDS[name]()
    for data in seeds:
        assert check(name, data).code is None, "a seed is a request"
    read = refused = 0
    for data in damaged(seeds, CASES, seed=6):
        if check(name, data).code is None:
            read += 1
        else:
            refused += 1
    assert read + refused == CASES
    assert read > CASES // 100, "the damage is so small that some is still a request"
    assert refused > CASES // 4, "and so large that much is none"
    print(f"{name}: {CASES} damaged requests, {read} read, {refused} refused")  # noqa: T201
