"""What the OpenAPI document says of each parameter, body and answer, as data."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from hubbub.actors.policy.names import GROUP_LIMIT, HUB
from hubbub.actors.policy.permissions import Permission
from hubbub.transport.rest_query import DEFAULT_MINUTES, INT32, MOST_PAGE, MOST_TTL

Schema: TypeAlias = dict[str, Any]

_GROUP: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": GROUP_LIMIT,
    "pattern": r"\S",
}
_NOT_BLANK: Final[Schema] = {"type": "string", "minLength": 1, "pattern": r"\S"}
_TEXT: Final[Schema] = {"type": "string"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}


def _integer(least: int, most: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": least, "maximum": most}
    return schema if default is None else {**schema, "default": default}


PATH: Final[dict[str, tuple[str, Schema]]] = {
    "hub": ("The hub, in any case.", {"type": "string", "pattern": f"^{HUB.pattern}$"}),
    "group": ("The group, case-sensitive; a slash in it is written %2F.", _GROUP),
    "userId": ("The user, case-sensitive; a slash in it is written %2F.", _NOT_BLANK),
    "connectionId": ("The connection.", _NOT_BLANK),
    "permission": (
        "What to permit, in any case.",
        {"type": "string", "enum": [str(permission) for permission in Permission]},
    ),
}
QUERY: Final[dict[str, tuple[str, Schema]]] = {
    "excluded": ("A connection to leave out; may repeat.", _TEXTS),
    "filter": ("Which connections are meant (filter language).", _TEXT),
    "messageTtlSeconds": (
        "Seconds until an unread message is dropped; 0: never.",
        _integer(0, MOST_TTL, 0),
    ),
    "reason": ("Why the connections are closed.", _TEXT),
    "targetName": ("The group, taken literally.", _GROUP),
    "maxpagesize": ("Members on a page.", _integer(1, MOST_PAGE, MOST_PAGE)),
    "top": ("Members on all pages together.", _integer(1, INT32)),
    "continuationToken": ("Where the page begins, from a nextLink.", _TEXT),
    "userId": ("The user; none: an anonymous one.", _TEXT),
    "role": ("A role of the client; may repeat.", _TEXTS),
    "group": (
        "A group to join at once; may repeat.",
        {"type": "array", "items": _GROUP},
    ),
    "minutesToExpire": (
        "Minutes that the token is valid.",
        _integer(1, INT32, DEFAULT_MINUTES),
    ),
    "clientType": (
        "How the client will connect, in any case.",
        {"type": "string", "enum": ["Default", "MQTT"], "default": "Default"},
    ),
}
REQUIRED: Final = frozenset({"targetName"})

SUMMARIES: Final = {
    "sendToAll": "Send a message to every connection of a hub",
    "sendToGroup": "Send a message to a group",
    "sendToUser": "Send a message to a user",
    "sendToConnection": "Send a message to a connection",
    "connectionExists": "Tell whether a connection exists",
    "groupExists": "Tell whether a group has a connection",
    "userExists": "Tell whether a user has a connection",
    "closeConnection": "Close a connection",
    "closeAllConnections": "Close the connections of a hub",
    "closeGroupConnections": "Close the connections of a group",
    "closeUserConnections": "Close the connections of a user",
    "addConnectionToGroup": "Add a connection to a group",
    "removeConnectionFromGroup": "Remove a connection from a group",
    "removeConnectionFromAllGroups": "Remove a connection from all groups",
    "addUserToGroup": "Add a user's connections to a group",
    "removeUserFromGroup": "Remove a user's connections from a group",
    "removeUserFromAllGroups": "Remove a user's connections from all groups",
    "addConnectionsToGroups": "Add matching connections to groups",
    "removeConnectionsFromGroups": "Remove matching connections from groups",
    "listConnectionsInGroup": "List the connections of a group",
    "grantPermission": "Permit a connection something in a group",
    "revokePermission": "Forbid a connection something in a group",
    "checkPermission": "Tell whether a connection is permitted something in a group",
    "generateClientToken": "Issue an access token for a client",
    "getServiceStatus": "Tell whether the service answers",
    "getDescription": "Give this document",
}

_MESSAGE: Final = {
    "text/plain": {"schema": _TEXT},
    "application/json": {"schema": {}},
    "application/octet-stream": {"schema": {}},
    "application/x-protobuf": {"schema": {}},
}
BODIES: Final[dict[str, Schema]] = {
    "message": {
        "description": "The message. Without a Content-Type it is binary.",
        "required": True,
        "content": _MESSAGE,
    },
    "groups": {
        "description": "The groups, and which connections; no filter: all of the hub.",
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Bulk"}}
        },
    },
}
DOCUMENTS: Final = {
    "listConnectionsInGroup": "Members",
    "generateClientToken": "Token",
    "getDescription": "Description",
}


def _nullable(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_FAULT: Final[Schema] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": _TEXT,
        "message": _TEXT,
        "target": _nullable("string"),
        "details": {"type": "null"},
        "innererror": {"type": "null"},
    },
}
_VALIDATION: Final[Schema] = {
    "type": "object",
    "required": ["code", "message", "target", "errors", "title", "status"],
    "properties": {
        "code": {"const": "Error.BadRequest"},
        "message": _TEXT,
        "target": _TEXT,
        "errors": {"type": "object", "additionalProperties": _TEXTS},
        "title": _TEXT,
        "status": {"const": 400},
    },
}
_MEMBERS: Final[Schema] = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "value": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["connectionId"],
                "properties": {"connectionId": _TEXT, "userId": _nullable("string")},
            },
        },
        "nextLink": {"type": "string", "format": "uri"},
    },
}
SCHEMAS: Final[dict[str, Schema]] = {
    "Bulk": {
        "type": "object",
        "required": ["groups"],
        "properties": {
            "groups": {"type": "array", "minItems": 1, "items": _GROUP},
            "filter": _nullable("string"),
        },
    },
    "Error": _FAULT,
    "ValidationError": _VALIDATION,
    "Members": _MEMBERS,
    "Token": {
        "type": "object",
        "required": ["token"],
        "properties": {"token": _TEXT},
    },
    "Description": {"type": "object", "required": ["openapi", "info", "paths"]},
}
