"""Which function of a server handles which event.

The gateway sends what any declared rule takes and does not say which: the first
handler, in the order of registration, whose rule holds gets the event. So a rule is
evaluated here once more. Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hubbub.actors.messages.servers import Rule
from hubbub.actors.policy.filter_tree import names_in, parse
from hubbub.actors.policy.rules import check, kind_of, takes

if TYPE_CHECKING:
    from hubbub.actors.messages import events
    from hubbub.sdk.server.frames import Map

SYSTEM: Final = frozenset({"connect", "connected", "disconnected"})
"""Names of events that are not a user's, and not about a group."""
INTERCEPTIONS: Final = frozenset({"publish", "subscribe"})
GROUPED: Final = frozenset({"joined", "left"}) | INTERCEPTIONS
"""Names of presence events and interception points, which are about a group."""

_ALIASES: Final = {"disconnect": "disconnected"}
"""What people say for it."""

MOST_RULES: Final = 100
"""Rules that a gateway takes from one server."""

Function: TypeAlias = Callable[[Any], Any | Awaitable[Any]]


class Handler:
    """A function, and the rule that says which events it gets."""

    __slots__ = ("by_groups", "function", "is_async", "known", "rule")

    def __init__(self, rule: Rule, function: Function) -> None:
        self.rule = rule
        self.function = function
        self.is_async = is_async(function)
        self.by_groups = rule.filter is not None and _looks_at_groups(rule.filter)
        self.known = Rule(rule.kind, rule.pattern) if self.by_groups else rule
        """The part of the rule that can be evaluated here."""


def is_async(function: Function) -> bool:
    """Tell whether calling a function gives a coroutine."""
    if not callable(function):
        raise TypeError(f"a handler is a function, not {type(function).__name__}")
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - it may be an async method
    )


def event_rule(name: str, text: str | None, groups: str | None) -> Rule:
    """Make the rule for a system event, an interception point, or user events.

    Args:
        name: The event's name, or a pattern of user events' names.
        text: The filter.
        groups: The pattern of groups, for what is about a group.

    Raises:
        ValueError: There can be no such rule.
    """
    kind = _ALIASES.get(name, name)
    if kind in GROUPED:
        rule = Rule(kind, "*" if groups is None else groups, text or None)
    elif groups is not None:
        raise ValueError(f"the event {name} is not about a group: leave groups out")
    elif kind in SYSTEM:
        rule = Rule(kind, "*", text or None)
    elif not name.strip(", "):
        raise ValueError("the pattern of user events is empty")
    else:
        rule = Rule("event", name, text or None)
    check(rule)
    return rule


def check_point(point: str) -> None:
    """Refuse what is no interception point.

    Raises:
        ValueError: It is none.
    """
    if point not in INTERCEPTIONS:
        raise ValueError(
            f"there is no interception point {point!r}: it is publish or subscribe"
        )


class Registry:
    """The handlers of one server, in order.

    Args:
        window: Events that the gateway may give the server at a time.
        supersede: Whether what servers declared that are gone is to be forgotten.
    """

    def __init__(self, window: int, *, supersede: bool = False) -> None:
        self._window = window
        self.supersede = supersede
        self._handlers: dict[str, tuple[Handler, ...]] = {}

    def add(self, handler: Handler) -> None:
        """Let a function handle what its rule takes and no earlier one does.

        Raises:
            ValueError: Nobody could tell which of two handlers is meant, or there
                are too many.
        """
        kind = handler.rule.kind
        others = self._handlers.get(kind, ())
        if any(_unclear(handler, other) for other in others):
            raise ValueError(
                "a filter that looks at groups must be the only one that can hold for "
                f"its events: another handler of {kind} may be meant; use one "
                "function for both"
            )
        if len(self.rules()) >= MOST_RULES:
            raise ValueError(f"a server has at most {MOST_RULES} handlers")
        self._handlers[kind] = (*others, handler)

    def remove(self, handler: Handler) -> None:
        """Forget a handler; harmless when it is not known."""
        kind = handler.rule.kind
        left = tuple(one for one in self._handlers.get(kind, ()) if one is not handler)
        self._handlers[kind] = left

    def find(self, event: events.Event) -> Handler | None:
        """Give the handler of an event."""
        for handler in self._handlers.get(kind_of(event), ()):
            if takes(handler.known, event, ()):
                return handler
        return None

    def rules(self) -> tuple[Rule, ...]:
        """Give the rules to declare, each once."""
        every = (one.rule for group in self._handlers.values() for one in group)
        return tuple(dict.fromkeys(every))

    def frame(self) -> Map:
        """Give the frame that declares them all."""
        return {
            "type": "handle",
            "rules": list(map(_said, self.rules())),
            "window": self._window,
            "supersede": self.supersede,
        }


def _said(rule: Rule) -> Map:
    said: Map = {"kind": rule.kind, "pattern": rule.pattern}
    if rule.filter is not None:
        said["filter"] = rule.filter
    return said


def _looks_at_groups(text: str) -> bool:
    return any(name.lower() == "groups" for name in names_in(parse(text)))


def _unclear(one: Handler, other: Handler) -> bool:
    """Tell whether an event may be for either, and the groups of a client decide."""
    if not (one.by_groups or other.by_groups):
        return False
    return not (_is_name(one.rule) and _is_name(other.rule)) or (
        one.rule.pattern.lower() == other.rule.pattern.lower()
    )


def _is_name(rule: Rule) -> bool:
    return not set(rule.pattern) & set("*?,\\")
