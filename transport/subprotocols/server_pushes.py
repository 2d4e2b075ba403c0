"""What an attached server is told, as plain maps for JSON and CBOR alike. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from hubbub.actors.messages import commands, events, pushes, servers
from hubbub.actors.policy.rules import kind_of
from hubbub.transport.subprotocols.json_data import DATA_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Metadata, Payload

    Value: TypeAlias = Callable[[Payload], object]

Map: TypeAlias = dict[str, Any]


def describe(push: servers.ServerPush, value: Value) -> Map:
    """Give the frame of a push.

    Args:
        push: What to say.
        value: Turns a payload into what the encoding writes under ``data``.
    """
    match push:
        case servers.Event(number=number, event=event, attempt=attempt):
            return _event(number, event, attempt, value)
        case servers.Result(request_id=request_id, value=answer):
            return _result(request_id, answer)
        case pushes.GroupMessage(group=group, from_user=user):
            head: Map = {"type": "message", "group": group}
            if user is not None:
                head["fromUserId"] = user
            return _with_data(head, push.payload, push.metadata, value)
        case pushes.ServerMessage(payload=payload, metadata=metadata):
            return _with_data({"type": "message"}, payload, metadata, value)
        case servers.Overheard(target=target, from_user=user):
            head = {"type": "message", "scope": "hub", **_target(target)}
            if user is not None:
                head["fromUserId"] = user
            return _with_data(head, push.payload, push.metadata, value)
        case servers.Refused(request_id=request_id, name=name, message=text):
            refusal: Map = {"type": "error", "name": str(name), "message": text}
            return refusal if request_id is None else {"id": request_id, **refusal}
        case servers.Cancelled(number=number):
            return {"type": "cancel", "eventId": number}
        case servers.Presence():
            return _presence(push)
        case servers.Welcome(server_id=server_id, hub=hub, roles=roles):
            return {
                "type": "welcome",
                "serverId": server_id,
                "hub": hub,
                "roles": list(roles),
            }
        case servers.Draining():
            return {"type": "draining"}
        case pushes.Pong():
            return {"type": "pong"}
        case _:
            assert_never(push)


def _event(number: int, event: events.Event, attempt: int, value: Value) -> Map:
    frame: Map = {
        "type": "event",
        "eventId": number,
        "kind": kind_of(event),
        **_client(event.client),
    }
    if attempt > 1:
        frame["attempt"] = attempt
    match event:
        case events.UserEvent(event=name, payload=payload, metadata=metadata):
            frame["event"] = name
            return _with_data(frame, payload, metadata, value)
        case events.Publish(group=group, payload=payload, metadata=metadata):
            frame["group"] = group
            return _with_data(frame, payload, metadata, value)
        case events.Subscribe() | events.Joined() | events.Left():
            frame["group"] = event.group
        case events.Disconnected(reason=reason):
            frame["reason"] = reason
        case events.Connected():
            pass
        case events.Connect():
            frame |= _handshake(event)
        case _:
            assert_never(event)
    return frame


def _client(client: events.Client) -> Map:
    fields: Map = {"connectionId": client.connection_id}
    if client.user_id is not None:
        fields["userId"] = client.user_id
    if client.subprotocol is not None:
        fields["subprotocol"] = client.subprotocol
    if client.state is not None:
        fields["state"] = client.state
    return fields


def _handshake(event: events.Connect) -> Map:
    return {
        "query": _lists(event.query),
        "headers": _lists(event.headers),
        "claims": _lists(event.claims),
        "subprotocols": list(event.subprotocols),
        "clientCertificates": [
            {"thumbprint": one.thumbprint, "content": one.content}
            for one in event.certificates
        ],
    }


def _lists(values: events.Values) -> dict[str, list[str]]:
    return {name: list(texts) for name, texts in values.items()}


def _with_data(
    frame: Map, payload: Payload, metadata: Metadata | None, value: Value
) -> Map:
    frame["dataType"] = DATA_TYPES[type(payload)]
    frame["data"] = value(payload)
    if metadata:
        frame["metadata"] = dict(metadata)
    return frame


def _result(request_id: int, answer: bool | commands.MemberPage | None) -> Map:
    frame: Map = {"type": "result", "id": request_id}
    match answer:
        case None:
            pass
        case commands.MemberPage(members=members, more=more):
            frame["value"] = {
                "members": [
                    {"connectionId": one}
                    if user is None
                    else {"connectionId": one, "userId": user}
                    for one, user in members
                ],
                "more": more,
            }
        case _:
            frame["value"] = answer
    return frame


def _presence(push: servers.Presence) -> Map:
    frame: Map = {
        "type": "presence",
        "kind": push.kind,
        "connectionId": push.connection_id,
    }
    if push.user_id is not None:
        frame["userId"] = push.user_id
    if push.group is not None:
        frame["group"] = push.group
    return frame


def _target(target: commands.Target) -> Map:
    match target:
        case commands.Everyone():
            return {}
        case commands.ToGroup(name=name):
            return {"group": name}
        case commands.ToUser(user_id=user_id):
            return {"userId": user_id}
        case commands.ToConnection(connection_id=connection_id):
            return {"connectionId": connection_id}
