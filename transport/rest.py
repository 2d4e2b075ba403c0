"""The REST data plane: from an HTTP request to its answer, one check after another.

First the path (404, 405), then the caller (401), and only then what the request says:
version, names, hub, query, and last the body. Operations see checked names only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hubbub.transport import rest_answers as answers
from hubbub.transport import rest_paths, rest_query
from hubbub.transport.rest_body import Disconnected
from hubbub.transport.rest_call import Call
from hubbub.transport.rest_caller import Callers
from hubbub.transport.rest_table import OPERATIONS, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hubbub.actors.messages import commands
    from hubbub.actors.runtime.address import Ref
    from hubbub.transport.rest_answers import Answer
    from hubbub.transport.rest_body import Receive
    from hubbub.transport.rest_paths import Place, Segments
    from hubbub.transport.settings import Live

logger = logging.getLogger(__name__)

MOST_CALLS: Final = 1000
"""Calls under way, each perhaps with a body; one more gets 429."""

_CHECKS: Final[dict[str, Callable[[str], Any]]] = {
    "hub": rest_query.hub,
    "group": rest_query.group,
    "userId": rest_query.user_id,
    "connectionId": rest_query.connection_id,
    "permission": rest_query.permission,
}


class _Route(msgspec.Struct, frozen=True):
    """An operation with the checks of its path, and the parameters it looks at."""

    operation: Operation
    checks: tuple[tuple[str, Callable[[str], Any]], ...]
    query: frozenset[str]


def rest_app(
    gateway: Ref[commands.ForHub],
    live: Live,
    *,
    clock: Callable[[], float] = time.time,
    held: Callable[[], bool] = bool,
) -> RestApp:
    """Make the ASGI application for every path under ``/api/``.

    Args:
        gateway: Where commands go.
        live: The settings in force.
        clock: Unix time in seconds, for tokens.
        held: Whether callers are to wait, because a peer is behind.
    """
    return RestApp(gateway, live, clock, held)


class RestApp:
    """Answers HTTP requests; an ASGI application that expects full paths."""

    def __init__(
        self,
        gateway: Ref[commands.ForHub],
        live: Live,
        clock: Callable[[], float],
        held: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._live = live
        self._clock = clock
        self._callers = Callers(live, clock)
        self._held = held
        self._calls = 0

    async def __call__(
        self, scope: Any, receive: Receive, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request (ASGI's protocol)."""
        try:
            answer = await self._answer(scope, receive)
        except answers.Refused as refused:
            answer = refused.answer
        except Disconnected:
            return
        start = {"status": answer.status, "headers": answer.headers}
        await send({"type": "http.response.start", **start})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Receive) -> Answer:
        segments = rest_paths.split(rest_paths.raw(scope))
        place, names = rest_paths.find(_ROUTES, segments)
        if place is None or not place.methods:
            return answers.unknown_path()
        route = place.methods.get(scope["method"])
        if route is None:
            return answers.wrong_method(tuple(place.methods))
        if route.operation.open:
            return await route.operation.respond(self._call(scope, receive))
        self._callers.check(scope, segments)
        if self._calls >= MOST_CALLS or self._held():
            return answers.busy()
        self._calls += 1
        try:
            return await self._carry_out(route, names, scope, receive)
        finally:
            self._calls -= 1

    async def _carry_out(
        self, route: _Route, names: Segments, scope: Any, receive: Receive
    ) -> Answer:
        query = rest_query.read(scope["query_string"])
        version = rest_query.api_version(query)
        path = {
            name: check(value)
            for (name, check), value in zip(route.checks, names, strict=True)
        }
        hub: str = path.pop("hub")
        if self._live.settings.hub(hub) is None:
            return answers.missing("Error", "Hub", hub)
        seen = {name: query[name] for name in query if name in route.query}
        call = self._call(scope, receive, hub, path, seen, version)
        try:
            return await route.operation.respond(call)
        except (answers.Refused, Disconnected):
            raise
        except Exception:  # a bug fails its own request alone
            logger.exception("%s failed in hub %s", route.operation.name, hub)
            return answers.broken()

    def _call(
        self,
        scope: Any,
        receive: Receive,
        hub: str = "",
        path: dict[str, Any] | None = None,
        query: rest_query.Query | None = None,
        version: str = answers.NEWEST,
    ) -> Call:
        return Call(
            hub,
            path or {},
            query or {},
            version,
            scope,
            receive,
            self._gateway,
            self._live.settings,
            self._clock(),
        )


def _route(operation: Operation) -> tuple[str, str, _Route]:
    parameters = [part[1:-1] for part in operation.path.split("/") if "{" in part]
    checks = tuple((name, _CHECKS[name]) for name in parameters)
    query = frozenset(name.lower() for name in operation.query)
    return operation.method, operation.path, _Route(operation, checks, query)


_ROUTES: Final[Place[_Route]] = rest_paths.plant(map(_route, OPERATIONS))
