"""Turns the frames of an attached server into its requests. Pure.

Rules about names, filters and numbers are checked here, so that whatever reaches the
server's actor can be carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from hubbub.actors.messages import commands, events, requests, servers
from hubbub.actors.messages.servers import ServerRole
from hubbub.actors.policy.filter import compile_filter
from hubbub.actors.policy.names import is_group_name, metadata_fault
from hubbub.actors.policy.patterns import compile_pattern
from hubbub.actors.policy.rules import check
from hubbub.transport.subprotocols import server_frames as frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hubbub.actors.messages.payload import Payload

MOST_WINDOW: Final = 10_000
MOST_RULES: Final = 100
MOST_PAGE: Final = 200
MOST_TTL: Final = 300

T = TypeVar("T")

_PERMISSIONS: Final = {str(value): value for value in commands.Permission}
_NOWHERE: Any = None
"""Where a question's answer goes is known to the server's actor alone."""


def request(
    frame: frames.AnyFrame, data: Callable[[], Payload | None]
) -> servers.ServerRequest:
    """Read what a frame asks for.

    Args:
        frame: The frame.
        data: Reads its payload; None when it has no data.

    Raises:
        ValueError: It asks for what cannot be; the text says why.
    """
    match frame:
        case frames.Publish():
            return _publish(frame, data())
        case frames.Outcome():
            return servers.Answer(frame.event_id, _outcome(frame, data))
        case frames.Subscribe(group=group):
            return servers.Listen(_maybe_group(group), frame.id)
        case frames.Unsubscribe(group=group):
            return servers.Unlisten(_maybe_group(group), frame.id)
        case frames.Handle():
            return _handle(frame)
        case frames.Watch(connections=connections, groups=groups):
            for pattern in _few(groups):
                compile_pattern(pattern)
            return servers.Watch(connections, groups, frame.id)
        case frames.Drain():
            return servers.Retire(frame.id)
        case frames.Ping():
            return requests.Ping()
        case _:
            return servers.Order(_command(frame), ServerRole.MANAGER, frame.id)


def _command(
    frame: frames.Close
    | frames.Exists
    | frames.AddToGroup
    | frames.RemoveFromGroup
    | frames.AddAllToGroups
    | frames.RemoveAllFromGroups
    | frames.Permissive
    | frames.Members,
) -> commands.Command:
    match frame:
        case frames.Close(excluded=excluded, reason=reason):
            return commands.Close(_target(frame), excluded, reason)
        case frames.Exists():
            target = _target(frame)
            if isinstance(target, commands.Everyone):
                raise ValueError("group, userId or connectionId is required")  # noqa: TRY004 - of the wire
            return commands.Exists(target, _NOWHERE)
        case frames.AddToGroup(group=group):
            return commands.AddToGroup(_member(frame), _group(group))
        case frames.RemoveFromGroup(group=group):
            return commands.RemoveFromGroup(_member(frame), _maybe_group(group))
        case frames.AddAllToGroups(groups=groups, filter=text):
            return commands.AddAllToGroups(_groups(groups), _where(text))
        case frames.RemoveAllFromGroups(groups=groups, filter=text):
            return commands.RemoveAllFromGroups(_groups(groups), _where(text))
        case frames.Permissive():
            return _permissive(frame)
        case frames.Members(group=group, after=after, limit=limit):
            if not 1 <= limit <= MOST_PAGE:
                raise ValueError(f"limit must be 1 to {MOST_PAGE}")
            return commands.Members(_group(group), after, limit, _NOWHERE)
        case _:
            assert_never(frame)


def _publish(frame: frames.Publish, payload: Payload | None) -> servers.Order:
    if payload is None:
        raise ValueError("data is missing")
    if not 0 <= frame.ttl_seconds <= MOST_TTL:
        raise ValueError(f"ttlSeconds must be 0 to {MOST_TTL}")
    command = commands.Publish(
        _target(frame),
        payload,
        None,
        _metadata(frame.metadata),
        frame.ttl_seconds,
        frame.excluded,
        _where(frame.filter),
    )
    return servers.Order(command, ServerRole.PUBLISHER, frame.id, frame.no_echo)


def _handle(frame: frames.Handle) -> servers.Handle:
    if not 1 <= frame.window <= MOST_WINDOW:
        raise ValueError(f"window must be 1 to {MOST_WINDOW}")
    rules = tuple(
        servers.Rule(rule.kind, rule.pattern, rule.filter or None)
        for rule in _few(frame.rules)
    )
    for rule in rules:
        check(rule)
    return servers.Handle(rules, frame.window, frame.id, frame.supersede)


def _outcome(
    frame: frames.Outcome, data: Callable[[], Payload | None]
) -> events.Outcome | None:
    match frame:
        case frames.Respond(state=state, metadata=metadata):
            return events.Respond(data(), state, _metadata(metadata))
        case frames.Done():
            return None
        case frames.Accept(user_id=user_id, groups=groups, roles=roles):
            return events.Accept(user_id, groups, roles, frame.subprotocol, frame.state)
        case frames.Reject(status=status, reason=reason):
            return events.Reject(status, reason)
        case frames.Allow(metadata=metadata, group=group):
            return events.Allow(data(), _metadata(metadata), _maybe_group(group))
        case frames.Deny(reason=reason):
            return events.Deny(reason)
        case frames.Fail(reason=reason):
            return events.Fail(reason)
        case _:
            raise AssertionError("an outcome without a case")


def _permissive(
    frame: frames.Permissive,
) -> commands.Grant | commands.Revoke | commands.HasPermission:
    permission = _PERMISSIONS.get(frame.permission)
    if permission is None:
        raise ValueError(f"permission must be one of {', '.join(_PERMISSIONS)}")
    who, group = _connection(frame.connection_id), _group(frame.group)
    match frame:
        case frames.Grant():
            return commands.Grant(who, permission, group, _NOWHERE)
        case frames.Revoke():
            return commands.Revoke(who, permission, group, _NOWHERE)
        case _:
            return commands.HasPermission(who, permission, group, _NOWHERE)


def _target(frame: frames.Targeted) -> commands.Target:
    match frame.group, frame.user_id, frame.connection_id:
        case None, None, None:
            return commands.Everyone()
        case str(group), None, None:
            return commands.ToGroup(_group(group))
        case None, str(user_id), None:
            return commands.ToUser(user_id)
        case None, None, str(connection_id):
            return commands.ToConnection(_connection(connection_id))
    raise ValueError("only one of group, userId and connectionId names a target")


def _member(frame: frames.Targeted) -> commands.ToUser | commands.ToConnection:
    match frame.user_id, frame.connection_id:
        case str(user_id), None:
            return commands.ToUser(user_id)
        case None, str(connection_id):
            return commands.ToConnection(_connection(connection_id))
    raise ValueError("either userId or connectionId is required")


def _connection(connection_id: str) -> str:
    if not connection_id:
        raise ValueError("connectionId is empty")
    return connection_id


def _group(name: str | None) -> str:
    if name is None or not is_group_name(name):
        raise ValueError("a group name has 1 to 1024 characters")
    return name


def _maybe_group(name: str | None) -> str | None:
    return None if name is None else _group(name)


def _groups(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("groups is empty")
    return tuple(map(_group, _few(names)))


def _few(items: tuple[T, ...]) -> tuple[T, ...]:
    if len(items) > MOST_RULES:
        raise ValueError(f"a list holds at most {MOST_RULES} items")
    return items


def _where(text: str | None) -> commands.Where | None:
    return compile_filter(text) if text else None


def _metadata(metadata: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if not metadata:
        return None
    fault = metadata_fault(metadata.items())
    if fault is not None:
        raise ValueError(fault)
    return metadata
