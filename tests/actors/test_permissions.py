"""Roles, grants and revocations, as the service's references describe them."""

import sys

import pytest

from hubbub.actors.policy.permissions import (
    GET_GROUP_STATE,
    RULE_LIMIT,
    SEND_TO_ALL,
    SET_GROUP_STATE,
    Permission,
    Permissions,
)

SEND = Permission.SEND_TO_GROUP
JOIN = Permission.JOIN_LEAVE_GROUP


def test_the_permissions_are_named_as_in_the_rest_api() -> None:
    assert [*Permission] == ["sendToGroup", "joinLeaveGroup"]


def test_without_roles_nothing_is_allowed() -> None:
    permissions = Permissions(())
    assert not permissions.allows(SEND, "g")
    assert not permissions.allows(JOIN, "g")
    assert permissions.roles == ()


@pytest.mark.parametrize(
    ("role", "sends", "joins"),
    [
        ("webpubsub.sendToGroup", ["g", "a.b", "x"], []),
        ("webpubsub.joinLeaveGroup", [], ["g", "a.b", "x"]),
        ("webpubsub.sendToGroup.g", ["g"], []),
        ("webpubsub.sendToGroup.a.b", ["a.b"], []),
        ("webpubsub.joinLeaveGroup.a.b", [], ["a.b"]),
        ("webpubsub.joinLeaveGroup.*", [], ["*"]),
        ("webpubsub.sendToGroups.?", ["g", "x", "*"], []),
        ("webpubsub.joinLeaveGroups.a.*", [], ["a.b"]),
        ("webpubsub.sendToGroups.**", ["g", "a.b", "x", "*"], []),
    ],
)
def test_a_role_allows_its_groups_and_no_other(
    role: str, sends: list[str], joins: list[str]
) -> None:
    permissions = Permissions([role])
    names = ["g", "a.b", "x", "*"]
    if role.endswith("Group"):
        names.remove("*")
    assert [name for name in names if permissions.allows(SEND, name)] == sends
    assert [name for name in names if permissions.allows(JOIN, name)] == joins


@pytest.mark.parametrize(
    "role",
    [
        "",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "webpubsub.sendtogroup",
        "sendToGroup",
        "webpubsub.sendToGroup.",
        "webpubsub.sendToGroup. ",
        "webpubsub.sendToGroups",
        "webpubsub.sendToGroups.",
        r"webpubsub.sendToGroups.\g",
        "webpubsub.sendToGroups.******",
        "webpubsub.joinLeaveGroup." + "g" * 1025,
    ],
)
def test_unknown_and_malformed_roles_are_ignored(role: str) -> None:
    permissions = Permissions([role])
    for name in ("g", "", " ", "a.b", "g" * 1025):
        assert not permissions.allows(SEND, name)
        assert not permissions.allows(JOIN, name)
    assert permissions.roles == (role,)


def test_a_literal_revoke_overrides_a_wildcard_until_granted_again() -> None:
    permissions = Permissions(["webpubsub.sendToGroups.room*", "webpubsub.sendToGroup"])
    assert permissions.revoke(SEND, "room1")
    assert not permissions.allows(SEND, "room1")
    assert permissions.allows(SEND, "room2")
    assert permissions.grant(SEND, "room1")
    assert permissions.allows(SEND, "room1")


def test_grants_and_revokes_are_literal_names() -> None:
    permissions = Permissions()
    assert permissions.grant(JOIN, "*")
    assert permissions.allows(JOIN, "*")
    assert not permissions.allows(JOIN, "g")
    assert not permissions.allows(JOIN, "G")


def test_the_two_permissions_do_not_touch_each_other() -> None:
    permissions = Permissions(["webpubsub.joinLeaveGroup"])
    permissions.grant(SEND, "g")
    permissions.revoke(JOIN, "g")
    assert permissions.allows(SEND, "g")
    assert not permissions.allows(JOIN, "g")


def test_connections_with_equal_roles_have_their_own_rules() -> None:
    one, other = (
        Permissions(["webpubsub.sendToGroup.g"]),
        Permissions(["webpubsub.sendToGroup.g"]),
    )
    one.revoke(SEND, "g")
    Permissions().grant(SEND, "h")
    assert other.allows(SEND, "g")
    assert not Permissions().allows(SEND, "h")


@pytest.mark.parametrize("permission", list(Permission))
def test_a_full_table_refuses_new_rules_and_changes_old_ones(
    permission: Permission,
) -> None:
    permissions = Permissions()
    for number in range(RULE_LIMIT):
        change = permissions.grant if number % 2 else permissions.revoke
        assert change(permission, f"g{number}")
    assert not permissions.grant(permission, "more")
    assert not permissions.revoke(permission, "more")
    assert not permissions.allows(permission, "more")
    assert permissions.grant(permission, "g0")
    assert permissions.allows(permission, "g0")
    others = {*Permission} - {permission}
    assert all(permissions.grant(other, "more") for other in others)


def test_roles_without_a_group_are_asked_for_by_name() -> None:
    permissions = Permissions([GET_GROUP_STATE, SEND_TO_ALL])
    assert permissions.allows_role(GET_GROUP_STATE)
    assert permissions.allows_role(SEND_TO_ALL)
    assert not permissions.allows_role(SET_GROUP_STATE)


def test_no_roles_cost_one_small_object() -> None:
    permissions = Permissions(())
    assert not hasattr(permissions, "__dict__")
    assert sys.getsizeof(permissions) <= 64
