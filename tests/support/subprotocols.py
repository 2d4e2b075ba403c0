"""What clients may say and hear, and how JSON v1 writes it down: for all its relatives.

Written from the reference, not from the code; ``data`` is what an encoding makes of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.any_pb2 import Any as ProtobufAny
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import pushes, requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload, StreamError, StreamMark

    Data: TypeAlias = Callable[[Payload], object]

NAMES: dict[type, str] = {
    payloads.Text: "text",
    payloads.Json: "json",
    payloads.Binary: "binary",
    payloads.Protobuf: "protobuf",
}

# Strategies.

MOST = 2**64 - 1
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
groups = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
groups = groups.filter(lambda name: not name.isspace())
events = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
numbers = st.integers(0, MOST) | st.integers(0, 300)
ack_ids = st.none() | numbers
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda value: value is not None)
jsons = st.builds(lambda value: payloads.Json(json.dumps(value).encode()), json_values)
anys = st.builds(
    lambda url, value: payloads.Protobuf(
        ProtobufAny(type_url=url, value=value).SerializeToString()
    ),
    texts,
    st.binary(max_size=300),
)
all_payloads = (
    st.builds(payloads.Text, texts | st.text("aé", min_size=120, max_size=300))
    | jsons
    | st.builds(payloads.Binary, st.binary(max_size=300))
    | anys
)
metadata = st.none() | st.dictionaries(
    st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}", fullmatch=True),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8),
    min_size=1,
    max_size=3,
)
states = st.dictionaries(texts, texts, max_size=3)
errors = st.builds(payloads.StreamError, texts, st.none() | texts, st.none() | texts)
marks = st.builds(
    payloads.StreamMark, names, numbers, st.booleans(), st.none() | errors
)
group_messages = st.builds(
    pushes.GroupMessage,
    groups,
    st.none() | texts,
    all_payloads,
    metadata,
    st.integers(0, 300),
    st.none() | marks,
)
server_messages = st.builds(
    pushes.ServerMessage, all_payloads, metadata, st.integers(0, 300)
)
messages = group_messages | server_messages
failures = st.builds(pushes.AckError, st.sampled_from(pushes.AckName), texts)
items = st.lists(
    st.builds(pushes.StateItem, texts, st.none() | texts, st.none() | states, numbers),
    max_size=3,
).map(tuple)
basics = (
    st.builds(pushes.Ack, numbers, st.none() | failures)
    | st.builds(pushes.Connected, texts, st.none() | texts, st.none() | texts)
    | st.builds(pushes.Disconnected, texts)
    | st.builds(pushes.Pong)
)
novelties = (
    st.builds(pushes.InvokeResponse, names, st.none() | all_payloads)
    | st.builds(pushes.InvokeResponse, names, st.none(), failures)
    | st.builds(pushes.StreamAck, names, numbers)
    | st.builds(pushes.StreamNack, names, numbers, texts)
    | st.builds(pushes.StreamClosed, names, st.none() | errors)
    | st.builds(pushes.GroupStateSnapshot, groups, items)
    | st.builds(pushes.GroupStateUpdate, groups, items)
)
starts = st.builds(
    requests.StartStream,
    groups,
    names,
    st.booleans(),
    st.integers(1, 2**32 - 1).map(lambda milliseconds: milliseconds / 1000),
)
older_requests = (
    st.builds(
        requests.SendToGroup,
        groups,
        all_payloads,
        st.booleans(),
        ack_ids,
        metadata,
        st.integers(0, 300),
    )
    | st.builds(requests.SendEvent, events, all_payloads, ack_ids, metadata)
    | st.builds(requests.JoinGroup, groups, ack_ids)
    | st.builds(requests.LeaveGroup, groups, ack_ids)
    | st.builds(requests.AckSequence, numbers)
    | st.builds(requests.Ping)
    | starts
)
newer_requests = (
    st.builds(requests.Invoke, names, events, all_payloads, metadata)
    | st.builds(requests.CancelInvocation, names)
    | st.builds(requests.AnswerInvocation, names)
    | st.builds(requests.SendFragment, names, numbers, all_payloads)
    | st.builds(requests.KeepStream, names)
    | st.builds(
        requests.EndStream,
        names,
        st.none()
        | st.builds(
            payloads.StreamError,
            st.just("UserError"),
            st.none() | texts,
            st.none() | texts,
        ),
    )
    | st.builds(requests.SetGroupState, groups, st.none() | states, ack_ids)
    | st.builds(requests.SubscribeGroupState, groups, ack_ids)
    | st.builds(requests.UnsubscribeGroupState, groups, ack_ids)
)
all_requests = older_requests | newer_requests


# What a client writes.


def frame_of(request: requests.Request, data: Data) -> dict[str, Any]:
    """Give the frame of a request as a client writes it."""
    head: dict[str, Any]
    frame: dict[str, Any]
    match request:
        case requests.SendToGroup():
            frame = {"type": "sendToGroup", "group": request.group}
            frame |= _payload(request.payload, data)
            frame |= _some(noEcho=request.no_echo, ttlSeconds=request.ttl)
            return frame | _some(ackId=request.ack_id, metadata=request.metadata)
        case requests.SendEvent():
            frame = {"type": "event", "event": request.event}
            frame |= _payload(request.payload, data)
            return frame | _some(ackId=request.ack_id, metadata=request.metadata)
        case requests.Invoke():
            head = {"type": "invoke", "target": "event", "event": request.event}
            frame = head | {"invocationId": request.invocation_id}
            frame |= _payload(request.payload, data)
            return frame | _some(metadata=request.metadata)
        case requests.CancelInvocation(invocation_id=name):
            return {"type": "cancelInvocation", "invocationId": name}
        case requests.AnswerInvocation(invocation_id=name):
            return {"type": "invokeResponse", "invocationId": name, "success": True}
        case requests.StartStream():
            stream = {
                "streamId": request.stream_id,
                "idleTimeoutMs": round(request.idle * 1000),
            }
            head = {"type": "sendToGroup", "group": request.group, "stream": stream}
            return head | _some(noEcho=request.no_echo)
        case requests.SendFragment():
            head = {"type": "streamData", "streamId": request.stream_id}
            frame = head | {"streamSequenceId": request.sequence_id}
            return frame | _payload(request.payload, data)
        case requests.KeepStream(stream_id=name):
            return {"type": "streamData", "streamId": name}
        case requests.EndStream(stream_id=name, error=None):
            return {"type": "streamEnd", "streamId": name}
        case requests.EndStream(stream_id=name, error=payloads.StreamError() as error):
            said = _some(message=error.message, userErrorCode=error.user_error_code)
            return {"type": "streamEnd", "streamId": name, "error": said}
        case requests.SetGroupState():
            head = {"type": "setGroupState", "group": request.group}
            return head | _some(state=request.state, ackId=request.ack_id)
        case requests.Ping():
            return {"type": "ping"}
        case requests.AckSequence(sequence_id=number):
            return {"type": "sequenceAck", "sequenceId": number}
        case (
            requests.JoinGroup()
            | requests.LeaveGroup()
            | requests.SubscribeGroupState()
            | requests.UnsubscribeGroupState()
        ):
            name = type(request).__name__
            head = {"type": name[0].lower() + name[1:], "group": request.group}
            return head | _some(ackId=request.ack_id)
    raise AssertionError(f"a client does not say {request}")


# What a client reads.


def said_of(push: pushes.Push, data: Data) -> dict[str, Any]:
    """Give the frame of a push as a client reads it."""
    head: dict[str, Any]
    frame: dict[str, Any]
    match push:
        case pushes.GroupMessage(stream=mark):
            frame = {"type": "message", "from": "group", "group": push.group}
            frame |= _some(fromUserId=push.from_user) | _payload(push.payload, data)
            frame |= {} if mark is None else {"stream": _mark(mark)}
            return frame | _some(metadata=push.metadata)
        case pushes.ServerMessage(payload=payload):
            frame = {"type": "message", "from": "server"} | _payload(payload, data)
            return frame | _some(metadata=push.metadata)
        case pushes.Ack(ack_id=number, error=error):
            return {"type": "ack", "ackId": number} | _success(error)
        case pushes.Pong():
            return {"type": "pong"}
        case pushes.Connected():
            head = {"type": "system", "event": "connected", "userId": push.user_id}
            return (
                head
                | {"connectionId": push.connection_id}
                | _some(reconnectionToken=push.reconnection_token)
            )
        case pushes.Disconnected(message=text):
            return {"type": "system", "event": "disconnected", "message": text}
        case pushes.InvokeResponse(payload=answer, error=error):
            head = {"type": "invokeResponse", "invocationId": push.invocation_id}
            frame = head | _success(error)
            return frame if answer is None else frame | _payload(answer, data)
        case pushes.StreamAck(stream_id=name, expected=number):
            head = {"type": "streamAck", "streamId": name}
            return head | {"expectedSequenceId": number}
        case pushes.StreamNack(stream_id=name, expected=number):
            head = {"type": "streamNack", "streamId": name, "name": push.name}
            return head | {"expectedSequenceId": number}
        case pushes.StreamClosed(stream_id=name, error=fault):
            head = {"type": "streamClosed", "streamId": name}
            return head if fault is None else head | {"error": _fault(fault)}
        case pushes.GroupStateSnapshot():
            return _states("groupStateSnapshot", push)
        case pushes.GroupStateUpdate():
            return _states("groupStateUpdate", push)


def _states(
    kind: str, push: pushes.GroupStateSnapshot | pushes.GroupStateUpdate
) -> dict[str, Any]:
    said = [
        {"connectionId": item.connection_id, "updatedAt": item.updated_at}
        | _some(userId=item.user_id, state=item.state)
        for item in push.items
    ]
    return {"type": kind, "group": push.group, "items": said}


def _success(error: pushes.AckError | None) -> dict[str, Any]:
    if error is None:
        return {"success": True}
    return {
        "success": False,
        "error": {"name": error.name.value, "message": error.message},
    }


def _mark(mark: StreamMark) -> dict[str, Any]:
    said: dict[str, Any] = {
        "streamId": mark.stream_id,
        "streamSequenceId": mark.sequence_id,
    }
    said |= {"endOfStream": True} if mark.end else {}
    return said if mark.error is None else said | {"error": _fault(mark.error)}


def _fault(error: StreamError) -> dict[str, Any]:
    return {"name": error.name} | _some(
        message=error.message, userErrorCode=error.user_error_code
    )


def _payload(payload: Payload, data: Data) -> dict[str, Any]:
    return {"dataType": NAMES[type(payload)], "data": data(payload)}


def _some(**fields: Any) -> dict[str, Any]:
    """Leave out what is not there."""
    return {
        key: value
        for key, value in fields.items()
        if value is not None and value is not False
    }
