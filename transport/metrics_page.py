"""The page of metrics: what this gateway counts, and its fellow workers.

Scraping one worker gives the page of all: whoever listens on one port is one service.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.responses import Response

from hubbub.actors.messages import mesh
from hubbub.transport import metrics
from hubbub.transport.rest_call import Waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from hubbub.transport.front import Front
    from hubbub.transport.metrics import Report

T = TypeVar("T")

PATIENCE: Final = 3.0
"""Seconds that the mesh has to answer; Prometheus itself waits for ten."""

_KIND: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """Answers a scrape, with what can be had in time."""

    def __init__(self, front: Front) -> None:
        self._gateway = front.gateway
        self._stats = front.stats

    async def respond(self, request: Request) -> Response:
        """Ask the mesh, and render what it says."""
        del request
        view: Waiter[mesh.MeshView] = Waiter()
        tally: Waiter[mesh.Tally] = Waiter()
        self._gateway.post(mesh.Inspect(view))
        self._gateway.post(mesh.Count(tally))
        seen, counted = await asyncio.gather(
            _in_time(view.value()), _in_time(tally.value())
        )
        reports = self._reports(seen, counted)
        return Response(metrics.page(reports), media_type=_KIND)

    def _reports(
        self, view: mesh.MeshView | None, tally: mesh.Tally | None
    ) -> dict[str, Report]:
        """Put together the reports of all that answered; ours is always there."""
        reports = {}
        for worker, written in (tally.figures if tally is not None else {}).items():
            report = metrics.read_figures(worker, written)
            if report is not None:
                reports[worker] = report
        if view is not None:
            reports[view.worker] = metrics.report(self._stats, view)
        return reports or {"": metrics.report(self._stats)}


async def _in_time(answer: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await answer
    except TimeoutError:
        return None
