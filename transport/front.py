"""What doors and sessions of a gateway share."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from hubbub.actors.messages import commands, internal, mesh, returning
from hubbub.actors.runtime.address import Ref
from hubbub.actors.runtime.dispatcher import Dispatcher
from hubbub.transport.keepalive import Keepalive
from hubbub.transport.metrics import Stats
from hubbub.transport.settings import Live


class Front(msgspec.Struct, frozen=True):
    """The gateway's address, its turns, its settings, its counters, its clock."""

    gateway: Ref[
        internal.Admit
        | internal.AdmitServer
        | returning.Recover
        | commands.ForHub
        | mesh.ToMesh
    ]
    dispatcher: Dispatcher
    live: Live
    stats: Stats
    keepalive: Keepalive
    clock: Callable[[], float] = time.time
