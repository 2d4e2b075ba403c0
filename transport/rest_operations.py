"""What the operations of the REST data plane do, one function each.

A call becomes a command to its hub, the hub's reply becomes an answer. Who may call,
and what a path may say, is decided before (REST reference, operations).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from hubbub.actors.messages import commands
from hubbub.actors.messages.commands import Receipt
from hubbub.transport import rest_answers as answers
from hubbub.transport import rest_body, rest_paths, rest_query
from hubbub.transport.rest_call import Call, Waiter
from hubbub.transport.rest_caller import public_endpoint
from hubbub.transport.wire import audience, tokens

if TYPE_CHECKING:
    from hubbub.transport.rest_answers import Answer


async def send(call: Call) -> Answer:
    """Publish the body; 202 says that it was handed out."""
    headers, query = call.scope["headers"], call.query
    ttl, where = rest_query.ttl(query), rest_query.where(query)
    metadata = rest_body.metadata(headers)
    payload = await rest_body.payload(headers, call.receive, call.settings.limits)
    reply: Waiter[bool] = Waiter()
    publish = commands.Publish(
        _target(call.path),
        payload,
        metadata=metadata,
        ttl=ttl,
        exclude=rest_query.excluded(query),
        where=where,
        receipt=Receipt(reply, True),
    )
    await call.done(reply, publish)
    return answers.ACCEPTED


async def exists(call: Call) -> Answer:
    """Tell whether the path's target has a connection."""
    reply: Waiter[bool] = Waiter()
    found = await call.done(reply, commands.Exists(_named(call.path), reply))
    return answers.FOUND if found else _nobody("Warning", call)


async def close(call: Call) -> Answer:
    """Close the connections of the path's target, the excluded ones aside."""
    query = call.query
    reply: Waiter[bool] = Waiter()
    exclude, reason = rest_query.excluded(query), rest_query.reason(query)
    receipt = Receipt(reply, True)
    await call.done(reply, commands.Close(_target(call.path), exclude, reason, receipt))
    return answers.REMOVED


async def add(call: Call) -> Answer:
    """Add a user's connections, or one, to a group."""
    reply: Waiter[str] = Waiter()
    receipt = Receipt(reply, "added", "missing", "refused")
    who, group = _member(call.path), call.path["group"]
    match await call.done(reply, commands.AddToGroup(who, group, receipt)):
        case "added":
            return answers.DONE
        case "refused":
            message = f"The group `{group}` did not admit the connection."
            return answers.error(403, "Error.Group.Forbidden", message, "Group")
    return _nobody("Error" if "connectionId" in call.path else "Warning", call)


async def remove(call: Call) -> Answer:
    """End a membership, or all memberships, of a user or a connection."""
    reply: Waiter[bool] = Waiter()
    who, group = _member(call.path), call.path.get("group")
    receipt = Receipt(reply, True)
    await call.done(reply, commands.RemoveFromGroup(who, group, receipt))
    return answers.REMOVED


async def add_all(call: Call) -> Answer:
    """Add every matching connection to groups."""
    return await _bulk(call, commands.AddAllToGroups)


async def remove_all(call: Call) -> Answer:
    """Remove every matching connection from groups."""
    return await _bulk(call, commands.RemoveAllFromGroups)


async def _bulk(
    call: Call,
    command: type[commands.AddAllToGroups | commands.RemoveAllFromGroups],
) -> Answer:
    headers, limits = call.scope["headers"], call.settings.limits
    wanted = await rest_body.membership(headers, call.receive, limits)
    reply: Waiter[bool] = Waiter()
    receipt = Receipt(reply, True)
    await call.done(reply, command(wanted.groups, wanted.where, receipt))
    return answers.DONE


async def members(call: Call) -> Answer:
    """List a page of a group's connections."""
    query, group = call.query, call.path["group"]
    size, top = rest_query.page_size(query), rest_query.top(query)
    after = rest_query.after(query)
    limit = size if top is None else min(size, top)
    reply: Waiter[commands.MemberPage] = Waiter()
    page = await call.done(reply, commands.Members(group, after, limit, reply))
    members = [{"connectionId": who, "userId": user} for who, user in page.members]
    document: dict[str, Any] = {"value": members}
    left = None if top is None else top - len(members)
    if page.more and members and left != 0:
        document["nextLink"] = _next_link(call, left, size, page.members[-1][0])
    return answers.json(document)


