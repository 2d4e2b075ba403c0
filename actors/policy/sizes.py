"""How many bytes messages between gateways take, roughly: bounds need no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.messages import (
    commands,
    counting,
    events,
    moving,
    payload,
    peers,
    sessions,
    states,
)

if TYPE_CHECKING:
    from hubbub.actors.messages.pushes import StateItem

OVERHEAD: Final = 64
"""Bytes that a message takes besides what users wrote."""


def size_of(message: peers.Message) -> int:
    """Tell how many bytes a message takes."""
    if type(message) is peers.Relay:  # nearly all are
        return OVERHEAD + _of_payload(message.command.payload)
    match message:
        case peers.Interests(keys=keys):
            return OVERHEAD * (1 + len(keys))
        case peers.Call(command=commands.Publish(payload=carried)):
            return OVERHEAD + _of_payload(carried)
        case peers.Call(command=peers.Attach(rules=rules)):
            texts = sum(len(rule.pattern) + len(rule.filter or "") for rule in rules)
            return OVERHEAD * (1 + len(rules)) + texts
        case peers.Return(value=commands.MemberPage(members=members)):
            return OVERHEAD * (1 + 2 * len(members))
        case (
            peers.Return(value=states.StatePage(items=items))
            | states.StateNews(items=items)
        ):
            return OVERHEAD + sum(map(size_of_state, items))
        case peers.Give(event=event):
            return OVERHEAD + _of_event(event)
        case peers.Outcome(outcome=events.Respond(payload=carried)):
            return OVERHEAD + _of_payload(carried)
        case peers.Outcome(outcome=events.Allow(payload=carried)):
            return OVERHEAD + _of_payload(carried)
        case moving.Handed(session=sessions.Session(mail=mail)):
            return OVERHEAD * (8 + len(mail.bodies)) + sum(
                len(data) for data, _ in mail.bodies
            )
        case counting.Counted(figures=figures):
            return OVERHEAD + len(figures)
        case _:
            return OVERHEAD


def size_of_state(item: StateItem) -> int:
    """Tell how many bytes it takes what a connection says of itself."""
    state = item.state or {}
    return 2 * OVERHEAD + sum(len(key) + len(said) for key, said in state.items())


def _of_payload(carried: payload.Payload | None) -> int:
    match carried:
        case payload.Text(text=text):
            return len(text)
        case payload.Json(raw=raw):
            return len(raw)
        case payload.Binary(data=data) | payload.Protobuf(data=data):
            return len(data)
        case None:
            return 0


def _of_event(event: events.Event) -> int:
    match event:
        case events.UserEvent(payload=carried) | events.Publish(payload=carried):
            return OVERHEAD + _of_payload(carried)
        case events.Connect(query=query, headers=headers, claims=claims):
            return OVERHEAD + sum(_of_values(v) for v in (query, headers, claims))
        case _:
            return OVERHEAD


def _of_values(values: Any) -> int:
    return sum(len(name) + sum(map(len, texts)) for name, texts in values.items())
