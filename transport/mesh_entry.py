"""A gateway's way into its mesh and out of it, as the process sees it.

Opened before the actors start, settled before clients come, closed when all have left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec

from hubbub.actors.messages.mesh import (
    Inspect,
    LinkState,
    MeshSetup,
    MeshView,
    Seeds,
    Settle,
    ToMesh,
)
from hubbub.actors.runtime.reply import Reply
from hubbub.transport.discovery import Discovery
from hubbub.transport.mesh_plan import plan
from hubbub.transport.mesh_setup import mesh_setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.runtime.address import Ref
    from hubbub.transport.mesh_plan import MeshPlan, Worker
    from hubbub.transport.settings import Settings

logger = logging.getLogger(__name__)

_LATE = 2.0
"""Seconds beyond its own deadline that the mesh has for an answer."""


class MeshEntry:
    """What a process does for the mesh of its gateway.

    Args:
        settings: The settings it was started with; a reload does not change a mesh.
        own: Its endpoints.
        worker: Which worker this is, if it is one.
        discovery: Finds further gateways, if there is a name to ask for.
    """

    def __init__(
        self,
        settings: Settings,
        own: MeshPlan,
        worker: Worker | None,
        discovery: Discovery | None,
    ) -> None:
        self._settings = settings
        self._plan = own
        self._worker = worker
        self._discovery = discovery
        self._watch: asyncio.Task[None] | None = None
        self._setup: MeshSetup | None = None

    async def open(self, figures: Callable[[MeshView], bytes]) -> MeshSetup:
        """Take the gateway's place among others.

        Raises:
            PortError: It cannot be had.
        """
        if self._discovery is not None:
            await self._discovery.look()
        loop = asyncio.get_running_loop()
        setup = mesh_setup(
            self._settings, self._plan, loop, figures=figures, worker=self._worker
        )
        self._setup = msgspec.structs.replace(setup, seeds=self._seeds(setup))
        logger.info("peers reach this gateway at %s", setup.wire.endpoint)
        return self._setup

    async def settle(self, gateway: Ref[ToMesh]) -> None:
        """Wait until the gateway knows what its peers want, or is late enough."""
        setup = self._setup
        if setup is None:
            return
        if self._discovery is not None:
            self._watch = asyncio.create_task(
                self._discovery.watch(lambda _: gateway.post(Seeds(self._seeds(setup))))
            )
        answer: Reply[bool] = Reply()
        gateway.post(Settle(answer))
        settled = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(setup.pace.settling + _LATE):
                settled = await answer
        if not settled:
            await self._warn(gateway, setup)

    async def close(self) -> None:
        """Leave the mesh; what its actors had to say has been said."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        if self._setup is not None:
            self._setup.wire.close()

    def _seeds(self, setup: MeshSetup) -> tuple[str, ...]:
        found = () if self._discovery is None else self._discovery.endpoints
        seeds = dict.fromkeys((*self._plan.seeds, *found))
        return tuple(seed for seed in seeds if seed != setup.wire.endpoint)

    @staticmethod
    async def _warn(gateway: Ref[ToMesh], setup: MeshSetup) -> None:
        """Say which seeds did not answer, and why if that is known."""
        answer: Reply[MeshView] = Reply()
        gateway.post(Inspect(answer))
        troubles = dict.fromkeys(setup.seeds, "")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LATE):
                view = await answer
                for peer in view.peers:
                    if peer.state is LinkState.UP:
                        troubles.pop(peer.endpoint, None)
                    elif peer.endpoint in troubles:
                        troubles[peer.endpoint] = peer.trouble
        silent = [
            f"{seed} ({trouble})" if trouble else seed
            for seed, trouble in troubles.items()
        ]
        logger.warning(
            "starting without %s: no answer yet", ", ".join(silent) or "some peers"
        )


def mesh_entry(settings: Settings, worker: Worker | None = None) -> MeshEntry | None:
    """Give a gateway its way into the mesh; None when there is none."""
    own = plan(settings, worker)
    if own is None:
        return None
    discovery = None if settings.discover is None else Discovery(settings.discover)
    return MeshEntry(settings, own, worker, discovery)
