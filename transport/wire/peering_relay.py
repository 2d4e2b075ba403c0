"""The messages between gateways that come by the thousand, written and read by hand.

Pure. A relay and an interest are flat arrays: a nested one costs more than all checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.messages import commands, peers, states
from hubbub.actors.messages import payload as payloads
from hubbub.transport.wire.peering_fields import (
    JSON,
    KNOWN_HUBS,
    METADATA,
    MOST_NAME,
    NAMES,
    WHERE,
    Unfit,
    flag,
    hub,
    name,
    number,
    read_payload,
    utf8,
    write_payload,
)
from hubbub.transport.wire.peering_parts import STREAM
from hubbub.transport.wire.peering_shapes import (
    EVERYONE,
    INTEREST,
    OVERHEARD,
    RELAY,
    STATE_OF,
    TO_CONNECTION,
    TO_GROUP,
    TO_USER,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.payload import Payload

PLAIN: Final = 7
"""Items of a relay that has nothing unusual."""
FULL: Final = 11
STREAMED: Final = 12
_INTEREST: Final = 5

_ttl = number(-(2**63), 2**63 - 1)
_TARGETS: Final[dict[int, Callable[[str], commands.Target]]] = {
    TO_GROUP: commands.ToGroup,
    TO_USER: commands.ToUser,
    TO_CONNECTION: commands.ToConnection,
}
_KEYS: Final[dict[int, Callable[[str], peers.Key]]] = {
    **_TARGETS,
    STATE_OF: states.StateOf,
}
_EVERYONE: Final = commands.Everyone()
_OVERHEARD: Final = peers.Overheard()


def write_relay(relay: peers.Relay) -> list[Any]:
    """Give the array of a relay."""
    command = relay.command
    target: Any = command.target
    payload: Any = command.payload
    where: Any = relay.hub
    user: Any = command.from_user
    who: Any
    content: Any
    if type(target) is commands.ToGroup:
        key, who = TO_GROUP, target.name
    else:
        key, who = _write_key(target)
    if who is not None and (type(who) is not str or len(who) > MOST_NAME):
        who = name(who)
    if user is not None and (type(user) is not str or len(user) > MOST_NAME):
        user = name(user)
    if where not in KNOWN_HUBS:
        where = hub(where)
    if type(payload) is payloads.Json:
        kind, content = JSON, payload.raw
        if type(content) is not bytes or not content.isascii():
            content = utf8(content)
    else:
        kind, content = write_payload(payload)
    row = [RELAY, where, key, who, kind, content, user]
    if (
        command.metadata
        or command.ttl
        or command.exclude
        or command.where is not None
        or command.stream is not None
    ):
        row += (
            METADATA.write(command.metadata or {}),
            _ttl(command.ttl),
            NAMES.write(command.exclude),
            WHERE.write(command.where),
        )
        if command.stream is not None:
            row.append(STREAM.write(command.stream))
    return row


def read_relay(row: list[Any]) -> peers.Relay:
    """Make a relay of its array."""
    if len(row) == PLAIN:
        _, where, key, who, kind, content, user = row
        more: tuple[Any, ...] = ()
    elif len(row) in {FULL, STREAMED}:
        _, where, key, who, kind, content, user, *details = row
        metadata, ttl, exclude, texts, *stream = details
        more = (
            METADATA.read(metadata) or None,
            _ttl(ttl),
            NAMES.read(exclude),
            WHERE.read(texts),
        )
        if stream:
            more += (None, STREAM.read(stream[0]))
    else:
        raise Unfit("a relay has seven items, eleven or twelve")
    if type(where) is not str or where not in KNOWN_HUBS:
        where = hub(where)
    if user is not None and (type(user) is not str or len(user) > MOST_NAME):
        raise Unfit("a user is expected")
    if (
        type(who) is str
        and type(key) is int
        and key in _TARGETS
        and len(who) <= MOST_NAME
    ):
        target: Any = _TARGETS[key](who)
    elif who is None and type(key) is int and key == EVERYONE:
        target = _EVERYONE
    else:
        raise Unfit("a target is expected")
    if (
        type(content) is bytes
        and type(kind) is int
        and kind == JSON
        and content.isascii()
    ):
        payload: Payload = payloads.Json(content)
    else:
        payload = read_payload(kind, content)
    return peers.Relay(where, commands.Publish(target, payload, user, *more))


def write_interest(interest: peers.Interest) -> list[Any]:
    """Give the array of an interest."""
    key, who = _write_key(interest.key)
    return [
        INTEREST,
        hub(interest.hub),
        key,
        None if who is None else name(who),
        flag(interest.present),
    ]


def read_interest(row: list[Any]) -> peers.Interest:
    """Make an interest of its array."""
    if len(row) != _INTEREST:
        raise Unfit("an interest has five items")
    key, who = row[2], row[3]
    wanted: peers.Key
    if type(key) is int and key in {EVERYONE, OVERHEARD}:
        if who is not None:
            raise Unfit("everyone has no name")
        wanted = _EVERYONE if key == EVERYONE else _OVERHEARD
    else:
        if type(key) is not int or key not in _KEYS:
            raise Unfit("there is no such kind of target")
        wanted = _KEYS[key](name(who))
    return peers.Interest(hub(row[1]), wanted, flag(row[4]))


def _write_key(key: peers.Key) -> tuple[int, str | None]:
    match key:
        case commands.ToGroup(name=name):
            return TO_GROUP, name
        case commands.ToUser(user_id=name):
            return TO_USER, name
        case commands.ToConnection(connection_id=name):
            return TO_CONNECTION, name
        case commands.Everyone():
            return EVERYONE, None
        case peers.Overheard():
            return OVERHEARD, None
        case states.StateOf(group=name):
            return STATE_OF, name
        case _:
            raise TypeError(f"{type(key).__name__} is no key")