def _next_link(call: Call, left: int | None, size: int, after: str) -> str:
    """Give the address of the next page: this one's path exactly as it was sent."""
    pairs = [("top", left)] if left is not None else []
    token: list[tuple[str, object]] = [
        *pairs,
        ("maxpagesize", size),
        ("continuationToken", after),
        ("api-version", call.version),
    ]
    base = public_endpoint(call.scope, call.settings)
    path = rest_paths.raw(call.scope).decode("latin-1")
    return f"{base}{path}?{urlencode(token, quote_via=quote)}"


async def grant(call: Call) -> Answer:
    """Permit a connection something in a group."""
    verdict = await _rule(call, commands.Grant)
    if not verdict.found:
        return _nobody("Info", call)
    return answers.DONE if verdict.done else _full(call)


async def revoke(call: Call) -> Answer:
    """Forbid a connection something in a group; a missing one has nothing."""
    verdict = await _rule(call, commands.Revoke)
    return _full(call) if verdict.found and not verdict.done else answers.REMOVED


async def check(call: Call) -> Answer:
    """Tell whether a connection may do something in a group."""
    verdict = await _rule(call, commands.HasPermission)
    allowed = verdict.found and verdict.done
    return answers.FOUND if allowed else _nobody("Info", call)


async def _rule(
    call: Call, command: type[commands.Grant | commands.Revoke | commands.HasPermission]
) -> commands.Verdict:
    group = rest_query.target_name(call.query)
    who, permission = call.path["connectionId"], call.path["permission"]
    reply: Waiter[commands.Verdict] = Waiter()
    return await call.done(reply, command(who, permission, group, reply))


def _full(call: Call) -> Answer:
    message = f"Connection `{call.path['connectionId']}` has too many permission rules."
    return answers.error(409, "Error.Connection.Conflict", message, "Connection")


async def generate_token(call: Call) -> Answer:
    """Issue a token for a client."""
    query, settings = call.query, call.settings
    endpoint = public_endpoint(call.scope, settings)
    path = rest_query.client_path(query)
    token = tokens.mint(
        settings.keys.primary,
        audience=audience.client_audience_url(endpoint, call.hub, path),
        now=call.now,
        lifetime=60.0 * rest_query.minutes(query),
        user_id=rest_query.subject(query),
        roles=rest_query.roles(query),
        groups=rest_query.groups(query),
        issuer=tokens.ISSUER,
    )
    return answers.json({"token": token})


async def invoke(_call: Call) -> Answer:
    """Refuse what only Socket.IO needs."""
    return answers.not_implemented("Invocations of Socket.IO are not supported.")


async def healthy(_call: Call) -> Answer:
    """Tell that the service answers."""
    return answers.HEALTHY


def _target(path: dict[str, Any]) -> commands.Target:
    """Give whom a path means; one that names nobody means everyone in the hub."""
    return _named(path) if path else commands.Everyone()


def _named(
    path: dict[str, Any],
) -> commands.ToGroup | commands.ToUser | commands.ToConnection:
    return commands.ToGroup(path["group"]) if "group" in path else _member(path)


def _member(path: dict[str, Any]) -> commands.ToUser | commands.ToConnection:
    if "userId" in path:
        return commands.ToUser(path["userId"])
    return commands.ToConnection(path["connectionId"])


def _nobody(severity: str, call: Call) -> Answer:
    """Answer that the user, the connection or the group of a path is not there.

    The prefixes differ by operation and are kept exactly (REST reference, error
    bodies).
    """
    for parameter, kind in _KINDS:
        if parameter in call.path:
            return answers.missing(severity, kind, call.path[parameter])
    raise AssertionError("only what a path names can be missing")


_KINDS: Final = (
    ("connectionId", "Connection"),
    ("userId", "User"),
    ("group", "Group"),
)
