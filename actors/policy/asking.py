"""What a connection asks others about: its client's events, and wishes. Pure.

A wish is a request that somebody may want to decide on before it is carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from hubbub.actors.messages import events, requests
from hubbub.actors.policy.waiting import Pending, Wish

if TYPE_CHECKING:
    from hubbub.actors.messages.internal import Attention

Question: TypeAlias = Wish | requests.SendEvent | requests.SendFrame | requests.Invoke


def is_intercepted(wish: Wish, attention: Attention) -> bool:
    """Tell whether somebody may want to decide on a wish."""
    if isinstance(wish, requests.JoinGroup):
        return attention.subscribe
    return attention.publish


def pending(request: Question, event_id: int) -> Pending:
    """Note what a connection waits for."""
    match request:
        case requests.SendEvent(ack_id=ack_id):
            return Pending(event_id, ack_id)
        case requests.SendFrame():
            return Pending(event_id, fatal=True)
        case requests.Invoke(invocation_id=name):
            return Pending(event_id, invocation=name)
        case requests.PublishFrame():
            return Pending(event_id, wish=request)
        case requests.SendToGroup(ack_id=ack_id) | requests.JoinGroup(ack_id=ack_id):
            return Pending(event_id, ack_id, wish=request)


def event(client: events.Client, event_id: int, request: Question) -> events.Blocking:
    """Ask what a request comes to, or whether a client may have its wish."""
    match request:
        case (
            requests.SendEvent(event=name, payload=payload, metadata=metadata)
            | requests.Invoke(event=name, payload=payload, metadata=metadata)
        ):
            return events.UserEvent(client, event_id, name, payload, metadata)
        case requests.SendFrame(payload=payload):
            return events.UserEvent(client, event_id, "message", payload)
        case requests.JoinGroup(group=group):
            return events.Subscribe(client, event_id, group)
        case requests.SendToGroup(group=group, payload=payload, metadata=metadata):
            return events.Publish(client, event_id, group, payload, metadata)
        case requests.PublishFrame(group=group, payload=payload):
            return events.Publish(client, event_id, group, payload)


def rewritten(wish: Wish, allow: events.Allow) -> Wish:
    """Give what a client gets instead of what it wanted."""
    if allow.group is not None:
        wish = msgspec.structs.replace(wish, group=allow.group)
    if isinstance(wish, requests.JoinGroup):
        return wish
    if allow.payload is not None:
        wish = msgspec.structs.replace(wish, payload=allow.payload)
    if allow.metadata is not None and isinstance(wish, requests.SendToGroup):
        wish = msgspec.structs.replace(wish, metadata=allow.metadata)
    return wish
