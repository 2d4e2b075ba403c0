"""Tells which events a handler takes, and which outcomes answer which event.

Knows the rules of the service's event handler reference (settings, answers, connection
state); knows nothing of actors, of time, or of how a handler is reached.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias, assert_never

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.messages.payload import Payload
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.actors.policy.patterns import EventPattern, compile_pattern

STATE_LIMIT: Final = 8192
"""Longest connection state; Node refuses 16 KiB of headers (connection state)."""

_EVERY_GROUP: Final = "*"
_REFUSALS: Final = range(400, 600)

event_pattern = lru_cache(EventPattern)
"""Reads a pattern of user event names, or takes it from the cache."""

Matcher: TypeAlias = Callable[[str], bool]


@lru_cache
def group_matcher(text: str) -> Matcher:
    """Read a pattern of groups, or take it from the cache; ``*`` is every group."""
    if text == _EVERY_GROUP:
        return lambda _: True
    return compile_pattern(text).matches


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What one handler wants to hear of; equal texts are equal routes.

    Raises:
        PatternError: A pattern cannot be read.
    """

    user_events: str | None = None
    """A ``userEventPattern``; None takes no user event."""
    system_events: frozenset[str] = frozenset()
    """Any of ``connect``, ``connected``, ``disconnected``."""
    presence_events: frozenset[str] = frozenset()
    """Any of ``joined``, ``left``."""
    presence_groups: tuple[str, ...] = ()
    """Patterns of the groups whose presence is told; none means all."""
    interceptions: frozenset[str] = frozenset()
    """Any of ``publish``, ``subscribe``."""

    def __post_init__(self) -> None:
        if self.user_events is not None:
            event_pattern(self.user_events)
        for text in self.presence_groups:
            group_matcher(text)

    def matches(self, event: events.Event) -> bool:
        """Tell whether this handler takes the event."""
        match event:
            case events.UserEvent(event=name):
                pattern = self.user_events
                return pattern is not None and event_pattern(pattern).matches(name)
            case events.Joined(group=group) | events.Left(group=group):
                return self.wants_presence(event_name(event), group)
            case events.Connect() | events.Connected() | events.Disconnected():
                return event_name(event) in self.system_events
            case events.Publish() | events.Subscribe():
                return event_name(event) in self.interceptions
            case _:
                assert_never(event)

    def wants_presence(self, name: str, group: str) -> bool:
        """Tell whether this handler hears of ``joined`` or ``left`` for a group."""
        if name not in self.presence_events:
            return False
        patterns = self.presence_groups
        return not patterns or any(group_matcher(text)(group) for text in patterns)


def event_name(event: events.Event) -> str:
    """Give the name of an event without prefix, as in ``ce-eventName``."""
    match event:
        case events.UserEvent(event=name):
            return name
        case events.Connect():
            return "connect"
        case events.Connected():
            return "connected"
        case events.Disconnected():
            return "disconnected"
        case events.Joined():
            return "joined"
        case events.Left():
            return "left"
        case events.Publish():
            return "publish"
        case events.Subscribe():
            return "subscribe"
        case _:
            assert_never(event)


def place_of(connection_id: str, places: int) -> int:
    """Choose the instance a connection stays with, the same in every process."""
    return zlib.crc32(connection_id.encode()) % places


def is_state(text: str) -> bool:
    """Tell whether this can be a connection state: short, printable ASCII."""
    return len(text) <= STATE_LIMIT and text.isascii() and text.isprintable()


def failure(event: events.Event, reason: str) -> events.Outcome | None:
    """Give the outcome of an event that went wrong; a notice has none.

    The reason reaches the client: it must not tell what only operators may know.
    """
    match event:
        case events.Connect():
            return events.Reject(500, reason)
        case events.UserEvent() | events.Publish() | events.Subscribe():
            return events.Fail(reason)
        case _:
            return None


def absence(event: events.Event) -> events.Outcome | None:
    """Give the outcome of an event whose server has gone and not come back."""
    reason = "No server is attached that takes this event; try again."
    if isinstance(event, events.Connect):
        return events.Reject(503, reason)
    return failure(event, reason)


def fault(event: events.Event, outcome: object) -> str | None:
    """Return why this outcome does not answer this event; None if it does.

    Handlers are written by others: neither kinds nor types can be taken for granted.
    """
    match event, outcome:
        case events.Connect(), events.Accept():
            return _accept_fault(outcome)
        case events.Connect(), events.Reject(status=status):
            return None if status in _REFUSALS else f"{status!r} refuses nothing"
        case events.UserEvent(), events.Respond():
            return _respond_fault(outcome)
        case events.Publish() | events.Subscribe(), events.Allow():
            return _allow_fault(outcome)
        case (
            (events.Publish() | events.Subscribe()),
            events.Deny(reason=reason) | events.Fail(reason=reason),
        ):
            return _reason_fault(reason)
        case events.UserEvent(), events.Fail(reason=reason):
            return _reason_fault(reason)
        case (
            events.Connect()
            | events.UserEvent()
            | events.Publish()
            | events.Subscribe(),
            _,
        ):
            return f"{type(outcome).__name__} does not answer it"
        case _:
            return None


def _accept_fault(accept: events.Accept) -> str | None:
    try:
        msgspec.convert(msgspec.structs.asdict(accept), events.Accept)
    except msgspec.ValidationError as error:
        return str(error)
    if not all(map(is_group_name, accept.groups or ())):
        return "it names an invalid group"
    return _state_fault(accept.state)


def _respond_fault(respond: events.Respond) -> str | None:
    return _message_fault(respond) or _state_fault(respond.state)


def _allow_fault(allow: events.Allow) -> str | None:
    group = allow.group
    try:
        wrong = group is not None and not is_group_name(group)
    except TypeError:
        wrong = True
    return "it names an invalid group" if wrong else _message_fault(allow)


def _message_fault(outcome: events.Respond | events.Allow) -> str | None:
    if not isinstance(outcome.payload, Payload | None):
        kind = type(outcome.payload).__name__
        return f"a payload is Text, Json, Binary or Protobuf, not {kind}"
    if not outcome.metadata:
        return None
    try:
        metadata = msgspec.convert(outcome.metadata, dict[str, str])
    except msgspec.ValidationError as error:
        return f"metadata: {error}"
    return metadata_fault(metadata.items())


def _reason_fault(reason: object) -> str | None:
    return None if isinstance(reason, str) else "a reason is a text"


def _state_fault(state: object) -> str | None:
    if state is None or (isinstance(state, str) and is_state(state)):
        return None
    return f"a state is printable ASCII of at most {STATE_LIMIT} characters"
