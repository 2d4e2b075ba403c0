"""Packets of a simulated mesh as bytes in between, for some seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hubbub.transport.wire import peering

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubbub.actors.messages.peers import FromWire, Packet

ONE_IN: Final = 10
"""Seeds for one whose packets become bytes: that costs half the time of a run."""


def through_the_codec(seed: int) -> Callable[[Packet], FromWire]:
    """Give what a packet becomes on its way: itself, or what is read from its bytes."""
    if seed % ONE_IN:
        return lambda packet: packet
    return lambda packet: peering.decode(peering.encode(packet))
