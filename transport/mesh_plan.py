"""Where a gateway listens for others, what it tells them to dial, whom it dials first.

Pure. The workers of one machine are gateways like any others: each has its own place,
and the rest of them as seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from hubbub.transport.settings import Settings

LOOPBACK_ANY_PORT = "tcp://127.0.0.1:0"
"""Where a gateway listens for peers of its own machine when nothing is said."""


class Worker(msgspec.Struct, frozen=True):
    """One of the processes that serve a port together.

    Args:
        index: Its number, from 0.
        count: How many they are.
        site: The folder of the sockets between them; what they have in common.
    """

    index: int
    count: int
    site: str


class MeshPlan(msgspec.Struct, frozen=True):
    """Endpoints of one gateway: to listen at, to be told, to dial first."""

    listen: tuple[str, ...]
    endpoint: str
    seeds: tuple[str, ...]


def plan(settings: Settings, worker: Worker | None = None) -> MeshPlan | None:
    """Plan the place of a gateway among others; None when there are none.

    Args:
        settings: Settings that have passed ``check_mesh``.
        worker: Which worker this is, if it is one.
    """
    listen = settings.peer_listen
    if listen is None and (settings.peers or settings.discover):
        listen = LOOPBACK_ANY_PORT
    told = settings.peer_endpoint or listen
    if worker is None:
        if listen is None or told is None:
            return None
        return MeshPlan((listen,), told, settings.peers)
    meeting = [f"ipc://{worker.site}/{number}.sock" for number in range(worker.count)]
    own = meeting.pop(worker.index)
    seeds = tuple(dict.fromkeys((*meeting, *settings.peers)))
    if listen is None or told is None:
        return MeshPlan((own,), own, seeds)
    outside = beside(listen, worker.index)
    return MeshPlan((outside, own), beside(told, worker.index), seeds)


def beside(endpoint: str, number: int) -> str:
    """Give a further worker's endpoint: the next port, or the path with a suffix.

    Port 0, a free one, is so for each.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "ipc":
        return f"{endpoint}.{number}" if number else endpoint
    if not parts.port:
        return endpoint
    return f"{endpoint.rpartition(':')[0]}:{parts.port + number}"
