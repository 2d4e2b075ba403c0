"""The subprotocols of the client, each against a real gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubbub.actors.messages import payload, pushes, requests
from hubbub.sdk import (
    CBOR_RELIABLE_V1,
    JSON_RELIABLE_V1,
    JSON_V1,
    AckError,
    Binary,
    Json,
    Message,
    NotRecovered,
    Offline,
    Online,
    Protobuf,
    ProtocolError,
    StateItem,
    StreamMark,
    Text,
    WebPubSubClient,
)
from hubbub.sdk.client.protocols import Arrival, Numbered, Outcome
from hubbub.sdk.client.spoken import SPOKEN, protocol_of
from hubbub.transport.subprotocols import SPOKEN as GATEWAYS
from support.sdk_clients import SECONDS, until_online

if TYPE_CHECKING:
    from hubbub.sdk.client.protocols import ClientProtocol
    from hubbub.sdk.testing import NewClient, NewServer

every_protocol = pytest.mark.parametrize("name", SPOKEN)
WORDY = [one for one in SPOKEN.values() if "protobuf" not in one.name]


# At a gateway.


@every_protocol
@pytest.mark.parametrize(
    ("sent", "data_type", "data"),
    [
        ("text é ✓", "text", "text é ✓"),
        ({"b": 1, "a": [2.5, None]}, "json", {"b": 1, "a": [2.5, None]}),
        (b"\x00\xff", "binary", b"\x00\xff"),
        (Protobuf(b"\x0a\x00"), "protobuf", b"\x0a\x00"),
    ],
)
async def test_data_arrives_as_what_it_was_sent(
    hubbub_client: NewClient, name: str, sent: object, data_type: str, data: object
) -> None:
    ann = await hubbub_client(user="ann", protocol=name)
    bob = await hubbub_client(protocol=name)
    await bob.join("lobby")
    await ann.send_to_group("lobby", sent, metadata={"k": "v"})
    message = await bob.next(SECONDS)
    assert (message.data_type, message.data) == (data_type, data)
    assert (message.group, message.metadata) == ("lobby", {"k": "v"})
    # Protobuf does not say who has sent it.
    assert message.from_user == (None if "protobuf" in name else "ann")


@every_protocol
async def test_a_refusal_has_its_words(hubbub_client: NewClient, name: str) -> None:
    ann = await hubbub_client(roles=[], protocol=name, user="ann")
    assert ann.user_id == "ann"
    with pytest.raises(AckError, match="theirs") as refused:
        await ann.join("theirs")
    assert refused.value.name == "Forbidden"


@every_protocol
async def test_who_is_sent_away_hears_why(
    hubbub_client: NewClient, hubbub_server: NewServer, name: str
) -> None:
    server = await hubbub_server("chat")
    ann = await hubbub_client("chat", protocol=name)
    states, first = ann.states(), ann.connection_id
    await until_online(states)
    await server.client(first).close("enough")
    lost, *told, back = await until_online(states)
    assert isinstance(lost, Offline)
    assert "enough" in lost.reason
    # A session that a server has ended is looked for in vain.
    reliable = "reliable" in name
    assert [type(one) for one in told] == [NotRecovered] * reliable
    assert isinstance(back, Online)
    assert (back.connection_id != first, back.recovered) == (True, False)


def test_the_gateway_knows_every_subprotocol_of_the_client() -> None:
    assert SPOKEN.keys() <= GATEWAYS.keys()
    for name, protocol in SPOKEN.items():
        assert protocol.reliable == ("reliable" in name)
        assert protocol_of(name.upper()) is protocol
    assert protocol_of(JSON_V1) is JSON_V1


def test_a_subprotocol_that_is_not_spoken_is_refused() -> None:
    with pytest.raises(ValueError, match="mqtt"):
        WebPubSubClient("ws://127.0.0.1/", "mqtt")


# What is written.

NAMES = st.text(min_size=1, max_size=20).filter(lambda text: not text.isspace())
IDS = st.none() | st.integers(0, 2**64 - 1)
METADATA = st.none() | st.just({"k": "v"})
PAYLOADS = st.one_of(
    st.text().map(Text),
    st.binary().map(Binary),
    st.just(Protobuf(b"\x0a\x00")),
    st.sampled_from([b"1", b'{"a":[null]}', b'"x"']).map(Json),
)
TEXTS = st.none() | st.text()
BASIC = st.one_of(
    st.builds(requests.JoinGroup, NAMES, IDS),
    st.builds(requests.LeaveGroup, NAMES, IDS),
    st.builds(
        requests.SendToGroup,
        NAMES,
        PAYLOADS,
        st.booleans(),
        IDS,
        METADATA,
        st.integers(0, 300),
    ),
    st.builds(requests.SendEvent, st.just("order.new"), PAYLOADS, IDS, METADATA),
    st.builds(requests.AckSequence, st.integers(0, 2**64 - 1)),
    st.just(requests.Ping()),
)
NEWER = st.one_of(
    st.builds(requests.Invoke, NAMES, st.just("price"), PAYLOADS, METADATA),
    st.builds(requests.CancelInvocation, NAMES),
    st.builds(
        requests.StartStream,
        NAMES,
        NAMES,
        st.booleans(),
        st.integers(1, 600_000).map(lambda ms: ms / 1000),
    ),
    st.builds(requests.SendFragment, NAMES, st.integers(0, 2**64 - 1), PAYLOADS),
    st.builds(requests.KeepStream, NAMES),
    st.builds(requests.EndStream, NAMES),
    st.builds(
        requests.EndStream,
        NAMES,
        st.builds(payload.StreamError, st.just("UserError"), TEXTS, TEXTS),
    ),
    st.builds(
        requests.SetGroupState,
        NAMES,
        st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
        IDS,
    ),
    st.builds(requests.SubscribeGroupState, NAMES, IDS),
    st.builds(requests.UnsubscribeGroupState, NAMES, IDS),
)


def read_by_the_gateway(protocol: ClientProtocol, request: Any) -> Any:
    frame = protocol.encode(request)
    text = isinstance(frame, str)
    data = frame.encode() if isinstance(frame, str) else frame
    return GATEWAYS[protocol.name].decode(data, text)


@pytest.mark.parametrize("protocol", SPOKEN.values(), ids=SPOKEN)
@given(request=BASIC)
def test_the_gateway_reads_what_the_client_writes(
    protocol: ClientProtocol, request: Any
) -> None:
    assert read_by_the_gateway(protocol, request) == request


@pytest.mark.parametrize("protocol", WORDY, ids=lambda one: one.name)
@given(request=NEWER)
def test_the_gateway_reads_what_is_newer_as_well(
    protocol: ClientProtocol, request: Any
) -> None:
    assert read_by_the_gateway(protocol, request) == request


@given(NEWER)
def test_protobuf_says_what_it_has_no_words_for(request: Any) -> None:
    with pytest.raises(ProtocolError, match=type(request).__name__):
        SPOKEN["protobuf.webpubsub.azure.v1"].encode(request)


# What is read.

SPOKEN_BY_GATEWAY: list[tuple[pushes.Push, Arrival]] = [
    (pushes.Pong(), pushes.Pong()),
    (pushes.Connected("c", "u", "r"), pushes.Connected("c", "u", "r")),
    (pushes.Connected("c", None), pushes.Connected("c", None)),
    (pushes.Disconnected("bye"), pushes.Disconnected("bye")),
    (
        pushes.GroupMessage("g", None, Json(b"[1]"), {"k": "v"}),
        Message(Json(b"[1]"), "g", None, {"k": "v"}),
    ),
    (pushes.ServerMessage(Binary(b"\x00")), Message(Binary(b"\x00"))),
]
NEWER_BY_GATEWAY: list[tuple[pushes.Push, Arrival]] = [
    (pushes.InvokeResponse("1", Json(b"{}")), Outcome("1", Json(b"{}"))),
    (pushes.InvokeResponse("1", Text("")), Outcome("1", Text(""))),
    (pushes.InvokeResponse("1"), Outcome("1")),
    (
        pushes.InvokeResponse(
            "1", error=pushes.AckError(pushes.AckName.FORBIDDEN, "no")
        ),
        Outcome("1", None, "Forbidden", "no"),
    ),
    (pushes.StreamAck("s", 3), pushes.StreamAck("s", 3)),
    (pushes.StreamNack("s", 3), pushes.StreamNack("s", 3)),
    (pushes.StreamClosed("s"), pushes.StreamClosed("s")),
    (
        pushes.StreamClosed("s", payload.StreamError("Forbidden", "no")),
        pushes.StreamClosed("s", payload.StreamError("Forbidden", "no")),
    ),
    (
        pushes.GroupMessage("g", "u", Text("x"), None, 0, StreamMark("s", 7)),
        Message(Text("x"), "g", "u", None, StreamMark("s", 7)),
    ),
    (
        pushes.GroupMessage(
            "g",
            "u",
            Text(""),
            stream=StreamMark(
                "s", 8, end=True, error=payload.StreamError("UserError", "m", "c")
            ),
        ),
        Message(
            Text(""),
            "g",
            "u",
            None,
            StreamMark(
                "s", 8, end=True, error=payload.StreamError("UserError", "m", "c")
            ),
        ),
    ),
    *(
        (kind("g", items), kind("g", items))
        for kind in (pushes.GroupStateSnapshot, pushes.GroupStateUpdate)
        for items in (
            (),
            (StateItem("c", "u", {"a": "b"}, 9), StateItem("d", None, None, 10)),
        )
    ),
]


def said_by_the_gateway(name: str, push: pushes.Push, number: int = 0) -> str | bytes:
    """Give a frame as the gateway's subprotocol writes it, numbered on demand."""
    spoken: Any = GATEWAYS[name]
    said = spoken.compose(push)
    assert said is not None
    body: bytes = spoken.stamp(said[1], number) if number else said[1]
    return body if name.startswith(("cbor", "protobuf")) else body.decode()


