"""The protobuf subprotocols, byte by byte, in both directions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.any_pb2 import Any as ProtobufAny
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols import webpubsub_pb2
from hubbub.transport.subprotocols.protobuf_v1 import ProtobufReliableV1, ProtobufV1
from hubbub.transport.subprotocols.violation import ProtocolViolation
from hubbub.transport.subprotocols.webpubsub_pb2 import (
    DownstreamMessage,
    MessageData,
    UpstreamMessage,
)
from hubbub.transport.wire.frames import BINARY
from support import subprotocols as given_

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

V1, RELIABLE = ProtobufV1(), ProtobufReliableV1()
BOTH = pytest.mark.parametrize("codec", [V1, RELIABLE], ids=["v1", "reliable"])
MOST_ID = 2**64 - 1
ANY = ProtobufAny(type_url="type.test/Thing", value=b"\x08\x01").SerializeToString()
Send = UpstreamMessage.SendToGroupMessage
Event = UpstreamMessage.EventMessage
Start = UpstreamMessage.StreamStartInfo


def send(**fields: Any) -> bytes:
    fields = {"group": "g", "data": MessageData(text_data="x"), **fields}
    return UpstreamMessage(send_to_group_message=Send(**fields)).SerializeToString()


def event(**fields: Any) -> bytes:
    fields = {"event": "e", "data": MessageData(text_data="x"), **fields}
    return UpstreamMessage(event_message=Event(**fields)).SerializeToString()


X = payloads.Text("x")
EMPTY = payloads.Text("")

# The byte examples of the reference, both ways.

READ: list[tuple[str, requests.Request]] = [
    ("32 06 0A 02 67 31 10 01", requests.JoinGroup("g1", 1)),
    ("3A 06 0A 02 67 31 10 09", requests.LeaveGroup("g1", 9)),
    (
        "0A 0E 0A 02 67 31 10 02 1A 04 0A 02 68 69 20 01",
        requests.SendToGroup("g1", payloads.Text("hi"), True, 2),
    ),
    (
        "2A 0C 0A 02 65 31 12 04 12 02 01 02 18 03",
        requests.SendEvent("e1", payloads.Binary(b"\x01\x02"), 3),
    ),
    ("42 02 08 05", requests.AckSequence(5)),
    ("4A 00", requests.Ping()),
]

SAID: list[tuple[pushes.Push, int | None, str]] = [
    (pushes.Pong(), None, "22 00"),
    (pushes.Ack(1), None, "0A 04 08 01 10 01"),
    (
        pushes.Ack(2, pushes.AckError(pushes.AckName.FORBIDDEN, "no")),
        None,
        "0A 13 08 02 1A 0F 0A 09 46 6F 72 62 69 64 64 65 6E 12 02 6E 6F",
    ),
    (
        pushes.GroupMessage("g1", "u1", payloads.Text("hi")),
        5,
        "12 13 0A 05 67 72 6F 75 70 12 02 67 31 1A 04 0A 02 68 69 20 05",
    ),
    (
        pushes.ServerMessage(payloads.Json(b'{"a":1}')),
        None,
        "12 13 0A 06 73 65 72 76 65 72 1A 09 22 07 7B 22 61 22 3A 31 7D",
    ),
    (
        pushes.Connected("c1", "u1", "t1"),
        None,
        "1A 0E 0A 0C 0A 02 63 31 12 02 75 31 1A 02 74 31",
    ),
    (pushes.Disconnected("bye"), None, "1A 07 12 05 12 03 62 79 65"),
]


@BOTH
@pytest.mark.parametrize(("hexadecimal", "request_"), READ, ids=str)
def test_the_examples_of_the_reference_are_read(
    codec: ProtobufV1, hexadecimal: str, request_: requests.Request
) -> None:
    assert codec.decode(bytes.fromhex(hexadecimal), False) == request_


@pytest.mark.parametrize(("push", "number", "hexadecimal"), SAID)
def test_the_examples_of_the_reference_are_said(
    push: pushes.Push, number: int | None, hexadecimal: str
) -> None:
    said = RELIABLE.compose(push)
    assert said == V1.compose(push)
    assert said is not None
    kind, data = said
    assert kind == RELIABLE.kind == BINARY
    assert bytes.fromhex(hexadecimal) == (
        data if number is None else RELIABLE.stamp(data, number)
    )


ALSO_READ: list[tuple[bytes, requests.Request]] = [
    # An ack id of 0 is one, if it is there.
    (send(ack_id=0), requests.SendToGroup("g", X, ack_id=0)),
    (send(), requests.SendToGroup("g", X)),
    (send(ack_id=MOST_ID), requests.SendToGroup("g", X, ack_id=MOST_ID)),
    (event(ack_id=0), requests.SendEvent("e", X, 0)),
    (event(), requests.SendEvent("e", X)),
    (bytes.fromhex("32 03 0A 01 67"), requests.JoinGroup("g")),
    (bytes.fromhex("32 05 0A 01 67 10 00"), requests.JoinGroup("g", 0)),
    (bytes.fromhex("3A 05 0A 01 67 10 00"), requests.LeaveGroup("g", 0)),
    (bytes.fromhex("42 00"), requests.AckSequence(0)),
    # Every kind of data.
    (
        send(data=MessageData(text_data="")),
        requests.SendToGroup("g", EMPTY),
    ),
    (
        send(data=MessageData(binary_data=b"")),
        requests.SendToGroup("g", payloads.Binary(b"")),
    ),
    (
        send(data=MessageData(json_data='{ "a":1.0}\n')),
        requests.SendToGroup("g", payloads.Json(b'{ "a":1.0}\n')),
    ),
    (
        send(data=MessageData(protobuf_data=ANY)),
        requests.SendToGroup("g", payloads.Protobuf(ANY)),
    ),
    (
        event(data=MessageData(protobuf_data=b"")),
        requests.SendEvent("e", payloads.Protobuf(b"")),
    ),
    # What the .NET client sends as text is text.
    (
        send(data=MessageData(text_data='{"a":1}')),
        requests.SendToGroup("g", payloads.Text('{"a":1}')),
    ),
    # Ttl, noEcho, metadata; and metadata alone.
    (
        send(ttl_seconds=300, no_echo=True, metadata={"a": "b"}),
        requests.SendToGroup("g", X, True, None, {"a": "b"}, 300),
    ),
    (send(no_echo=False, ttl_seconds=0), requests.SendToGroup("g", X)),
    (
        send(data=None, metadata={"a": "b"}),
        requests.SendToGroup("g", EMPTY, metadata={"a": "b"}),
    ),
    (
        send(data=MessageData(), metadata={"a": "b"}),
        requests.SendToGroup("g", EMPTY, metadata={"a": "b"}),
    ),
    (
        event(data=None, metadata={"a": "b"}),
        requests.SendEvent("e", EMPTY, metadata={"a": "b"}),
    ),
    # What begins a stream has no data; nothing can follow it here.
    (
        send(data=None, stream=Start(stream_id="s", idle_timeout_ms=1500)),
        requests.StartStream("g", "s", False, 1.5),
    ),
    (
        send(data=MessageData(), no_echo=True, ack_id=1, stream=Start(stream_id="s")),
        requests.StartStream("g", "s", True, 300.0),
    ),
    (send(stream=Start(stream_id="s")), requests.SendToGroup("g", X)),
    (send(stream=Start()), requests.SendToGroup("g", X)),
    (event(stream=Start(stream_id="s")), requests.SendEvent("e", X)),
    # Fields that nobody knows, inside and outside.
    (send() + b"\xa0\x06\x01", requests.SendToGroup("g", X)),
    (b"\xfa\x01\x02hi" + send(), requests.SendToGroup("g", X)),
    (bytes.fromhex("32 07 0A 01 67 A2 06 01 78"), requests.JoinGroup("g")),
    (bytes.fromhex("4A 03 A0 06 01"), requests.Ping()),
    # Of two members of a oneof the last counts.
    (bytes.fromhex("4A 00") + send(), requests.SendToGroup("g", X)),
]


@BOTH
@pytest.mark.parametrize(
    ("data", "request_"), ALSO_READ, ids=[row[0].hex() for row in ALSO_READ]
)
def test_a_request_is_read(
    codec: ProtobufV1, data: bytes, request_: requests.Request
) -> None:
    assert codec.decode(data, False) == request_


WRONG: list[bytes] = [
    # Nothing, or a type that nobody knows.
    b"",
    bytes.fromhex("12 00"),
    bytes.fromhex("A0 06 01"),
    # Not protobuf.
    b"\x00",
    b"\xff",
    b"{}",
    bytes.fromhex("32 06 0A 02 67 31 10"),
    bytes.fromhex("32 07 0A 02 67 31 10 01"),
    bytes.fromhex("32 FF FF FF FF 0F"),
    bytes.fromhex("4B 00"),
    b"\x0b" * 200,
    send() + b"\x0c",
    # A string that is no UTF-8.
    bytes.fromhex("32 03 0A 01 FF"),
    bytes.fromhex("0A 08 0A 01 67 1A 03 0A 01 FF"),
    bytes.fromhex("0A 08 0A 01 67 1A 03 22 01 FF"),
    # A number where a message belongs.
    bytes.fromhex("32 01 01"),
    # Names.
    bytes.fromhex("32 00"),
    bytes.fromhex("3A 00"),
    bytes.fromhex("32 03 0A 01 20"),
    send(group=""),
    send(group="g" * 1025),
    event(event=""),
    event(event="9"),
    # Data.
    send(data=None),
    send(data=MessageData()),
    event(data=None),
    event(data=MessageData()),
    event(data=None, stream=Start(stream_id="s")),
    send(data=MessageData(json_data="")),
    send(data=MessageData(json_data="null")),
    send(data=MessageData(json_data=" null ")),
    send(data=MessageData(json_data="{")),
    send(data=MessageData(json_data="[" * 100_000)),
    send(data=MessageData(json_data="1 2")),
    send(data=MessageData(protobuf_data=b"\x00")),
    send(data=MessageData(protobuf_data=b"\x0a\x05x")),
    send(data=MessageData(protobuf_data=b"\x0a\x01\xff")),
    event(data=MessageData(protobuf_data=b"\x01")),
    # Ttl and metadata.
    send(ttl_seconds=301),
    send(ttl_seconds=2**32 - 1),
    send(metadata={"a b": "v"}),
    send(metadata={"a": "é"}),
    send(metadata={"": ""}),
    event(metadata={"k": "v" * 1025}),
    # Streams.
    send(data=None, stream=Start()),
    send(data=None, stream=Start(stream_id="s", idle_timeout_ms=0)),
    send(data=None, group="", stream=Start(stream_id="s")),
]


@BOTH
@pytest.mark.parametrize("data", WRONG, ids=lambda data: repr(data)[:60])
def test_a_broken_message_is_refused_with_1007_and_a_reason(
    codec: ProtobufV1, data: bytes
) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        codec.decode(data, False)
    assert raised.value.code == 1007
    assert len(raised.value.reason) > 5


@BOTH
@pytest.mark.parametrize("data", [bytes.fromhex("4A 00"), b"", b"\xff"])
def test_a_text_frame_is_refused_with_1003(codec: ProtobufV1, data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        codec.decode(data, True)
    assert raised.value.code == 1003


# Pushes.


def test_an_anonymous_user_is_nobody_and_without_a_token_there_is_none() -> None:
    said = V1.compose(pushes.Connected("c", None))
    assert said is not None
    message = DownstreamMessage.FromString(said[1]).system_message.connected_message
    assert (message.connection_id, message.user_id) == ("c", "")
    assert not message.HasField("reconnection_token")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, MOST_ID])
def test_an_ack_is_what_the_library_makes_of_it(number: int) -> None:
    made = DownstreamMessage(
        ack_message=DownstreamMessage.AckMessage(ack_id=number, success=True)
    )
    assert V1.compose(pushes.Ack(number)) == (BINARY, made.SerializeToString())


@pytest.mark.parametrize(
    "push",
    [
        pushes.InvokeResponse("1", X),
        pushes.StreamAck("s", 1),
        pushes.StreamNack("s", 1),
        pushes.StreamClosed("s"),
        pushes.GroupStateSnapshot("g", ()),
        pushes.GroupStateUpdate("g", ()),
        pushes.GroupMessage(
            "g", "u", EMPTY, stream=payloads.StreamMark("s", 2, end=True)
        ),
        # It would break the message around it.
        pushes.GroupMessage("g", "u", payloads.Protobuf(b"\x01")),
        pushes.ServerMessage(payloads.Protobuf(b"\x0a\x05x")),
    ],
)
def test_there_are_no_words_for_it(push: pushes.Push) -> None:
    assert V1.compose(push) is None
    assert RELIABLE.compose(push) is None


def test_a_part_of_a_stream_is_an_ordinary_message() -> None:
    mark = payloads.StreamMark("s", 1)
    assert V1.compose(pushes.GroupMessage("g", "u", X, stream=mark)) == V1.compose(
        pushes.GroupMessage("g", None, X)
    )


def test_a_json_null_can_be_said() -> None:
    said = V1.compose(pushes.ServerMessage(payloads.Json(b"null")))
    assert said is not None
    assert DownstreamMessage.FromString(said[1]).data_message.data.json_data == "null"


def test_heads_are_bounded() -> None:
    codec = ProtobufV1()
    for number in range(10_000):
        codec.compose(pushes.GroupMessage(f"group-{number}", None, X))
    assert len(codec._heads) <= 4096


@pytest.mark.parametrize(
    "size", [0, 100, 105, 106, 107, 127, 128, 16_300, 16_384, 10**6]
)
@pytest.mark.parametrize("number", [1, 127, 128, 2**14, 2**21, 2**35, MOST_ID])
def test_a_number_fits_into_messages_of_every_size(size: int, number: int) -> None:
    said = V1.compose(pushes.GroupMessage("g", "u", payloads.Binary(b"\xff" * size)))
    assert said is not None
    message = DownstreamMessage.FromString(RELIABLE.stamp(said[1], number))
    assert message.data_message.sequence_id == number
    message.data_message.ClearField("sequence_id")
    assert message == DownstreamMessage.FromString(said[1])


# Anything that can be said, written and read by the library.


def data_of(payload: payloads.Payload) -> MessageData:
    match payload:
        case payloads.Text(text=text):
            return MessageData(text_data=text)
        case payloads.Json(raw=raw):
            return MessageData(json_data=raw.decode())
        case payloads.Binary(data=data):
            return MessageData(binary_data=data)
        case payloads.Protobuf(data=data):
            return MessageData(protobuf_data=data)


def written(request: requests.Request) -> UpstreamMessage:
    """Write a request as a client with the library would."""
    match request:
        case requests.SendToGroup():
            made = Send(
                group=request.group,
                data=data_of(request.payload),
                no_echo=request.no_echo,
                ack_id=request.ack_id,
                ttl_seconds=request.ttl,
                metadata=request.metadata,
            )
            return UpstreamMessage(send_to_group_message=made)
        case requests.SendEvent():
            called = Event(
                event=request.event,
                data=data_of(request.payload),
                ack_id=request.ack_id,
                metadata=request.metadata,
            )
            return UpstreamMessage(event_message=called)
        case requests.StartStream():
            begun = Start(
                stream_id=request.stream_id, idle_timeout_ms=round(request.idle * 1000)
            )
            made = Send(group=request.group, no_echo=request.no_echo, stream=begun)
            return UpstreamMessage(send_to_group_message=made)
        case requests.JoinGroup(group=group, ack_id=ack_id):
            join = UpstreamMessage.JoinGroupMessage(group=group, ack_id=ack_id)
            return UpstreamMessage(join_group_message=join)
        case requests.LeaveGroup(group=group, ack_id=ack_id):
            leave = UpstreamMessage.LeaveGroupMessage(group=group, ack_id=ack_id)
            return UpstreamMessage(leave_group_message=leave)
        case requests.AckSequence(sequence_id=number):
            ack = UpstreamMessage.SequenceAckMessage(sequence_id=number)
            return UpstreamMessage(sequence_ack_message=ack)
        case requests.Ping():
            return UpstreamMessage(ping_message=UpstreamMessage.PingMessage())
    raise AssertionError(f"protobuf has no words for {request}")


@settings(deadline=None, max_examples=500)
@given(given_.older_requests)
def test_what_the_library_writes_is_read_as_it_was_meant(
    request: requests.Request,
) -> None:
    assert V1.decode(written(request).SerializeToString(), False) == request


@settings(deadline=None, max_examples=500)
@given(given_.messages, st.integers(1, MOST_ID))
def test_messages_by_hand_are_what_the_library_would_make_of_them(
    push: pushes.GroupMessage | pushes.ServerMessage, number: int
) -> None:
    said = V1.compose(push)
    fields: dict[str, Any] = {"from": "server"}
    if isinstance(push, pushes.GroupMessage):
        if push.stream is not None and push.stream.end:
            assert said is None
            return
        fields = {"from": "group", "group": push.group}
    assert said is not None
    made = DownstreamMessage.DataMessage(
        data=data_of(push.payload), metadata=push.metadata, **fields
    )
    whole = DownstreamMessage(data_message=made)
    assert said[0] == BINARY
    assert DownstreamMessage.FromString(said[1]) == whole
    if push.metadata is None:
        assert said[1] == whole.SerializeToString()
    made.sequence_id = number
    stamped = DownstreamMessage.FromString(RELIABLE.stamp(said[1], number))
    assert stamped == DownstreamMessage(data_message=made)


# The generated code.


def _fields(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^ +[\w.<>, ]+? (\w+) = (\d+);", text, re.MULTILINE)


def _described(message: Descriptor) -> list[tuple[str, str]]:
    own = [(field.name, str(field.number)) for field in message.fields]
    return own + [
        pair
        for inner in message.nested_types
        if not inner.GetOptions().map_entry
        for pair in _described(inner)
    ]


def test_the_generated_code_is_that_of_the_schema() -> None:
    schema = Path(str(webpubsub_pb2.__file__)).with_name("webpubsub.proto")
    described = [
        pair
        for message in webpubsub_pb2.DESCRIPTOR.message_types_by_name.values()
        for pair in _described(message)
    ]
    assert sorted(_fields(schema.read_text())) == sorted(described)
    assert len(described) > 40
