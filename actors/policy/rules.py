"""Which events an attached server declares to take: kind, names, filter.

Pure. A rule is its texts; what they compile to comes from bounded caches.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import msgspec

from hubbub.actors.messages import events
from hubbub.actors.policy.filter import compile_event_filter
from hubbub.actors.policy.routes import event_name, event_pattern, group_matcher

if TYPE_CHECKING:
    from hubbub.actors.messages.commands import Subject
    from hubbub.actors.messages.servers import Rule

KINDS: Final = {
    "connect": events.Connect,
    "connected": events.Connected,
    "disconnected": events.Disconnected,
    "joined": events.Joined,
    "left": events.Left,
    "event": events.UserEvent,
    "publish": events.Publish,
    "subscribe": events.Subscribe,
}
"""Kinds of rules, and the event each is about; ``event`` stands for user events."""

GROUPED: Final = frozenset({"joined", "left", "publish", "subscribe"})
"""Kinds whose pattern is over groups."""

_EVERY: Final = "*"
_KIND_OF: Final = {kind: name for name, kind in KINDS.items()}


def check(rule: Rule) -> None:
    """Refuse a rule that cannot be read.

    Raises:
        ValueError: There is no such kind, or pattern or filter cannot be read
            (``PatternError``, ``FilterError``); the text says what is wrong.
    """
    if rule.kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"There is no kind {rule.kind!r}; kinds are {known}.")
    if rule.kind == "event":
        event_pattern(rule.pattern)
    elif rule.kind in GROUPED:
        group_matcher(rule.pattern)
    if rule.filter is not None:
        compile_event_filter(rule.filter)


def takes(rule: Rule, event: events.Event, groups: Collection[str]) -> bool:
    """Tell whether a rule holds for an event of its kind.

    Args:
        rule: The rule, which has been checked.
        event: The event; that its kind is the rule's, the caller has seen to.
        groups: The groups the client is in.
    """
    if rule.pattern != _EVERY and not _names(rule.pattern, event):
        return False
    if rule.filter is None:
        return True
    return compile_event_filter(rule.filter)(_occasion(event, groups))


def _names(pattern: str, event: events.Event) -> bool:
    match event:
        case events.UserEvent(event=name):
            return event_pattern(pattern).matches(name)
        case (
            events.Joined(group=group)
            | events.Left(group=group)
            | events.Publish(group=group)
            | events.Subscribe(group=group)
        ):
            return group_matcher(pattern)(group)
        case _:
            return True


def kind_of(event: events.Event) -> str:
    """Give the kind of rule that an event falls under."""
    return _KIND_OF[type(event)]


class Occasion(msgspec.Struct, frozen=True, gc=False):
    """What a rule's filter looks at: a connection, and what is happening to it."""

    connection_id: str
    user_id: str | None
    groups: Collection[str]
    protocol: str | None
    event: str
    group: str | None


def _occasion(event: events.Event, groups: Collection[str]) -> Subject:
    client = event.client
    return Occasion(
        client.connection_id,
        client.user_id,
        groups,
        client.subprotocol,
        event_name(event),
        getattr(event, "group", None),
    )
