"""Turns roles, grants and revocations into a yes or no for one connection.

Knows the role strings of the service's client protocol reference (roles) and the
precedence of its REST reference (permissions): a literal revoke beats everything,
then a literal grant, then the roles. Membership is not its business.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from hubbub.actors.messages.commands import Permission
from hubbub.actors.messages.sessions import Rights
from hubbub.actors.policy.names import is_group_name
from hubbub.actors.policy.patterns import Pattern, PatternError, role_pattern

__all__ = [
    "GET_GROUP_STATE",
    "RULE_LIMIT",
    "SEND_TO_ALL",
    "SET_GROUP_STATE",
    "Permission",
    "Permissions",
]

RULE_LIMIT: Final = 1000

GET_GROUP_STATE: Final = "webpubsub.getGroupState"
SET_GROUP_STATE: Final = "webpubsub.setGroupState"
SEND_TO_ALL: Final = "webpubsub.sendToAll"


class _Scope(msgspec.Struct, frozen=True):
    """The groups for which roles give one permission."""

    everything: bool = False
    names: frozenset[str] = frozenset()
    patterns: tuple[Pattern, ...] = ()


class _Charter(msgspec.Struct, frozen=True):
    """What a set of roles says; connections with the same roles share one."""

    roles: tuple[str, ...]
    send: _Scope
    join: _Scope


_SEND: Final = Permission.SEND_TO_GROUP
_NO_RULES: Final[dict[str, bool]] = {}  # shared, so never written to
_NOWHERE: Final = _Scope()
_NO_ROLES: Final = _Charter((), _NOWHERE, _NOWHERE)


class Permissions:
    """Answers what one connection may do, and takes the server's grants and revokes.

    Unknown and malformed roles are ignored: people add random ones to make tokens
    unique. The table of each permission holds at most 1000 rules.
    """

    __slots__ = ("_charter", "_join", "_send")

    def __init__(self, roles: Iterable[str] = ()) -> None:
        given = tuple(roles)
        self._charter = _charter(given) if given else _NO_ROLES
        self._send = self._join = _NO_RULES

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles as given, unknown ones included."""
        return self._charter.roles

    def allows(self, permission: Permission, group: str) -> bool:
        """Tell whether the connection has the permission for the group now."""
        if permission is _SEND:
            rules, scope = self._send, self._charter.send
        else:
            rules, scope = self._join, self._charter.join
        if rules and (ruled := rules.get(group)) is not None:
            return ruled
        return _covers(scope, group)

    def allows_role(self, name: str, group: str | None = None) -> bool:
        """Tell whether a role is there, for all groups or for this one.

        Of roles that nobody grants or revokes at run time: `SEND_TO_ALL`,
        `GET_GROUP_STATE` and `SET_GROUP_STATE`, which may name a group or a pattern as
        others do (client protocols, roles).
        """
        roles = self._charter.roles
        if name in roles:
            return True
        return group is not None and _covers(_role_scope(roles, name), group)

    def export(self) -> Rights:
        """Give the roles, and what was granted and revoked since."""
        return Rights(self.roles, self._send, self._join)

    def restore(self, rights: Rights) -> None:
        """Take over what was granted and revoked elsewhere."""
        for permission, rules in (
            (_SEND, rights.send),
            (Permission.JOIN_LEAVE_GROUP, rights.join),
        ):
            for group, allowed in rules.items():
                self._rule(permission, group, allowed)

    def grant(self, permission: Permission, group: str) -> bool:
        """Permit literally this group; False when the table is full."""
        return self._rule(permission, group, True)

    def revoke(self, permission: Permission, group: str) -> bool:
        """Forbid literally this group, whatever roles say; False when full."""
        return self._rule(permission, group, False)

    def _rule(self, permission: Permission, group: str, allowed: bool) -> bool:
        rules = self._send if permission is _SEND else self._join
        if len(rules) >= RULE_LIMIT and group not in rules:
            return False
        if rules is not _NO_RULES:
            rules[group] = allowed
        elif permission is _SEND:
            self._send = {group: allowed}
        else:
            self._join = {group: allowed}
        return True


def _covers(scope: _Scope, group: str) -> bool:
    if scope.everything or group in scope.names:
        return True
    for pattern in scope.patterns:  # noqa: SIM110 (any() costs 1 us more)
        if pattern.matches(group):
            return True
    return False


@lru_cache(maxsize=1024)
def _role_scope(roles: tuple[str, ...], name: str) -> _Scope:
    return _scope(roles, name)


@lru_cache(maxsize=1024)
def _charter(roles: tuple[str, ...]) -> _Charter:
    return _Charter(
        roles,
        send=_scope(roles, "webpubsub.sendToGroup"),
        join=_scope(roles, "webpubsub.joinLeaveGroup"),
    )


def _scope(roles: tuple[str, ...], role: str) -> _Scope:
    names = _tails(roles, f"{role}.")
    patterns = map(_pattern_or_none, _tails(roles, f"{role}s."))
    return _Scope(
        everything=role in roles,
        names=frozenset(filter(is_group_name, names)),
        patterns=tuple(pattern for pattern in patterns if pattern is not None),
    )


def _tails(roles: tuple[str, ...], prefix: str) -> list[str]:
    return [role.removeprefix(prefix) for role in roles if role.startswith(prefix)]


def _pattern_or_none(text: str) -> Pattern | None:
    try:
        return role_pattern(text)
    except PatternError:
        return None
