"""The table of the REST data plane: what is answered where, and by whom.

The description under ``/api/openapi.json`` is made from it (REST reference,
operations; names are those of the service's specification).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from hubbub.transport import openapi
from hubbub.transport.rest_answers import json
from hubbub.transport.rest_caller import public_endpoint
from hubbub.transport.rest_operations import (
    add,
    add_all,
    check,
    close,
    exists,
    generate_token,
    grant,
    healthy,
    invoke,
    members,
    remove,
    remove_all,
    revoke,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.transport.rest_answers import Answer
    from hubbub.transport.rest_call import Call

    Respond: TypeAlias = Callable[[Call], Awaitable[Answer]]


HUBS: Final = "/api/hubs"


class Operation(msgspec.Struct, frozen=True):
    """One row of the table.

    ``query`` names the parameters it has beside ``api-version``: it does not see any
    other. ``body`` says what it reads, ``refusals`` which statuses it has of its own.
    """

    name: str
    method: str
    path: str
    respond: Respond
    success: int
    query: tuple[str, ...] = ()
    body: Literal["message", "groups"] | None = None
    refusals: tuple[int, ...] = ()

    @property
    def open(self) -> bool:
        """Whether anyone may call it."""
        return not self.path.startswith(HUBS)


async def _describe(call: Call) -> Answer:
    return _description(public_endpoint(call.scope, call.settings))


@lru_cache(maxsize=8)
def _description(endpoint: str) -> Answer:
    return json(openapi.document(OPERATIONS, endpoint))


_HUB: Final = HUBS + "/{hub}"
_GROUP: Final = _HUB + "/groups/{group}"
_USER: Final = _HUB + "/users/{userId}"
_ONE: Final = _HUB + "/connections/{connectionId}"
_MEMBER: Final = _GROUP + "/connections/{connectionId}"
_MEMBERS: Final = _USER + "/groups/{group}"
_RULE: Final = _HUB + "/permissions/{permission}/connections/{connectionId}"
_ALL: Final = "/groups"
_SEND: Final = "/:send"
_CLOSE: Final = "/:closeConnections"
_ADD: Final = "/:addToGroups"
_REMOVE: Final = "/:removeFromGroups"
_TOKEN: Final = "/:generateToken"  # noqa: S105 - a path

_TTL: Final = ("messageTtlSeconds",)
_WHERE: Final = ("filter", *_TTL)
_SENDING: Final = ("excluded", *_WHERE)
_WHY: Final = ("reason",)
_CLOSING: Final = ("excluded", *_WHY)
_PAGE: Final = ("maxpagesize", "top", "continuationToken")
_WHO: Final = ("userId", "role", "group", "minutesToExpire", "clientType")
_NAME: Final = ("targetName",)
_ABSENT: Final = (404,)

OPERATIONS: Final = (
    Operation("sendToAll", "POST", _HUB + _SEND, send, 202, _SENDING, "message"),
    Operation("sendToGroup", "POST", _GROUP + _SEND, send, 202, _SENDING, "message"),
    Operation("sendToUser", "POST", _USER + _SEND, send, 202, _WHERE, "message"),
    Operation("sendToConnection", "POST", _ONE + _SEND, send, 202, _TTL, "message"),
    Operation("connectionExists", "HEAD", _ONE, exists, 200, refusals=_ABSENT),
    Operation("groupExists", "HEAD", _GROUP, exists, 200, refusals=_ABSENT),
    Operation("userExists", "HEAD", _USER, exists, 200, refusals=_ABSENT),
    Operation("closeConnection", "DELETE", _ONE, close, 204, _WHY),
    Operation("closeAllConnections", "POST", _HUB + _CLOSE, close, 204, _CLOSING),
    Operation("closeGroupConnections", "POST", _GROUP + _CLOSE, close, 204, _CLOSING),
    Operation("closeUserConnections", "POST", _USER + _CLOSE, close, 204, _CLOSING),
    Operation("addConnectionToGroup", "PUT", _MEMBER, add, 200, refusals=_ABSENT),
    Operation("removeConnectionFromGroup", "DELETE", _MEMBER, remove, 204),
    Operation("removeConnectionFromAllGroups", "DELETE", _ONE + _ALL, remove, 204),
    Operation("addUserToGroup", "PUT", _MEMBERS, add, 200, refusals=_ABSENT),
    Operation("removeUserFromGroup", "DELETE", _MEMBERS, remove, 204),
    Operation("removeUserFromAllGroups", "DELETE", _USER + _ALL, remove, 204),
    Operation(
        "addConnectionsToGroups", "POST", _HUB + _ADD, add_all, 200, (), "groups"
    ),
    Operation(
        "removeConnectionsFromGroups",
        "POST",
        _HUB + _REMOVE,
        remove_all,
        200,
        (),
        "groups",
    ),
    Operation(
        "listConnectionsInGroup", "GET", _GROUP + "/connections", members, 200, _PAGE
    ),
    Operation("grantPermission", "PUT", _RULE, grant, 200, _NAME, refusals=(404, 409)),
    Operation("revokePermission", "DELETE", _RULE, revoke, 204, _NAME, refusals=(409,)),
    Operation("checkPermission", "HEAD", _RULE, check, 200, _NAME, refusals=_ABSENT),
    Operation("generateClientToken", "POST", _HUB + _TOKEN, generate_token, 200, _WHO),
    Operation("invoke", "POST", _HUB + "/:invoke", invoke, 501),
    Operation("getServiceStatus", "GET", "/api/health", healthy, 200),
    Operation("getDescription", "GET", "/api/openapi.json", _describe, 200),
)
