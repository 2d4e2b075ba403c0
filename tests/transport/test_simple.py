"""Simple clients: bare payloads, both ways."""

from __future__ import annotations

import pytest

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols import simple
from hubbub.transport.wire.frames import BINARY, TEXT, Said

PAYLOADS: list[tuple[payloads.Payload, Said]] = [
    (payloads.Text("hällo"), (TEXT, "hällo".encode())),
    (payloads.Text(""), (TEXT, b"")),
    (payloads.Json(b'"quoted"'), (TEXT, b'"quoted"')),
    (payloads.Json(b'{ "b":1.0,\n"b":2}'), (TEXT, b'{ "b":1.0,\n"b":2}')),
    (payloads.Json(b"null"), (TEXT, b"null")),
    (payloads.Binary(b"\0\xff"), (BINARY, b"\0\xff")),
    (payloads.Binary(b""), (BINARY, b"")),
    (payloads.Protobuf(b"\x0a\x01x"), (BINARY, b"\x0a\x01x")),
]


@pytest.mark.parametrize(("payload", "said"), PAYLOADS)
def test_a_message_arrives_as_its_bare_payload(
    payload: payloads.Payload, said: Said
) -> None:
    composer = simple.Simple()
    assert composer.compose(pushes.ServerMessage(payload)) == said
    assert composer.compose(pushes.ServerMessage(payload, {"k": "v"})) == said
    assert composer.compose(pushes.GroupMessage("g", "u", payload)) == said


@pytest.mark.parametrize(
    "push",
    [
        pushes.Connected("c", "u"),
        pushes.Disconnected("bye"),
        pushes.Ack(1),
        pushes.Pong(),
        pushes.InvokeResponse("1", payloads.Text("x")),
        pushes.StreamAck("s", 1),
        pushes.StreamNack("s", 1),
        pushes.StreamClosed("s"),
        pushes.GroupStateSnapshot("g", ()),
        pushes.GroupStateUpdate("g", ()),
    ],
)
def test_no_envelope_ever_reaches_a_simple_client(push: pushes.Push) -> None:
    assert simple.Simple().compose(push) is None


def test_parts_of_a_stream_arrive_and_its_end_does_not() -> None:
    composer = simple.Simple()

    def said(text: str, mark: payloads.StreamMark) -> Said | None:
        payload = payloads.Text(text)
        return composer.compose(pushes.GroupMessage("g", "u", payload, stream=mark))

    assert said("hel", payloads.StreamMark("s", 1)) == (TEXT, b"hel")
    assert said("", payloads.StreamMark("s", 2)) == (TEXT, b"")
    assert said("", payloads.StreamMark("s", 3, end=True)) is None


def test_a_frame_is_an_event_with_the_exact_payload() -> None:
    assert simple.send_event("hällo".encode(), True) == requests.SendFrame(
        payloads.Text("hällo")
    )
    assert simple.send_event(b"", True) == requests.SendFrame(payloads.Text(""))
    assert simple.send_event(b"\0\xff", False) == requests.SendFrame(
        payloads.Binary(b"\0\xff")
    )


@pytest.mark.parametrize("no_echo", [True, False])
def test_in_the_group_mode_a_frame_is_a_publication(no_echo: bool) -> None:
    read = simple.send_to_group("g", no_echo)
    assert read(b"hi", True) == requests.PublishFrame("g", payloads.Text("hi"), no_echo)
    assert read(b"\xff", False) == requests.PublishFrame(
        "g", payloads.Binary(b"\xff"), no_echo
    )
