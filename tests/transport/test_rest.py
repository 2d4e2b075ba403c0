"""Every operation: the command it becomes, its exact status, headers and error body."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hubbub.actors.messages.commands import (
    AddAllToGroups,
    AddToGroup,
    Close,
    Everyone,
    Exists,
    Grant,
    HasPermission,
    Members,
    Publish,
    RemoveAllFromGroups,
    RemoveFromGroup,
    Revoke,
    ToConnection,
    ToGroup,
    ToUser,
)
from hubbub.actors.messages.payload import Binary
from hubbub.actors.policy.permissions import Permission
from hubbub.transport.rest_table import OPERATIONS
from support.rest import Rig, answer

H = "/api/hubs/chat"
RULE = f"{H}/permissions/sendToGroup/connections"
VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"
EMPTY = Binary(b"")
C1, ALICE, G1 = ToConnection("c1"), ToUser("alice"), ToGroup("g1")
SEND, JOIN = Permission.SEND_TO_GROUP, Permission.JOIN_LEAVE_GROUP

# operation, method, target, command without receipt and answer, status
CARRIED_OUT: list[tuple[str, str, str, Any, int]] = [
    ("sendToAll", "POST", f"{H}/:send", Publish(Everyone(), EMPTY), 202),
    (
        "sendToAll",
        "POST",
        f"{H}/:send?excluded=c1&excluded=a,b%20&messageTtlSeconds=300",
        Publish(Everyone(), EMPTY, exclude=("c1", "a,b "), ttl=300),
        202,
    ),
    ("sendToGroup", "POST", f"{H}/groups/g1/:send", Publish(G1, EMPTY), 202),
    (
        "sendToGroup",
        "POST",
        f"{H}/groups/nobody/:send?excluded=c1",
        Publish(ToGroup("nobody"), EMPTY, exclude=("c1",)),
        202,
    ),
    (
        "sendToUser",
        "POST",
        f"{H}/users/alice/:send?excluded=c1&messageTtlSeconds=0",
        Publish(ALICE, EMPTY),  # a send to a user excludes nobody
        202,
    ),
    (
        "sendToConnection",
        "POST",
        f"{H}/connections/c1/:send?messageTtlSeconds=5&filter=(&excluded=c1",
        Publish(C1, EMPTY, ttl=5),
        202,
    ),
    (
        "sendToConnection",
        "POST",
        f"{H}/connections/gone/:send",
        Publish(ToConnection("gone"), EMPTY),
        202,
    ),
    ("closeConnection", "DELETE", f"{H}/connections/c1", Close(C1), 204),
    (
        "closeConnection",
        "DELETE",
        f"{H}/connections/gone?reason=bye+now",
        Close(ToConnection("gone"), reason="bye now"),
        204,
    ),
    (
        "closeAllConnections",
        "POST",
        f"{H}/:closeConnections?excluded=c1&excluded=c2&reason=",
        Close(Everyone(), ("c1", "c2")),
        204,
    ),
    (
        "closeGroupConnections",
        "POST",
        f"{H}/groups/g1/:closeConnections?reason=r",
        Close(G1, reason="r"),
        204,
    ),
    (
        "closeUserConnections",
        "POST",
        f"{H}/users/alice/:closeConnections?excluded=c1",
        Close(ALICE, ("c1",)),
        204,
    ),
    (
        "addConnectionToGroup",
        "PUT",
        f"{H}/groups/g1/connections/c1",
        AddToGroup(C1, "g1"),
        200,
    ),
    (
        "removeConnectionFromGroup",
        "DELETE",
        f"{H}/groups/g1/connections/gone",
        RemoveFromGroup(ToConnection("gone"), "g1"),
        204,
    ),
    (
        "removeConnectionFromAllGroups",
        "DELETE",
        f"{H}/connections/c1/groups",
        RemoveFromGroup(C1, None),
        204,
    ),
    (
        "addUserToGroup",
        "PUT",
        f"{H}/users/alice/groups/g1",
        AddToGroup(ALICE, "g1"),
        200,
    ),
    (
        "removeUserFromGroup",
        "DELETE",
        f"{H}/users/alice/groups/g1",
        RemoveFromGroup(ALICE, "g1"),
        204,
    ),
    (
        "removeUserFromAllGroups",
        "DELETE",
        f"{H}/users/nobody/groups",
        RemoveFromGroup(ToUser("nobody"), None),
        204,
    ),
    ("connectionExists", "HEAD", f"{H}/connections/c1", Exists(C1, None), 200),  # type: ignore[arg-type]
    ("groupExists", "HEAD", f"{H}/groups/g1", Exists(G1, None), 200),  # type: ignore[arg-type]
    ("userExists", "HEAD", f"{H}/users/alice", Exists(ALICE, None), 200),  # type: ignore[arg-type]
    (
        "listConnectionsInGroup",
        "GET",
        f"{H}/groups/g1/connections",
        Members("g1", "", 200, None),  # type: ignore[arg-type]
        200,
    ),
    (
        "grantPermission",
        "PUT",
        f"{RULE}/c1?targetName=room.*",
        Grant("c1", SEND, "room.*", None),  # type: ignore[arg-type]
        200,
    ),
    (
        "grantPermission",
        "PUT",
        f"{H}/permissions/JOINleavegroup/connections/c1?targetName=g1",
        Grant("c1", JOIN, "g1", None),  # type: ignore[arg-type]
        200,
    ),
    (
        "grantPermission",
        "PUT",
        f"{H}/permissions/2/connections/c1?targetName=g1",
        Grant("c1", JOIN, "g1", None),  # type: ignore[arg-type]
        200,
    ),
    (
        "revokePermission",
        "DELETE",
        f"{RULE}/c1?targetName=g1",
        Revoke("c1", SEND, "g1", None),  # type: ignore[arg-type]
        204,
    ),
    (
        "revokePermission",
        "DELETE",
        f"{RULE}/gone?targetName=g1",
        Revoke("gone", SEND, "g1", None),  # type: ignore[arg-type]
        204,
    ),
    (
        "checkPermission",
        "HEAD",
        f"{RULE}/c1?targetName=g1",
        HasPermission("c1", SEND, "g1", None),  # type: ignore[arg-type]
        200,
    ),
]

BULK = [
    ("addConnectionsToGroups", ":addToGroups", AddAllToGroups),
    ("removeConnectionsFromGroups", ":removeFromGroups", RemoveAllFromGroups),
]

# method, target, code, message, target of the fault
MISSING = [
    ("HEAD", f"{H}/connections/gone", "Warning.Connection.NotExisted", None, None),
    ("HEAD", f"{H}/groups/gone", "Warning.Group.NotExisted", None, None),
    ("HEAD", f"{H}/users/gone", "Warning.User.NotExisted", None, None),
    (
        "PUT",
        f"{H}/groups/g1/connections/gone",
        "Error.Connection.NotExisted",
        "Connection `gone` is not found.",
        "Connection",
    ),
    (
        "PUT",
        f"{H}/users/gone/groups/g1",
        "Warning.User.NotExisted",
        "User `gone` is not found.",
        "User",
    ),
    (
        "PUT",
        f"{RULE}/gone?targetName=g1",
        "Info.Connection.NotExisted",
        "Connection `gone` is not found.",
        "Connection",
    ),
    ("HEAD", f"{RULE}/gone?targetName=g1", "Info.Connection.NotExisted", None, None),
    ("HEAD", f"{RULE}/c1?targetName=g2", "Info.Connection.NotExisted", None, None),
]


def _bare(command: Any) -> Any:
    """Leave out where the answer goes: that it arrives is what the status shows."""
    fields = {"receipt", "answer"} & set(command.__struct_fields__)
    return msgspec.structs.replace(command, **dict.fromkeys(fields))


@pytest.mark.parametrize(
    ("method", "target", "command", "status"),
    [case[1:] for case in CARRIED_OUT],
    ids=[f"{case[0]} {case[2]}" for case in CARRIED_OUT],
)
async def test_an_operation_becomes_its_command_and_answers_its_exact_status(
    method: str, target: str, command: Any, status: int
) -> None:
    rig = Rig()
    response = await answer(rig.app, method, target)
    assert response.status == status
    (posted,) = rig.gateway.posted
    assert posted.hub == "chat"
    assert _bare(posted.command) == command


@pytest.mark.parametrize(("operation", "verb", "kind"), BULK)
async def test_a_bulk_operation_becomes_its_command_and_answers_200(
    operation: str, verb: str, kind: type[Any]
) -> None:
    del operation
    rig = Rig()
    body = b'{"Groups": ["g1", "g2", "g1"], "FILTER": null, "more": {}}'
    kind_of_body = ("Content-Type", "application/json")
    response = await answer(rig.app, "POST", f"{H}/{verb}", kind_of_body, body=body)
    assert (response.status, response.body) == (200, b"")
    assert _bare(rig.gateway.told[0]) == kind(("g1", "g2"), None)


def test_the_tables_of_these_tests_leave_out_no_operation_that_a_hub_carries_out() -> (
    None
):
    tested = {case[0] for case in CARRIED_OUT} | {case[0] for case in BULK}
    others = {"generateClientToken", "invoke", "getServiceStatus", "getDescription"}
    assert tested == {operation.name for operation in OPERATIONS} - others


@pytest.mark.parametrize(
    ("method", "target", "code", "message", "what"),
    MISSING,
    ids=[f"{case[0]} {case[1]}" for case in MISSING],
)
async def test_what_is_missing_is_404_with_the_code_of_the_service(
    method: str, target: str, code: str, message: str | None, what: str | None
) -> None:
    response = await answer(Rig().app, method, target)
    assert response.status == 404
    assert response.headers["x-ms-error-code"] == code
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["api-supported-versions"] == VERSIONS
    if method == "HEAD":
        assert response.body == b""
        assert int(response.headers["content-length"]) > 0
    else:
        assert response.json() == {
            "code": code,
            "message": message,
            "target": what,
            "details": None,
            "innererror": None,
        }


@pytest.mark.parametrize(
    ("method", "target", "length"),
    [
        ("POST", f"{H}/:send", "0"),
        ("PUT", f"{H}/groups/g1/connections/c1", "0"),
        ("DELETE", f"{H}/connections/c1", None),
        ("HEAD", f"{H}/connections/c1", None),
    ],
)
async def test_success_has_the_headers_of_the_service_and_no_body(
    method: str, target: str, length: str | None
) -> None:
    response = await answer(Rig().app, method, target)
    assert response.headers.get("content-length") == length
    assert response.headers["api-supported-versions"] == VERSIONS
    assert response.body == b""
    assert "content-type" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_full_table_of_permissions_is_409(method: str) -> None:
    rig = Rig()
    rig.gateway.full = True
    response = await answer(rig.app, method, f"{RULE}/c1?targetName=g1")
    assert response.status == 409
    assert response.json()["code"] == "Error.Connection.Conflict"
