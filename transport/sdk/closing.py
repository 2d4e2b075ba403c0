"""Why a WebSocket is closed, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.exceptions import ConnectionClosed


def why(closed: ConnectionClosed) -> str:
    """Say why a socket is closed, in the words of who closed it."""
    received, sent = closed.rcvd, closed.sent
    if received is not None and (sent is None or closed.rcvd_then_sent):
        return f"the gateway closed it with {int(received.code)} {received.reason}"
    if sent is not None:
        return f"closed with {int(sent.code)} {sent.reason}"
    return "the socket was cut"
