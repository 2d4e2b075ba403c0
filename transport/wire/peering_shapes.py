"""Tables: which number a message between gateways has, and which fields in order. Pure.

A struct becomes an array: its number, if it is one of several that may stand there, and
its fields. docs/reference/peering-protocol.md says the same in CDDL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.messages import (
    commands,
    counting,
    events,
    moving,
    peers,
    servers,
    states,
)
from hubbub.actors.policy.rules import check
from hubbub.transport.wire.peering_fields import (
    EVENT_METADATA,
    METADATA,
    MOST_ENDPOINTS,
    MOST_RULES,
    NAMES,
    PAYLOAD,
    TEXTS,
    VALUES,
    WHERE,
    Field,
    Unfit,
    choice,
    event_name,
    flag,
    hub,
    line,
    maybe,
    name,
    number,
    octets,
    one_of,
    pattern,
    several,
    text,
)
from hubbub.transport.wire.peering_parts import STATE_ITEMS, STREAM
from hubbub.transport.wire.peering_sessions import session_shape
from hubbub.transport.wire.peering_structs import Union, shape, struct

if TYPE_CHECKING:
    from hubbub.transport.wire.peering_fields import Convert


class Unaddressed:
    """Takes answers until somebody says where they go: it drops them."""

    def post(self, message: object, /) -> None:
        """Drop it."""

    def __repr__(self) -> str:
        return "UNADDRESSED"


UNADDRESSED: Final = Unaddressed()
"""In the place of every answer of a command that was read."""


# Targets and keys.

EVERYONE: Final = 0
TO_GROUP: Final = 1
TO_USER: Final = 2
TO_CONNECTION: Final = 3
OVERHEARD: Final = 4
STATE_OF: Final = 5

_everyone = (EVERYONE, shape(commands.Everyone))
_to_group = (TO_GROUP, shape(commands.ToGroup, [name]))
_to_user = (TO_USER, shape(commands.ToUser, [name]))
_to_connection = (TO_CONNECTION, shape(commands.ToConnection, [name]))
_TARGET = Union(_everyone, _to_group, _to_user, _to_connection).field
_MEMBER = Union(_to_user, _to_connection).field
_SOUGHT = Union(_to_group, _to_user, _to_connection).field
_KEY = Union(
    _everyone,
    _to_group,
    _to_user,
    _to_connection,
    (OVERHEARD, shape(peers.Overheard)),
    (STATE_OF, shape(states.StateOf, [name])),
).field

_CLIENT = struct(
    shape(events.Client, [hub, name, maybe(name), maybe(text), maybe(text)])
)

# Commands.

_ANSWER = (UNADDRESSED,)
_ttl = number(-(2**63), 2**63 - 1)
_permission = choice(commands.Permission)
_about: list[Field | Convert] = [name, _permission, name]


def _checked_rule(rule: servers.Rule) -> servers.Rule:
    check(rule)
    return rule


_rule = shape(servers.Rule, [text, text, maybe(text)])
_RULES = several(
    Field(
        lambda rule: _rule.write(_checked_rule(rule)),
        lambda values: _checked_rule(_rule.read(values)),
    ),
    most=MOST_RULES,
)

_SHARED = Union(
    (
        1,
        shape(
            commands.Publish,
            [
                _TARGET,
                PAYLOAD,
                maybe(name),
                maybe(METADATA),
                _ttl,
                NAMES,
                WHERE,
                maybe(STREAM),
            ],
            (None,),
        ),
    ),
    (2, shape(commands.AddToGroup, [_MEMBER, name])),
    (3, shape(commands.RemoveFromGroup, [_MEMBER, maybe(name)])),
    (4, shape(commands.AddAllToGroups, [NAMES, WHERE])),
    (5, shape(commands.RemoveAllFromGroups, [NAMES, WHERE])),
    (6, shape(commands.Close, [_TARGET, NAMES, maybe(text)])),
    (7, shape(commands.Grant, _about, _ANSWER)),
    (8, shape(commands.Revoke, _about, _ANSWER)),
    (9, shape(commands.HasPermission, _about, _ANSWER)),
    (10, shape(commands.Exists, [_SOUGHT], _ANSWER)),
    (11, shape(commands.Members, [name, name, number(1, 2**31 - 1)], _ANSWER)),
    (12, shape(peers.Attach, [name, _RULES, number(1, 10_000), flag])),
    (13, shape(peers.Retire, [name])),
    (14, shape(peers.Watch, [name, flag, several(pattern, most=MOST_RULES)])),
    (15, shape(states.ListStates, [name, name])),
    (17, shape(moving.Fetch, [name, number()])),
    (18, shape(moving.Offer, [name])),
)

# What a call comes to.


def _pair(value: Any) -> tuple[str, str | None]:
    match value:
        case (connection_id, None):
            return name(connection_id), None
        case (connection_id, user_id):
            return name(connection_id), name(user_id)
    raise Unfit("a connection and its user are expected")


_page = shape(
    commands.MemberPage,
    [several(_pair), flag],
)
_VALUES = Union(
    (2, _page),
    (3, shape(commands.Verdict, [flag, flag])),
    (4, shape(peers.Declined, [text])),
    (5, shape(commands.Unavailable, [text])),
    (6, shape(states.StatePage, [STATE_ITEMS, flag])),
    (7, shape(moving.Offered, [_CLIENT, NAMES])),
)


def _write_value(value: peers.Value) -> Any:
    return value if value is True or value is False else _VALUES.write(value)


def _read_value(value: Any) -> Any:
    return value if value is True or value is False else _VALUES.read(value)


# Events and how they end.

_EVENT_METADATA = maybe(EVENT_METADATA)
_event_id = number()
_CERTIFICATES = several(struct(shape(events.Certificate, [text, text])))
_EVENT = Union(
    (
        1,
        shape(
            events.Connect,
            [_CLIENT, _event_id, VALUES, VALUES, VALUES, TEXTS, _CERTIFICATES],
        ),
    ),
    (2, shape(events.Connected, [_CLIENT, _event_id])),
    (
        3,
        shape(
            events.UserEvent,
            [_CLIENT, _event_id, event_name, PAYLOAD, _EVENT_METADATA],
        ),
    ),
    (4, shape(events.Disconnected, [_CLIENT, _event_id, text])),
    (5, shape(events.Joined, [_CLIENT, _event_id, name])),
    (6, shape(events.Left, [_CLIENT, _event_id, name])),
    (7, shape(events.Publish, [_CLIENT, _event_id, name, PAYLOAD, _EVENT_METADATA])),
    (8, shape(events.Subscribe, [_CLIENT, _event_id, name])),
).field
_GROUPS = maybe(NAMES)
_OUTCOME = Union(
    (
        1,
        shape(
            events.Accept,
            [maybe(name), _GROUPS, maybe(TEXTS), maybe(text), maybe(text)],
        ),
    ),
    (2, shape(events.Reject, [number(400, 599), text])),
    (3, shape(events.Respond, [maybe(PAYLOAD), maybe(text), maybe(METADATA)])),
    (4, shape(events.Allow, [maybe(PAYLOAD), maybe(METADATA), maybe(name)])),
    (5, shape(events.Deny, [text])),
    (6, shape(events.Fail, [text])),
).field
_PRESENCE = struct(
    shape(
        servers.Presence,
        [
            one_of("connected", "disconnected", "joined", "left"),
            name,
            maybe(name),
            maybe(name),
        ],
    )
)

# Messages. The first two are written and read by hand (``peering_relay``).

RELAY: Final = 1
INTEREST: Final = 2
_ENDPOINTS = several(line, most=MOST_ENDPOINTS)
MESSAGES: Final = Union(
    (3, shape(peers.Interests, [hub, several(_KEY)])),
    (4, shape(peers.Reset, [hub])),
    (5, shape(peers.Complete)),
    (6, shape(peers.Call, [number(), hub, _SHARED.field])),
    (7, shape(peers.Return, [number(), Field(_write_value, _read_value)])),
    (8, shape(peers.Detach, [hub, name])),
    (9, shape(peers.Give, [hub, name, _EVENT, number(1, 1000)])),
    (10, shape(peers.Withdraw, [hub, name, name, _event_id])),
    (11, shape(peers.Outcome, [hub, name, _event_id, maybe(_OUTCOME)])),
    (12, shape(peers.Told, [hub, name, _PRESENCE])),
    (13, shape(peers.Acquaintances, [_ENDPOINTS])),
    (14, shape(counting.Inquire, [number(), text])),
    (15, shape(counting.Counted, [number(), text, octets])),
    (16, shape(peers.Goodbye)),
    (17, shape(states.StateNews, [hub, name, STATE_ITEMS])),
    (20, shape(moving.Moving, [hub, name, number(), NAMES])),
    (21, shape(moving.Passed, [hub, name, number()])),
    (22, shape(moving.Handed, [hub, name, number(), maybe(session_shape(_CLIENT))])),
)
