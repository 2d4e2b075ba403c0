"""``GET /api/peers``: the mesh as this gateway sees it, for who holds the access key.

It is under ``/api/`` so that whatever leads to the REST API leads here too: proxies,
endpoints with a path, tokens for a URL. The service has nothing of this name: its
operations are under ``/api/hubs/``, but for ``/api/health``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hubbub.actors.messages import mesh
from hubbub.transport import rest_answers as answers
from hubbub.transport.rest_call import Waiter
from hubbub.transport.rest_caller import Callers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hubbub.transport.front import Front
    from hubbub.transport.rest_answers import Answer

PATHS: Final = frozenset({"/api/peers", "/api/peers/"})
"""One trailing slash makes no difference, as in the REST API."""

_SEGMENTS: Final = ("api", "peers")
_METHODS: Final = ("GET", "HEAD")


class PeersPage:
    """Answers HTTP requests; an ASGI application."""

    def __init__(self, front: Front) -> None:
        self._gateway = front.gateway
        self._callers = Callers(front.live, front.clock)

    async def __call__(
        self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request (ASGI's protocol)."""
        del receive
        try:
            answer = await self._answer(scope)
        except answers.Refused as refused:
            answer = refused.answer
        start = {"status": answer.status, "headers": answer.headers}
        await send({"type": "http.response.start", **start})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any) -> Answer:
        if scope["method"] not in _METHODS:
            return answers.wrong_method(_METHODS)
        self._callers.check(scope, _SEGMENTS)
        view: Waiter[mesh.MeshView] = Waiter()
        self._gateway.post(mesh.Inspect(view))
        try:
            return answers.json(await view.value())
        except answers.Refused:
            text = "The gateway did not answer in time."
            return answers.error(503, "Error.ServiceUnavailable", text, "Request")
