"""What a client is told but for messages, as plain maps for JSON and CBOR alike. Pure.

Facts from the client protocols reference, sections 3.3 to 3.10. Messages are said by
each encoding in its own, faster way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes
from hubbub.transport.subprotocols.json_data import DATA_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload, StreamError, StreamMark

    Value: TypeAlias = Callable[[Payload], object]

Map: TypeAlias = dict[str, Any]

Told: TypeAlias = (
    pushes.Ack
    | pushes.Pong
    | pushes.Connected
    | pushes.Disconnected
    | pushes.InvokeResponse
    | pushes.StreamAck
    | pushes.StreamNack
    | pushes.StreamClosed
    | pushes.GroupStateSnapshot
    | pushes.GroupStateUpdate
)
"""Every push but the messages."""


def describe(push: Told, value: Value) -> Map:
    """Give the frame of a push.

    Args:
        push: What to say.
        value: Turns a payload into what the encoding writes under ``data``.
    """
    match push:
        case pushes.Ack(ack_id=ack_id, error=error):
            return {"type": "ack", "ackId": ack_id, **_outcome(error)}
        case pushes.Pong():
            return {"type": "pong"}
        case pushes.Connected():
            return _connected(push)
        case pushes.Disconnected(message=message):
            return {"type": "system", "event": "disconnected", "message": message}
        case pushes.InvokeResponse():
            return _invoke_response(push, value)
        case pushes.StreamAck(stream_id=stream_id, expected=expected):
            return {
                "type": "streamAck",
                "streamId": stream_id,
                "expectedSequenceId": expected,
            }
        case pushes.StreamNack(stream_id=stream_id, expected=expected, name=name):
            return {
                "type": "streamNack",
                "streamId": stream_id,
                "name": name,
                "expectedSequenceId": expected,
            }
        case pushes.StreamClosed(stream_id=stream_id, error=fault):
            closed: Map = {"type": "streamClosed", "streamId": stream_id}
            return closed if fault is None else {**closed, "error": _fault(fault)}
        case pushes.GroupStateSnapshot(group=group, items=items):
            return _states("groupStateSnapshot", group, items)
        case pushes.GroupStateUpdate(group=group, items=items):
            return _states("groupStateUpdate", group, items)
        case _:
            assert_never(push)


def mark_of(mark: StreamMark) -> Map:
    """Say which part of which stream a message is."""
    said: Map = {"streamId": mark.stream_id, "streamSequenceId": mark.sequence_id}
    if mark.end:
        said["endOfStream"] = True
    if mark.error is not None:
        said["error"] = _fault(mark.error)
    return said


def is_null(payload: Payload) -> bool:
    """Tell whether this is the JSON null, which JSON clients break on."""
    return type(payload) is payloads.Json and payload.raw.strip() == b"null"


def _outcome(error: pushes.AckError | None) -> Map:
    if error is None:
        return {"success": True}
    return {
        "success": False,
        "error": {"name": str(error.name), "message": error.message},
    }


def _connected(push: pushes.Connected) -> Map:
    message = {
        "type": "system",
        "event": "connected",
        "userId": push.user_id,
        "connectionId": push.connection_id,
    }
    if push.reconnection_token is not None:
        message["reconnectionToken"] = push.reconnection_token
    return message


def _invoke_response(push: pushes.InvokeResponse, value: Value) -> Map:
    """Say what an invocation came to; a null with its type would hang the caller."""
    head = {"type": "invokeResponse", "invocationId": push.invocation_id}
    said: Map = {**head, **_outcome(push.error)}
    payload = push.payload
    if push.error is None and payload is not None and not is_null(payload):
        said["dataType"] = DATA_TYPES[type(payload)]
        said["data"] = value(payload)
    return said


def _fault(error: StreamError) -> Map:
    fault = {"name": error.name}
    if error.message is not None:
        fault["message"] = error.message
    if error.user_error_code is not None:
        fault["userErrorCode"] = error.user_error_code
    return fault


def _states(kind: str, group: str, items: tuple[pushes.StateItem, ...]) -> Map:
    return {"type": kind, "group": group, "items": [_state(item) for item in items]}


def _state(item: pushes.StateItem) -> Map:
    said: Map = {"connectionId": item.connection_id}
    if item.user_id is not None:
        said["userId"] = item.user_id
    if item.state is not None:
        said["state"] = dict(item.state)
    said["updatedAt"] = item.updated_at
    return said
