"""What the port answers over HTTP: REST, health, peers, metrics, the demo page."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from hubbub.transport import peers_page
from hubbub.transport.metrics_page import MetricsPage
from hubbub.transport.rest import rest_app

if TYPE_CHECKING:
    from starlette.requests import Request

    from hubbub.transport.front import Front


def web_app(front: Front) -> Any:
    """Make the ASGI application of a gateway."""
    rest = rest_app(
        front.gateway,
        front.live,
        clock=front.clock,
        held=lambda: front.dispatcher.held,
    )
    peers = peers_page.PeersPage(front)
    pages = Starlette(
        routes=[
            Route("/", _Home(front).respond),
            Route("/metrics", MetricsPage(front).respond),
            Route("/client", _not_a_websocket),
            Route("/client/{rest:path}", _not_a_websocket),
            Route("/server/{rest:path}", _not_a_websocket),
        ]
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            ours = scope["path"] in peers_page.PATHS
            await (peers if ours else rest)(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


class _Home:
    def __init__(self, front: Front) -> None:
        self._live = front.live
        self._page = files("hubbub.transport.pages").joinpath("demo.html").read_text()

    async def respond(self, request: Request) -> Response:
        del request
        if self._live.settings.demo:
            return HTMLResponse(self._page)
        return PlainTextResponse("This is a hubbub gateway.\n")


async def _not_a_websocket(request: Request) -> Response:
    del request
    return PlainTextResponse(
        "WebSockets are opened here: this request is no upgrade.\n", 400
    )
