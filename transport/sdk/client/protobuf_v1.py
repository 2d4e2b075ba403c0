"""Protobuf in binary frames: ``protobuf.webpubsub.azure.v1``, plain and reliable. Pure.

It has no words for invocations, the parts of streams and group states; and it does not
say who sent a message (client protocols reference, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests
from hubbub.sdk.client.protocols import Answer, Numbered
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.messages import Message
from hubbub.transport.subprotocols.webpubsub_pb2 import (
    DownstreamMessage,
    MessageData,
    UpstreamMessage,
)

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.client.protocols import Arrival, Said


class ProtobufV1:
    """A message of the service's schema in each binary frame.

    Args:
        name: The name that the handshake negotiates.
        reliable: Whether messages are numbered.
    """

    def __init__(self, name: str, *, reliable: bool) -> None:
        self.name = name
        self.reliable = reliable

    def encode(self, request: Said) -> bytes:
        """Write a request."""
        return self._describe(request).SerializeToString()

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a binary frame."""
        if isinstance(frame, str):
            raise ProtocolError("a text frame came, where only binary is agreed")
        try:
            said = DownstreamMessage.FromString(frame)
        except DecodeError as error:
            raise ProtocolError(f"a frame cannot be read: {error}") from None
        match said.WhichOneof("message"):
            case "ack_message":
                return _answer(said.ack_message)
            case "data_message":
                return self._message(said.data_message)
            case "system_message":
                return _system(said.system_message)
            case "pong_message":
                return pushes.Pong()
            case _:
                return None

    def _describe(self, request: Said) -> UpstreamMessage:
        said = UpstreamMessage
        match request:
            case requests.SendToGroup():
                send = said.SendToGroupMessage(
                    group=request.group,
                    ack_id=request.ack_id,
                    data=_data(request.payload),
                    no_echo=request.no_echo,
                    ttl_seconds=request.ttl or None,
                    metadata=request.metadata,
                )
                return said(send_to_group_message=send)
            case requests.SendEvent():
                event = said.EventMessage(
                    event=request.event,
                    data=_data(request.payload),
                    ack_id=request.ack_id,
                    metadata=request.metadata,
                )
                return said(event_message=event)
            case requests.JoinGroup(group=group, ack_id=ack_id):
                join = said.JoinGroupMessage(group=group, ack_id=ack_id)
                return said(join_group_message=join)
            case requests.LeaveGroup(group=group, ack_id=ack_id):
                leave = said.LeaveGroupMessage(group=group, ack_id=ack_id)
                return said(leave_group_message=leave)
            case requests.AckSequence(sequence_id=number):
                ack = said.SequenceAckMessage(sequence_id=number)
                return said(sequence_ack_message=ack)
            case requests.Ping():
                return said(ping_message=said.PingMessage())
            case _:
                kind = type(request).__name__
                raise ProtocolError(f"{self.name} has no words for {kind}")

    def _message(self, said: DownstreamMessage.DataMessage) -> Message | Numbered:
        payload, metadata = _payload(said.data), dict(said.metadata) or None
        match getattr(said, "from"):
            case "group" if said.HasField("group"):
                message = Message(payload, said.group, None, metadata)
            case "server":
                message = Message(payload, metadata=metadata)
            case _:
                raise ProtocolError("a message does not say where it is from")
        if self.reliable and said.sequence_id:
            return Numbered(message, said.sequence_id)
        return message


PROTOBUF_V1: Final = ProtobufV1("protobuf.webpubsub.azure.v1", reliable=False)
"""The subprotocol ``protobuf.webpubsub.azure.v1``."""

PROTOBUF_RELIABLE_V1: Final = ProtobufV1(
    "protobuf.reliable.webpubsub.azure.v1", reliable=True
)
"""The subprotocol ``protobuf.reliable.webpubsub.azure.v1``."""


def _answer(said: DownstreamMessage.AckMessage) -> Answer:
    if said.success:
        return Answer(said.ack_id)
    if not said.HasField("error"):
        raise ProtocolError("an ack says neither yes nor why not")
    return Answer(said.ack_id, said.error.name, said.error.message)


def _system(said: DownstreamMessage.SystemMessage) -> Arrival | None:
    match said.WhichOneof("message"):
        case "connected_message":
            who = said.connected_message
            user_id, token = who.user_id or None, who.reconnection_token or None
            return pushes.Connected(who.connection_id, user_id, token)
        case "disconnected_message":
            return pushes.Disconnected(said.disconnected_message.reason)
        case _:
            return None


def _data(payload: Payload) -> MessageData:
    match payload:
        case payloads.Text(text=text):
            return MessageData(text_data=text)
        case payloads.Json(raw=raw):
            return MessageData(json_data=raw.decode())
        case payloads.Binary(data=data):
            return MessageData(binary_data=data)
        case payloads.Protobuf(data=data):
            return MessageData(protobuf_data=data)


def _payload(said: MessageData) -> Payload:
    match said.WhichOneof("data"):
        case "text_data":
            return payloads.Text(said.text_data)
        case "json_data":
            return payloads.Json(said.json_data.encode())
        case "binary_data":
            return payloads.Binary(said.binary_data)
        case "protobuf_data":
            return payloads.Protobuf(said.protobuf_data)
        case _:
            raise ProtocolError("a message has no data")