@pytest.mark.parametrize("protocol", SPOKEN.values(), ids=SPOKEN)
@pytest.mark.parametrize(("push", "arrival"), SPOKEN_BY_GATEWAY)
def test_the_client_reads_what_the_gateway_says(
    protocol: ClientProtocol, push: pushes.Push, arrival: Arrival
) -> None:
    assert protocol.decode(said_by_the_gateway(protocol.name, push)) == arrival


@pytest.mark.parametrize("protocol", WORDY, ids=lambda one: one.name)
@pytest.mark.parametrize(("push", "arrival"), NEWER_BY_GATEWAY)
def test_the_client_reads_what_is_newer_as_well(
    protocol: ClientProtocol, push: pushes.Push, arrival: Arrival
) -> None:
    assert protocol.decode(said_by_the_gateway(protocol.name, push)) == arrival


@pytest.mark.parametrize("name", [name for name in SPOKEN if "reliable" in name])
@pytest.mark.parametrize("number", [1, 300, 2**40])
def test_messages_have_numbers_where_they_are_reliable(name: str, number: int) -> None:
    frame = said_by_the_gateway(name, pushes.ServerMessage(Text("x")), number)
    assert SPOKEN[name].decode(frame) == Numbered(Message(Text("x")), number)


def test_numbers_mean_nothing_where_they_are_not() -> None:
    frame = said_by_the_gateway(
        JSON_RELIABLE_V1.name, pushes.ServerMessage(Text("x")), 7
    )
    assert JSON_V1.decode(frame) == Message(Text("x"))


