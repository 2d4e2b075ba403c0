"""Builds what a mesh is started with: endpoints, a ZeroMQ wire, seeds.

ZeroMQ is loaded here, when there is a mesh at all: a lone gateway starts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages.mesh import MeshSetup, MeshView
from hubbub.transport.cluster_secret import parse_secret

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hubbub.transport.mesh_plan import MeshPlan, Worker
    from hubbub.transport.settings import Settings


def mesh_setup(
    settings: Settings,
    plan: MeshPlan,
    loop: asyncio.AbstractEventLoop,
    *,
    figures: Callable[[MeshView], bytes],
    worker: Worker | None = None,
) -> MeshSetup:
    """Open the place of a gateway among others.

    Args:
        settings: For the name and the secret of the cluster.
        plan: Its endpoints.
        loop: Where packets come in.
        figures: Gives what this gateway counts, for its fellow workers.
        worker: Which worker this is, if it is one.

    Raises:
        PortError: The endpoint cannot be had.
    """
    from hubbub.transport.zeromq import ZeroMqWire  # noqa: PLC0415 - see above

    secret = settings.cluster_secret
    wire = ZeroMqWire(
        loop,
        listen=plan.listen,
        endpoint=plan.endpoint,
        secret=None if secret is None else parse_secret(secret.text),
    )
    return MeshSetup(
        wire,
        cluster=settings.cluster,
        seeds=plan.seeds,
        site="" if worker is None else worker.site,
        worker="" if worker is None else str(worker.index),
        figures=figures,
    )
