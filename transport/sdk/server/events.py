"""From the frame of an event to what handlers are given, and from results to frames.

Pure. What a handler may return is checked here, before it goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Payload
from hubbub.actors.policy.routes import failure, fault
from hubbub.sdk.errors import ProtocolError
from hubbub.sdk.messages import payload_of

if TYPE_CHECKING:
    from hubbub.sdk.server.frames import Event, Map

FAILED: Final = "The event handler failed."
UNHANDLED: Final = "No event handler takes this event."
BUSY: Final = "The server is too busy."

Answer: TypeAlias = tuple["Map", Payload | None]
"""A frame and its payload."""


_OUTCOMES: Final = (
    events.Accept,
    events.Reject,
    events.Respond,
    events.Allow,
    events.Deny,
    events.Fail,
)
_CONSENT: Final = events.Respond()


class OutcomeError(Exception):
    """A handler returned what does not answer its event; the text says why."""


def read_event(frame: Event, payload: Payload | None, hub: str) -> events.Event:
    """Give an event as handlers see it.

    Raises:
        ProtocolError: The frame lacks what its kind needs.
    """
    client = events.Client(
        hub, frame.connection_id, frame.user_id, frame.subprotocol, frame.state
    )
    number = frame.event_id
    match frame.kind:
        case "event" if frame.event is not None and payload is not None:
            return events.UserEvent(
                client, number, frame.event, payload, frame.metadata
            )
        case "publish" if frame.group is not None and payload is not None:
            return events.Publish(client, number, frame.group, payload, frame.metadata)
        case "subscribe" if frame.group is not None:
            return events.Subscribe(client, number, frame.group)
        case "joined" if frame.group is not None:
            return events.Joined(client, number, frame.group)
        case "left" if frame.group is not None:
            return events.Left(client, number, frame.group)
        case "connected":
            return events.Connected(client, number)
        case "disconnected":
            return events.Disconnected(client, number, frame.reason)
        case "connect":
            return _connect(frame, client)
    raise ProtocolError("an event lacks what its kind needs")


def _connect(frame: Event, client: events.Client) -> events.Connect:
    return events.Connect(
        client,
        frame.event_id,
        frame.query,
        frame.headers,
        frame.claims,
        frame.subprotocols,
        tuple(
            events.Certificate(one.thumbprint, one.content)
            for one in frame.client_certificates
        ),
    )


def outcome_of(event: events.Event, result: Any) -> events.Outcome | None:
    """Read what a handler returned; None is consent, and all a notice can say.

    Raises:
        OutcomeError: It does not answer the event.
    """
    outcome = result
    match event:
        case events.UserEvent():
            if not isinstance(result, _OUTCOMES):
                return _response(result)
        case events.Connect():
            outcome = events.Accept() if result is None else result
        case events.Publish() | events.Subscribe():
            outcome = events.Allow() if result is None else result
        case _:
            return None
    wrong = fault(event, outcome)
    if wrong is not None:
        raise OutcomeError(wrong)
    answer: events.Outcome = outcome
    return answer


def _response(result: Any) -> events.Respond:
    if result is None:
        return _CONSENT
    try:
        return events.Respond(payload_of(result))
    except (TypeError, ValueError) as error:
        kind = type(result).__name__
        raise OutcomeError(f"{kind} cannot be sent: {error}") from None


def failed(event: events.Event, reason: str, number: int) -> Answer:
    """Give the answer that an event did not succeed."""
    return answer(failure(event, reason), number)


def answer(outcome: events.Outcome | None, number: int) -> Answer:
    """Give the frame of an outcome."""
    match outcome:
        case events.Respond(payload=payload, state=state, metadata=metadata):
            frame: Map = {"type": "respond", "eventId": number}
            if state is not None:
                frame["state"] = state
            if metadata:
                frame["metadata"] = dict(metadata)
            return frame, payload
        case None:
            return {"type": "done", "eventId": number}, None
        case events.Allow(payload=payload, metadata=metadata, group=group):
            frame = {"type": "allow", "eventId": number}
            if group is not None:
                frame["group"] = group
            if metadata:
                frame["metadata"] = dict(metadata)
            return frame, payload
        case events.Deny(reason=reason):
            return {"type": "deny", "eventId": number, "reason": reason}, None
        case events.Fail(reason=reason):
            return {"type": "fail", "eventId": number, "reason": reason}, None
        case events.Reject(status=status, reason=reason):
            frame = {"type": "reject", "eventId": number, "status": status}
            return {**frame, "reason": reason}, None
        case events.Accept():
            return _accept(outcome, number), None


def _accept(accept: events.Accept, number: int) -> Map:
    frame: Map = {"type": "accept", "eventId": number}
    if accept.user_id is not None:
        frame["userId"] = accept.user_id
    if accept.groups is not None:
        frame["groups"] = list(accept.groups)
    if accept.roles is not None:
        frame["roles"] = list(accept.roles)
    if accept.subprotocol is not None:
        frame["subprotocol"] = accept.subprotocol
    if accept.state is not None:
        frame["state"] = accept.state
    return frame
