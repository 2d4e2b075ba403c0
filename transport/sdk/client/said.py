"""What a client says, as plain maps for JSON and CBOR alike. Pure.

Facts from the client protocols reference, sections 3.2 and 3.8 to 3.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from hubbub.actors.messages import requests
from hubbub.transport.subprotocols.json_data import DATA_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hubbub.actors.messages.payload import Payload
    from hubbub.sdk.client.protocols import Said

    Value: TypeAlias = Callable[[Payload], object]

Map: TypeAlias = dict[str, Any]


def describe(request: Said, value: Value) -> Map:
    """Give the frame of a request.

    Args:
        request: What to say.
        value: Turns a payload into what the encoding writes under ``data``.
    """
    match request:
        case requests.SendToGroup() | requests.SendEvent() | requests.Invoke():
            return _with_data(request, value)
        case requests.JoinGroup(group=group, ack_id=ack_id):
            return _in_group("joinGroup", group, ack_id)
        case requests.LeaveGroup(group=group, ack_id=ack_id):
            return _in_group("leaveGroup", group, ack_id)
        case requests.SubscribeGroupState(group=group, ack_id=ack_id):
            return _in_group("subscribeGroupState", group, ack_id)
        case requests.UnsubscribeGroupState(group=group, ack_id=ack_id):
            return _in_group("unsubscribeGroupState", group, ack_id)
        case requests.SetGroupState(group=group, state=state, ack_id=ack_id):
            said = _in_group("setGroupState", group, ack_id)
            return said if state is None else {**said, "state": dict(state)}
        case (
            requests.StartStream()
            | requests.SendFragment()
            | requests.KeepStream()
            | requests.EndStream()
        ):
            return _of_stream(request, value)
        case requests.CancelInvocation(invocation_id=name):
            return {"type": "cancelInvocation", "invocationId": name}
        case requests.AckSequence(sequence_id=sequence_id):
            return {"type": "sequenceAck", "sequenceId": sequence_id}
        case requests.Ping():
            return {"type": "ping"}
        case _:
            assert_never(request)


def _in_group(kind: str, group: str, ack_id: int | None) -> Map:
    said: Map = {"type": kind, "group": group}
    return said if ack_id is None else {**said, "ackId": ack_id}


def _with_data(
    request: requests.SendToGroup | requests.SendEvent | requests.Invoke, value: Value
) -> Map:
    match request:
        case requests.SendToGroup(group=group, ack_id=ack_id):
            said = _in_group("sendToGroup", group, ack_id)
            if request.no_echo:
                said["noEcho"] = True
            if request.ttl:
                said["ttlSeconds"] = request.ttl
        case requests.SendEvent(event=event, ack_id=ack_id):
            said = {"type": "event", "event": event}
            if ack_id is not None:
                said["ackId"] = ack_id
        case requests.Invoke(invocation_id=name, event=event):
            said = {"type": "invoke", "invocationId": name, "target": "event"}
            said["event"] = event
        case _:
            assert_never(request)
    return said | _data(request.payload, value) | _metadata(request.metadata)


def _of_stream(request: requests.StreamRequest, value: Value) -> Map:
    match request:
        case requests.StartStream(stream_id=name, idle=idle):
            stream = {"streamId": name, "idleTimeoutMs": round(idle * 1000)}
            said = _in_group("sendToGroup", request.group, None)
            return {**said, "noEcho": request.no_echo, "stream": stream}
        case requests.SendFragment(stream_id=name, sequence_id=number):
            said = {"type": "streamData", "streamId": name, "streamSequenceId": number}
            return said | _data(request.payload, value)
        case requests.KeepStream(stream_id=name):
            return {"type": "streamData", "streamId": name}
        case requests.EndStream(stream_id=name, error=error):
            said = {"type": "streamEnd", "streamId": name}
            if error is None:
                return said
            told = {"message": error.message, "userErrorCode": error.user_error_code}
            fault = {key: text for key, text in told.items() if text is not None}
            return {**said, "error": fault}
        case _:
            assert_never(request)


def _data(payload: Payload, value: Value) -> Map:
    return {"dataType": DATA_TYPES[type(payload)], "data": value(payload)}


def _metadata(metadata: Mapping[str, str] | None) -> Map:
    return {"metadata": dict(metadata)} if metadata else {}
