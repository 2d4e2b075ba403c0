"""The protobuf subprotocols against protobufjs: ``tests/node/protobuf.mjs``.

Its schema was written from the reference on its own, and knows a real Any.
"""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any, Self

import pytest
from google.protobuf.any_pb2 import Any as ProtobufAny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.transport.subprotocols.protobuf_v1 import ProtobufReliableV1
from support import subprotocols as given_
from support.official import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

pytestmark = pytest.mark.node

CODEC = ProtobufReliableV1()
MOST_ID = 2**64 - 1
many = settings(
    deadline=None,
    max_examples=500,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Peer:
    """The script, asked one question at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["node", "protobuf.mjs"],
            cwd=NODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Without input the script ends.
        self._process.communicate(timeout=10)

    def decode(self, data: bytes) -> Any:
        """Give what a service said."""
        return self._ask({"decode": data.hex()})

    def encode(self, message: dict[str, Any]) -> bytes:
        """Give what a client says."""
        return bytes.fromhex(self._ask({"encode": message}))

    def _ask(self, question: dict[str, Any]) -> Any:
        sink, source = self._process.stdin, self._process.stdout
        assert sink is not None
        assert source is not None
        sink.write(json.dumps(question) + "\n")
        sink.flush()
        told = json.loads(source.readline())
        assert "answer" in told, told["error"]
        return told["answer"]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_of(payload: payloads.Payload) -> dict[str, Any]:
    """Give a payload as protobufjs shows it and takes it."""
    match payload:
        case payloads.Text(text=text):
            return {"text_data": text}
        case payloads.Json(raw=raw):
            return {"json_data": raw.decode()}
        case payloads.Binary(data=data):
            return {"binary_data": base64_of(data)}
        case payloads.Protobuf(data=data):
            any_ = ProtobufAny.FromString(data)
            url = {"type_url": any_.type_url} if any_.type_url else {}
            value = {"value": base64_of(any_.value)} if any_.value else {}
            return {"protobuf_data": url | value}


def some(**fields: Any) -> dict[str, Any]:
    """Leave out what is not there."""
    return {key: value for key, value in fields.items() if value is not None}


def said_of(push: pushes.Push, number: int | None) -> dict[str, Any]:
    """Give a push as protobufjs shows it: proto3 leaves out what is empty."""
    match push:
        case pushes.GroupMessage() | pushes.ServerMessage():
            fields: dict[str, Any] = {"from": "server"}
            if isinstance(push, pushes.GroupMessage):
                fields = {"from": "group", "group": push.group}
            fields["data"] = data_of(push.payload)
            numbered = None if number is None else str(number)
            more = some(sequence_id=numbered, metadata=push.metadata)
            return {"data_message": fields | more}
        case pushes.Ack(ack_id=ack_id, error=error):
            ack: dict[str, Any] = {"ack_id": str(ack_id)} if ack_id else {}
            if error is None:
                return {"ack_message": ack | {"success": True}}
            named = {"name": error.name.value}
            told = named | ({"message": error.message} if error.message else {})
            return {"ack_message": ack | {"error": told}}
        case pushes.Connected():
            connected = some(
                connection_id=push.connection_id or None,
                user_id=push.user_id or None,
                reconnection_token=push.reconnection_token,
            )
            return {"system_message": {"connected_message": connected}}
        case pushes.Disconnected(message=text):
            reason = {"reason": text} if text else {}
            return {"system_message": {"disconnected_message": reason}}
        case _:
            return {"pong_message": {}}


def message_of(request: requests.Request) -> dict[str, Any]:
    """Give a request as protobufjs takes it."""
    match request:
        case requests.SendToGroup():
            fields: dict[str, Any] = {
                "group": request.group,
                "data": data_of(request.payload),
            }
            fields |= some(ack_id=_text(request.ack_id), metadata=request.metadata)
            fields |= {"no_echo": request.no_echo, "ttl_seconds": request.ttl}
            return {"send_to_group_message": fields}
        case requests.SendEvent():
            fields = {"event": request.event, "data": data_of(request.payload)}
            fields |= some(ack_id=_text(request.ack_id), metadata=request.metadata)
            return {"event_message": fields}
        case requests.StartStream():
            stream = {
                "stream_id": request.stream_id,
                "idle_timeout_ms": round(request.idle * 1000),
            }
            begun = {"group": request.group, "no_echo": request.no_echo}
            return {"send_to_group_message": begun | {"stream": stream}}
        case requests.JoinGroup(group=group, ack_id=ack_id):
            joined = {"group": group} | some(ack_id=_text(ack_id))
            return {"join_group_message": joined}
        case requests.LeaveGroup(group=group, ack_id=ack_id):
            left = {"group": group} | some(ack_id=_text(ack_id))
            return {"leave_group_message": left}
        case requests.AckSequence(sequence_id=number):
            return {"sequence_ack_message": {"sequence_id": str(number)}}
        case _:
            return {"ping_message": {}}


def _text(number: int | None) -> str | None:
    """JavaScript's numbers do not hold 64 bits."""
    return None if number is None else str(number)


@many
@given(given_.messages | given_.basics, st.none() | st.integers(1, MOST_ID))
def test_protobufjs_reads_what_the_gateway_says(
    peer: Peer, push: pushes.Push, number: int | None
) -> None:
    said = CODEC.compose(push)
    if isinstance(push, pushes.GroupMessage) and push.stream and push.stream.end:
        assert said is None
        return
    assert said is not None
    data = said[1]
    if not isinstance(push, pushes.GroupMessage | pushes.ServerMessage):
        number = None
    elif number is not None:
        data = CODEC.stamp(data, number)
    assert peer.decode(data) == said_of(push, number)


@many
@given(given_.older_requests)
def test_the_gateway_reads_what_protobufjs_says(
    peer: Peer, request: requests.Request
) -> None:
    assert CODEC.decode(peer.encode(message_of(request)), False) == request


def test_the_examples_of_the_reference_are_what_protobufjs_says(peer: Peer) -> None:
    examples: list[tuple[requests.Request, str]] = [
        (requests.JoinGroup("g1", 1), "32 06 0A 02 67 31 10 01"),
        (requests.LeaveGroup("g1", 9), "3A 06 0A 02 67 31 10 09"),
        (
            requests.SendEvent("e1", payloads.Binary(b"\x01\x02"), 3),
            "2A 0C 0A 02 65 31 12 04 12 02 01 02 18 03",
        ),
        (requests.AckSequence(5), "42 02 08 05"),
        (requests.Ping(), "4A 00"),
    ]
    for request, hexadecimal in examples:
        assert peer.encode(message_of(request)) == bytes.fromhex(hexadecimal)
