"""The subprotocols a client can speak: requests to frames, frames to arrivals. Pure.

Another subprotocol is another file with a class like the one here (client protocols
reference, section 3, for this one).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, assert_never

import msgspec

from hubbub.actors.messages import pushes, requests
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.messages import Message
from hubbub.transport.subprotocols.json_data import DATA_TYPES, read_data, say_data
from hubbub.transport.subprotocols.violation import ProtocolViolation

if TYPE_CHECKING:
    from hubbub.actors.messages.payload import Payload


class Answer(msgspec.Struct, frozen=True):
    """The answer to the request with this number; no ``name`` means yes."""

    ack_id: int
    name: str | None = None
    message: str = ""


Said: TypeAlias = (
    requests.JoinGroup
    | requests.LeaveGroup
    | requests.SendToGroup
    | requests.SendEvent
    | requests.Ping
)
"""What a client says."""

Arrival: TypeAlias = (
    Message | Answer | pushes.Connected | pushes.Disconnected | pushes.Pong
)
"""What a client hears."""


class ClientProtocol(Protocol):
    """How a client and the service write things down."""

    @property
    def name(self) -> str:
        """The name that the handshake negotiates."""

    def encode(self, request: Said) -> str | bytes:
        """Write a request: str becomes a text frame, bytes a binary one."""

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a frame: str is a text frame, bytes a binary one.

        Returns:
            What it says; None for a kind that this client does not know.

        Raises:
            ProtocolError: It says nothing in this subprotocol.
        """


_NOTHING: Final = msgspec.Raw()


class _Error(msgspec.Struct):
    name: str
    message: str = ""


class _Frame(msgspec.Struct, rename="camel"):
    """Anything the service says; the type says which fields count."""

    type: str
    event: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    group: str | None = None
    from_user_id: str | None = None
    data_type: str | None = None
    data: msgspec.Raw = _NOTHING
    metadata: dict[str, str] | None = None
    ack_id: int | None = None
    success: bool | None = None
    error: _Error | None = None
    message: str | None = None
    connection_id: str | None = None
    user_id: str | None = None
    reconnection_token: str | None = None


_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(_Frame).decode


class JsonV1:
    """``json.webpubsub.azure.v1``: a JSON object in each text frame."""

    name: Final = "json.webpubsub.azure.v1"

    def encode(self, request: Said) -> str:
        """Write a request."""
        match request:
            case requests.SendToGroup():
                fields: dict[str, Any] = {"type": "sendToGroup", "group": request.group}
                fields |= _written(request.payload)
                if request.no_echo:
                    fields["noEcho"] = True
                if request.ttl:
                    fields["ttlSeconds"] = request.ttl
                if request.metadata:
                    fields["metadata"] = request.metadata
            case requests.SendEvent():
                fields = {"type": "event", "event": request.event}
                fields |= _written(request.payload)
                if request.metadata:
                    fields["metadata"] = request.metadata
            case requests.JoinGroup(group=group):
                fields = {"type": "joinGroup", "group": group}
            case requests.LeaveGroup(group=group):
                fields = {"type": "leaveGroup", "group": group}
            case requests.Ping():
                return '{"type":"ping"}'
            case _:
                assert_never(request)
        if request.ack_id is not None:
            fields["ackId"] = request.ack_id
        return _encode(fields).decode()

    def decode(self, frame: str | bytes) -> Arrival | None:
        """Read a text frame."""
        if not isinstance(frame, str):
            raise ProtocolError("a binary frame came, where only text is agreed")
        try:
            return _read(_decode(frame))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ProtocolError(f"a frame cannot be read: {error}") from None


JSON_V1: Final = JsonV1()
"""The subprotocol ``json.webpubsub.azure.v1``."""


def _read(frame: _Frame) -> Arrival | None:
    match frame:
        case _Frame(type="message"):
            return _message(frame)
        case _Frame(type="ack", ack_id=int(number), success=True):
            return Answer(number)
        case _Frame(type="ack", ack_id=int(number), error=error) if error is not None:
            return Answer(number, error.name, error.message)
        case _Frame(type="system", event="connected", connection_id=str(name)):
            return pushes.Connected(name, frame.user_id, frame.reconnection_token)
        case _Frame(type="system", event="disconnected", message=message):
            return pushes.Disconnected(message or "")
        case _Frame(type="pong"):
            return pushes.Pong()
        case _Frame(type="ack") | _Frame(type="system", event="connected"):
            raise ProtocolError(f"a frame of type {frame.type} lacks a field")
        case _:
            return None


def _message(frame: _Frame) -> Message:
    payload = _payload(frame)
    match frame:
        case _Frame(from_="group", group=str(group)):
            return Message(payload, group, frame.from_user_id, frame.metadata)
        case _Frame(from_="server"):
            return Message(payload, metadata=frame.metadata)
        case _:
            raise ProtocolError("a message does not say where it is from")


def _payload(frame: _Frame) -> Payload:
    if not bytes(frame.data):
        raise ProtocolError("a message has no data")
    try:
        return read_data(frame.data_type, frame.data)
    except ProtocolViolation as violation:
        raise ProtocolError(f"a message cannot be read: {violation}") from None


def _written(payload: Payload) -> dict[str, object]:
    data = msgspec.Raw(say_data(payload))
    return {"dataType": DATA_TYPES[type(payload)], "data": data}
