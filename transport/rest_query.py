"""Reads path and query parameters of the REST API: a value that holds, or a 400.

Pure. The rules are those of the service's REST reference (path parameter rules, and
the tables of its operations).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from hubbub.actors.policy.filter import FilterError, compile_filter
from hubbub.actors.policy.names import hub_name, is_group_name
from hubbub.actors.policy.permissions import Permission
from hubbub.transport.rest_answers import NEWEST, VERSIONS, Refused, invalid
from hubbub.transport.wire.audience import CLIENT_PATH, MQTT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hubbub.actors.messages.commands import Where

Query: TypeAlias = "Mapping[str, list[str]]"
"""Values by parameter name in lower case; names are compared without case."""

PREVIEWS: Final = (
    "2020-10-01",
    "2021-01-01",
    "2021-05-01-preview",
    "2021-08-01-preview",
    "2022-10-01-preview",
)
"""Older SDKs hard-code these."""

MOST_TTL: Final = 300
MOST_PAGE: Final = 200
INT32: Final = 2**31 - 1
DEFAULT_MINUTES: Final = 60
MOST_TOKEN: Final = 2048
GROUP_MESSAGE: Final = (
    "Invalid group name. "
    "Valid group name should be in between 1 and 1024 characters long."
)

_ACCEPTED: Final = frozenset((*VERSIONS, *PREVIEWS))
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_CONNECTION_ID: Final = re.compile(r"[!-~]{1,256}")
_NO_QUERY: Final[dict[str, list[str]]] = {}
_PERMISSIONS: Final = {
    "sendtogroup": Permission.SEND_TO_GROUP,
    "joinleavegroup": Permission.JOIN_LEAVE_GROUP,
    "1": Permission.SEND_TO_GROUP,
    "2": Permission.JOIN_LEAVE_GROUP,
}
_CLIENT_PATHS: Final = {"default": CLIENT_PATH, "mqtt": MQTT_PATH}


def read(query_string: bytes) -> Query:
    """Split a query string; ``+`` is a space.

    Raises:
        Refused: It is not UTF-8.
    """
    if not query_string:
        return _NO_QUERY
    grouped: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            query_string.decode(), keep_blank_values=True, errors="strict"
        )
    except UnicodeDecodeError:
        raise Refused(invalid("Request", "The query is not valid UTF-8.")) from None
    for name, value in pairs:
        grouped.setdefault(name.lower(), []).append(value)
    return grouped


def api_version(query: Query) -> str:
    """Give the requested version, the newest when there is none."""
    given = query.get("api-version")
    if given is None:
        return NEWEST
    if len(given) != 1 or given[0] not in _ACCEPTED:
        raise Refused(
            invalid(
                "api-version",
                "The api-version is not supported. "
                f"The supported versions are {', '.join(VERSIONS)}.",
            )
        )
    return given[0]


def hub(segment: str) -> str:
    """Give a hub name as it is compared, in lower case."""
    name = hub_name(segment)
    if name is None:
        raise Refused(invalid("hub", "The hub name is invalid."))
    return name


def group(segment: str) -> str:
    """Give a group name."""
    if not is_group_name(segment):
        raise Refused(invalid("group", GROUP_MESSAGE))
    return segment


def user_id(segment: str) -> str:
    """Give a user id of a path."""
    return _not_blank("userId", segment)


def connection_id(segment: str) -> str:
    """Give a connection id of a path."""
    return _not_blank("connectionId", segment)


def permission(segment: str) -> Permission:
    """Give a permission, named in any case or numbered as in the .NET SDK."""
    found = _PERMISSIONS.get(segment.lower())
    if found is None:
        raise Refused(
            invalid("permission", "The permission is sendToGroup or joinLeaveGroup.")
        )
    return found


def excluded(query: Query) -> tuple[str, ...]:
    """Give the connections to leave out: neither split nor trimmed, nor checked."""
    return tuple(dict.fromkeys(query.get("excluded", ())))


def where(query: Query) -> Where | None:
    """Give the compiled filter; an empty one lets everything through."""
    return compiled(_text(query, "filter"), in_body=False)


def compiled(text: str | None, *, in_body: bool) -> Where | None:
    """Compile a filter of the query or of a body."""
    if not text:
        return None
    try:
        return compile_filter(text)
    except FilterError as error:
        raise Refused(invalid("Filter", str(error), in_body=in_body)) from None


def ttl(query: Query) -> int:
    """Give the seconds that a message lives, 0 for no limit."""
    return _integer(query, "messageTtlSeconds", 0, MOST_TTL) or 0


def reason(query: Query) -> str | None:
    """Give the reason to close."""
    return _text(query, "reason") or None


def target_name(query: Query) -> str:
    """Give the group of a permission: a literal name, and not optional."""
    name = _text(query, "targetName")
    if name is None or not is_group_name(name):
        raise Refused(invalid("targetName", GROUP_MESSAGE))
    return name


def page_size(query: Query) -> int:
    """Give the members that a page may hold."""
    return _integer(query, "maxpagesize", 1, MOST_PAGE) or MOST_PAGE


def top(query: Query) -> int | None:
    """Give the members that all pages may hold; None for all."""
    return _integer(query, "top", 1, INT32)


def after(query: Query) -> str:
    """Give the connection id that a continuation token stands for.

    A token may be the whole ``nextLink`` of the page before, which is what the .NET
    SDK passes (REST reference, list connections).
    """
    token = _text(query, "continuationToken")
    if token is None:
        return ""
    if token.lower().startswith(("https://", "http://")):
        token = _own_token(token)
    if len(token) > MOST_TOKEN or not _CONNECTION_ID.fullmatch(token):
        raise Refused(invalid("continuationToken", "The token is not one of ours."))
    return token


def subject(query: Query) -> str | None:
    """Give the user of a token; an empty one is anonymous."""
    return _text(query, "userId") or None


def roles(query: Query) -> tuple[str, ...]:
    """Give the roles of a token, unchecked."""
    return tuple(query.get("role", ()))


def groups(query: Query) -> tuple[str, ...]:
    """Give the initial groups of a token."""
    names = tuple(query.get("group", ()))
    if not all(map(is_group_name, names)):
        raise Refused(invalid("group", GROUP_MESSAGE))
    return names


def minutes(query: Query) -> int:
    """Give the lifetime of a token in minutes."""
    return _integer(query, "minutesToExpire", 1, INT32) or DEFAULT_MINUTES


def client_path(query: Query) -> tuple[str, ...]:
    """Give the path, without the hub, where clients of a token's type connect."""
    kind = _text(query, "clientType")
    path = _CLIENT_PATHS.get("default" if kind is None else kind.lower())
    if path is None:
        raise Refused(invalid("clientType", f"The value '{kind}' is not valid."))
    return path


def _own_token(link: str) -> str:
    try:
        values = read(urlsplit(link).query.encode()).get("continuationtoken", [])
    except ValueError:
        return ""
    return values[0] if len(values) == 1 else ""


def _text(query: Query, name: str) -> str | None:
    values = query.get(name.lower())
    if values is None:
        return None
    if len(values) > 1:
        raise Refused(invalid(name, f"The parameter '{name}' is given more than once."))
    return values[0]


def _integer(query: Query, name: str, least: int, most: int) -> int | None:
    text = _text(query, name)
    if text is None:
        return None
    if _INTEGER.fullmatch(text) is None or not least <= int(text) <= most:
        message = f"The parameter '{name}' must be an integer from {least} to {most}."
        raise Refused(invalid(name, message))
    return int(text)


def _not_blank(name: str, segment: str) -> str:
    if segment.isspace():
        raise Refused(invalid(name, f"The parameter '{name}' must not be blank."))
    return segment
