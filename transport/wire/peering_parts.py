"""Tables: parts of streams, and group states, between gateways as arrays. Pure."""

from __future__ import annotations

from typing import Any, Final

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import sessions
from hubbub.actors.messages.pushes import StateItem
from hubbub.transport.wire.peering_fields import (
    METADATA,
    NAMES,
    Field,
    Unfit,
    flag,
    maybe,
    name,
    number,
    several,
    text,
)
from hubbub.transport.wire.peering_structs import shape, struct

_error = struct(shape(payloads.StreamError, [text, maybe(text), maybe(text)]))

STREAM: Final = struct(
    shape(payloads.StreamMark, [name, number(), flag, maybe(_error)])
)
"""Which part of which stream a publication is."""

_ITEM: Final = struct(shape(StateItem, [name, maybe(name), maybe(METADATA), number()]))
STATE_ITEMS: Final = several(_ITEM)
"""What connections say of themselves in a group."""


def _written_own(own: tuple[str, StateItem]) -> list[Any]:
    group, item = own
    return [name(group), _ITEM.write(item)]


def _found_own(value: Any) -> tuple[str, StateItem]:
    match value:
        case [group, item]:
            return name(group), _ITEM.read(item)
    raise Unfit("a group and a state are expected")


STATES: Final = struct(
    shape(sessions.States, [several(Field(_written_own, _found_own)), NAMES])
)
"""What a connection that moves says, and watches."""
