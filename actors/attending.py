"""What handlers and attached servers of a hub want to decide on, or to hear of.

A part of the hub: it runs in the hub's turns, and only the hub may touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.actors.messages import internal
from hubbub.actors.policy.routes import group_matcher

if TYPE_CHECKING:
    from collections.abc import Collection

    from hubbub.actors.handler import HandlerSpec
    from hubbub.actors.runtime.address import Ref


class Attending:
    """Puts together who wants what, for the connections.

    Args:
        handlers: The configured handlers.
        clustered: Whether there can be peers.
    """

    def __init__(self, handlers: tuple[HandlerSpec, ...], *, clustered: bool) -> None:
        self._handlers = handlers
        self._clustered = clustered
        self._wanted = internal.Attention()
        self.current = self._asks()
        """What a connection is told."""

    def configure(
        self,
        handlers: tuple[HandlerSpec, ...],
        connections: Collection[Ref[internal.Attention]],
    ) -> None:
        """Take other handlers."""
        self._handlers = handlers
        self._spread(connections)

    def attend(
        self,
        wanted: internal.Attention,
        connections: Collection[Ref[internal.Attention]],
    ) -> None:
        """Let connections know what servers want to decide on, then say it is so."""
        self._wanted = wanted
        self._spread(connections)
        if wanted.receipt is not None:
            wanted.receipt.pay()

    def wants_presence(self, event: str, group: str) -> bool:
        """Tell whether somebody wants to hear of ``joined`` or ``left`` in a group."""
        if any(spec.wants_presence(event, group) for spec in self._handlers):
            return True
        patterns = self._wanted.joined if event == "joined" else self._wanted.left
        return any(group_matcher(pattern)(group) for pattern in patterns)

    def _spread(self, connections: Collection[Ref[internal.Attention]]) -> None:
        asks = self._asks()
        if asks != self.current:
            self.current = asks
            for connection in connections:
                connection.post(asks)

    def _asks(self) -> internal.Attention:
        handlers, wanted = self._handlers, self._wanted
        return internal.Attention(
            wanted.publish or any(spec.intercepts("publish") for spec in handlers),
            wanted.subscribe or any(spec.intercepts("subscribe") for spec in handlers),
            clustered=self._clustered,
        )
