"""On what terms the socket of a client or a server is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hubbub.transport.outlet import SocketOutlet

if TYPE_CHECKING:
    from hubbub.transport.settings import Limits
    from hubbub.transport.subprotocols import Agreed


class Terms(NamedTuple):
    """On what terms a socket is open: what is spoken, bounds, how it is written."""

    agreed: Agreed
    limits: Limits
    outlet: type[SocketOutlet] = SocketOutlet
    is_server: bool = False
