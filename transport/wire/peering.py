"""The CBOR of what crosses between gateways: packets to bytes, and back. Pure.

Knows nothing of sockets and of what a message means. What comes out of ``decode`` has
been checked down to the last field: an actor can carry it out. Whoever sends a batch
that cannot be read loses its link, so the name in front of it is read first.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import cbor2
import msgspec

from hubbub.actors.messages import peers
from hubbub.transport.wire.peering_fields import (
    REASON,
    Unfit,
    flag,
    line,
    number,
)
from hubbub.transport.wire.peering_relay import (
    read_interest,
    read_relay,
    write_interest,
    write_relay,
)
from hubbub.transport.wire.peering_shapes import (
    INTEREST,
    MESSAGES,
    RELAY,
    UNADDRESSED,
)
from hubbub.transport.wire.peering_sizes import check_values
from hubbub.transport.wire.peering_structs import Union, shape

if TYPE_CHECKING:
    from collections.abc import Callable

    Write: TypeAlias = Callable[[Any], list[Any]]

__all__ = ["UNADDRESSED", "PeeringViolation", "decode", "encode", "passable"]

KNOCK: Final = 1
HELLO: Final = 2
REFUSAL: Final = 3
HEARTBEAT: Final = 4
BATCH: Final = 5

DEEPEST: Final = 16
"""Levels of nesting; the deepest message needs eight."""

_HEARTBEAT_SIZE: Final = 6
_BATCH_SIZE: Final = 7
_ENVELOPE: Final = 3
"""Items of a batch or a heartbeat that say whose it is: kind, gateway, tag."""
_ENVELOPE_BYTES: Final = 8 * 1024
_ARRAY: Final = 0x80
"""Begins an array of a length up to 23, which is added."""
_SEALED: Final = b"\x00hubbub\xff"
_SEAL: Final = cbor2.dumps(_SEALED)

_number = number()
_tag = number(1)
_GREETINGS: Final = Union(
    (KNOCK, shape(peers.Knock, [_number, line, line, line, _number])),
    (
        HELLO,
        shape(peers.Hello, [_number, line, line, line, _tag, _number, _number]),
    ),
    (REFUSAL, shape(peers.Refusal, [line, _number, REASON])),
)
_GREETING_SIZES: Final = {KNOCK: 6, HELLO: 8, REFUSAL: 4}


class PeeringViolation(ValueError):  # noqa: N818 - what it is, not an error of ours
    """Bytes that are no packet, and do not say whose they are; the text says why."""


def _no_tag(*_: object) -> None:
    raise Unfit("tags are not part of this protocol")


_NO_TAGS: Final = dict.fromkeys(
    (*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799), _no_tag
)
"""Tags the library would read: big numbers, references, e-mails and more."""

_STRICT: Final[dict[str, Any]] = {
    "tag_hook": _no_tag,
    "semantic_decoders": _NO_TAGS,
    "max_depth": DEEPEST,
    "allow_indefinite": False,
    "allow_duplicate_keys": False,
    "strict_hashable_types": True,
}


def encode(packet: peers.Packet) -> bytes:
    """Write a packet.

    Raises:
        TypeError: It has what cannot cross, as a function in the place of a filter.
        ValueError: It has what the other side would not read.
    """
    match packet:
        case peers.Batch(gateway=gateway, tag=tag, messages=messages):
            return cbor2.dumps(
                [
                    BATCH,
                    line(gateway),
                    _tag(tag),
                    _number(packet.number),
                    _number(packet.received),
                    flag(packet.prompt),
                    [_WRITERS[type(message)](message) for message in messages],
                ]
            )
        case peers.Heartbeat(gateway=gateway, tag=tag, sent=sent, received=received):
            return cbor2.dumps(
                [
                    HEARTBEAT,
                    line(gateway),
                    _tag(tag),
                    _number(sent),
                    _number(received),
                    flag(packet.missing),
                ]
            )
        case _:
            return cbor2.dumps(_GREETINGS.write(packet))


def passable(batch: peers.Batch) -> peers.Batch:
    """Leave out the messages of a batch that cannot be written."""
    return msgspec.structs.replace(
        batch, messages=tuple(filter(_can_cross, batch.messages))
    )


def decode(data: bytes) -> peers.Packet | peers.Malformed:
    """Read a packet.

    Returns:
        The packet; of a batch or heartbeat that says whose it is but cannot be read,
        that it came and what is wrong.

    Raises:
        PeeringViolation: It is none, and does not say whose it is.
    """
    try:
        items = _load(data)
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        return _blame(_begin(data), f"as CBOR: {_why(error)}")
    if type(items) is not list or not items or type(items[0]) is not int:
        raise PeeringViolation("this is no packet")
    kind = items[0]
    if kind in _GREETING_SIZES:
        return _greeting(kind, items)
    try:
        if kind == BATCH:
            return _batch(items)
        if kind == HEARTBEAT:
            return _heartbeat(items)
    except (ValueError, RecursionError) as error:
        return _blame(items, _why(error))
    raise PeeringViolation("there is no such packet")


def _load(data: bytes) -> Any:
    """Read one item that fills the bytes.

    The library stops behind the first item and does not tell where, so two are read,
    the second being one that nobody writes by chance.
    """
    check_values(data)
    items = cbor2.loads(b"\x82" + data + _SEAL, **_STRICT)
    if items[1] != _SEALED:
        raise Unfit("something follows it")
    return items[0]


def _batch(items: list[Any]) -> peers.Batch:
    if len(items) != _BATCH_SIZE:
        raise Unfit("a batch has seven items")
    _, gateway, tag, count, received, prompt, rows = items
    if type(rows) is not list:
        raise Unfit("an array of messages is expected")
    found: list[peers.Message] = []
    for row in rows:
        try:
            found.append(_message(row))
        except (ValueError, RecursionError) as error:
            raise Unfit(f"message {len(found)}: {_why(error)}") from None
    return peers.Batch(
        line(gateway),
        _tag(tag),
        _number(count),
        _number(received),
        tuple(found),
        flag(prompt),
    )


def _message(row: Any) -> Any:
    if type(row) is list and row:
        kind = row[0]
        if type(kind) is int:
            if kind == RELAY:
                return read_relay(row)
            if kind == INTEREST:
                return read_interest(row)
    return MESSAGES.read(row)


def _heartbeat(items: list[Any]) -> peers.Heartbeat:
    if len(items) != _HEARTBEAT_SIZE:
        raise Unfit("a heartbeat has six items")
    _, gateway, tag, sent, received, missing = items
    return peers.Heartbeat(
        line(gateway), _tag(tag), _number(sent), _number(received), flag(missing)
    )


def _greeting(kind: int, items: list[Any]) -> peers.Packet:
    """Read what gateways of different versions say: what follows is of a later one."""
    try:
        found: peers.Packet = _GREETINGS.read(items[: _GREETING_SIZES[kind]])
    except ValueError as error:
        raise PeeringViolation(f"a greeting cannot be read: {_why(error)}") from None
    return found


def _begin(data: bytes) -> list[Any]:
    """Read the beginning of what cannot be read as a whole."""
    found: list[Any] = []
    if not data or data[0] not in {_ARRAY | _BATCH_SIZE, _ARRAY | _HEARTBEAT_SIZE}:
        return found
    decoder = cbor2.CBORDecoder(
        BytesIO(data[1:_ENVELOPE_BYTES]), **(_STRICT | {"max_depth": 1})
    )
    try:
        while len(found) < _ENVELOPE:
            found.append(decoder.decode())
    except (cbor2.CBORDecodeError, ValueError):
        found.clear()
    return found


def _blame(items: list[Any], reason: str) -> peers.Malformed:
    try:
        kind, gateway, tag = items[:_ENVELOPE]
        if type(kind) is int and kind in {BATCH, HEARTBEAT}:
            return peers.Malformed(line(gateway), _tag(tag), reason)
    except ValueError:
        pass  # it does not say whose it is
    raise PeeringViolation(reason)


def _why(error: Exception) -> str:
    """Say what is wrong without quoting what came."""
    match error:
        case Unfit():
            return str(error)
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case cbor2.CBORDecodeEOF():
            return "it ends too early"
        case cbor2.CBORDecodeError():
            return "it is damaged"
        case _:
            return "a pattern, a filter or a rule cannot be read"


_WRITERS: Final[dict[type, Write]] = {
    peers.Relay: write_relay,
    peers.Interest: write_interest,
    **dict.fromkeys(MESSAGES.kinds, MESSAGES.write),
}


def _can_cross(message: peers.Message) -> bool:
    try:
        cbor2.dumps(_WRITERS[type(message)](message))
    except (TypeError, ValueError):
        return False
    return True