@pytest.mark.parametrize("protocol", SPOKEN.values(), ids=SPOKEN)
@given(frame=st.one_of(st.text(), st.binary()))
@example("{}")
@example(b"\xa0")
def test_any_frame_is_read_or_is_a_protocol_error(
    protocol: ClientProtocol, frame: str | bytes
) -> None:
    try:
        arrival = protocol.decode(frame)
    except ProtocolError:
        return
    assert arrival is None or isinstance(arrival, get_args(Arrival))


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"invokeResponse","invocationId":"1"}',
        '{"type":"invokeResponse","invocationId":"1","success":false}',
        '{"type":"streamAck","streamId":"s"}',
        '{"type":"streamNack","streamId":"s"}',
        '{"type":"streamClosed"}',
        '{"type":"groupStateSnapshot","group":"g"}',
        '{"type":"groupStateUpdate","items":[]}',
        '{"type":"message","from":"group","group":"g","data":1,"stream":{}}',
    ],
)
def test_what_lacks_a_field_is_a_protocol_error(frame: str) -> None:
    with pytest.raises(ProtocolError):
        JSON_V1.decode(frame)


def test_a_cbor_frame_of_another_kind_is_none() -> None:
    assert CBOR_RELIABLE_V1.decode(b"\xa1\x64type\x65later") is None
