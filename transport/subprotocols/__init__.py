"""Subprotocols: how requests and pushes look on a client's wire. Pure.

This module holds the one table from name to subprotocol, and the negotiation
(client protocols, subprotocol negotiation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

from hubbub.actors.messages.events import Reject
from hubbub.actors.messages.requests import Request
from hubbub.transport.subprotocols.cbor_v1 import CborReliableV1, CborV1
from hubbub.transport.subprotocols.draft import DraftJson
from hubbub.transport.subprotocols.json_v1 import JsonReliableV1, JsonV1
from hubbub.transport.subprotocols.protobuf_v1 import ProtobufReliableV1, ProtobufV1
from hubbub.transport.subprotocols.simple import Simple
from hubbub.transport.wire.frames import Composer, DeflateCodec, PlainCodec
from hubbub.transport.wire.numbering import Stamper, StampingCodec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubbub.actors.runtime.ports import Codec, NumberingCodec

Decode: TypeAlias = Callable[[bytes, bool], Request]
"""Reads a message's bytes, text or binary; raises ``ProtocolViolation``."""


class Spoken(Composer, Protocol):
    """A subprotocol of clients, both ways; a ``Stamper`` too if it is reliable."""

    def decode(self, data: bytes, text: bool) -> Request:
        """Read a message; a ``Decode``."""


SIMPLE = Simple()
_PROTOBUF = ProtobufV1()
SPOKEN: dict[str, Spoken] = {
    "json.webpubsub.azure.v1": JsonV1(),
    "json.reliable.webpubsub.azure.v1": JsonReliableV1(),
    "protobuf.webpubsub.azure.v1": _PROTOBUF,
    "protobuf.reliable.webpubsub.azure.v1": ProtobufReliableV1(),
    "cbor.webpubsub.hubbub.v1": CborV1(),
    "cbor.reliable.webpubsub.hubbub.v1": CborReliableV1(),
    "json.webpubsub.azure": DraftJson(),
    "protobuf.webpubsub.azure": _PROTOBUF,
}
"""Names this gateway speaks, lower case; who shares an object shares encoded bytes."""

UNSPOKEN = frozenset({"mqtt"})
"""Names of the service that this gateway refuses instead of pretending."""


class Agreed(NamedTuple):
    """What client and gateway speak, and the name to echo (None: no header)."""

    name: str | None
    composer: Composer
    decode: Callable[[bytes, bool], Any]
    """A ``Decode``, or what reads the requests of a server."""


def negotiate(
    offered: Sequence[str], chosen: str | None, simple_decode: Decode
) -> Agreed | Reject:
    """Settle the subprotocol of a handshake.

    Args:
        offered: Names from the client, in its order and spelling.
        chosen: The name the connect handler selected; None or "" leaves it open.
        simple_decode: What a simple client's frames mean (by its raw mode).

    Returns:
        The agreement, or why there is none.
    """
    if chosen:
        return _chosen(offered, chosen, simple_decode)
    for name in offered:
        spoken = SPOKEN.get(name.lower())
        if spoken is not None:
            return Agreed(name, spoken, spoken.decode)
    for name in offered:
        if name.lower() in UNSPOKEN:
            return Reject(400, _unspoken(name))
    return Agreed(None, SIMPLE, simple_decode)


def resume(name: str, offered: Sequence[str]) -> Agreed | None:
    """Give what a session speaks that comes back: what it spoke before.

    Args:
        name: The subprotocol of the session, in any spelling.
        offered: Names from the client, in its order and spelling. Whatever they are,
            its own counts (client protocols, recovery request).

    Returns:
        The agreement; None if the name is not spoken here.
    """
    spoken = SPOKEN.get(name.lower())
    if spoken is None:
        return None
    spelling = next((one for one in offered if one.lower() == name.lower()), name)
    return Agreed(spelling, spoken, spoken.decode)


def _chosen(
    offered: Sequence[str], chosen: str, simple_decode: Decode
) -> Agreed | Reject:
    spelling = next((name for name in offered if name.lower() == chosen.lower()), None)
    if spelling is None:
        return Reject(500, "The event handler selected a subprotocol nobody offered.")
    spoken = SPOKEN.get(chosen.lower())
    if spoken is not None:
        return Agreed(spelling, spoken, spoken.decode)
    if chosen.lower() in UNSPOKEN:
        return Reject(400, _unspoken(chosen))
    return Agreed(spelling, SIMPLE, simple_decode)


def _unspoken(name: str) -> str:
    spoken = ", ".join(SPOKEN)
    return f"Subprotocol {name} is not supported by this gateway; offer {spoken}."


_plain: dict[Composer, Codec] = {}
_deflated: dict[tuple[Composer, int], Codec] = {}
_stamping: dict[Composer, StampingCodec] = {}


def numbering(name: str) -> NumberingCodec | None:
    """Give the codec of a reliable subprotocol by its name; None for another name."""
    spoken = SPOKEN.get(name.lower())
    return None if spoken is None else _numbering(spoken)


def codec(composer: Composer, window_bits: int | None) -> Codec:
    """Give the codec that all connections of a kind share.

    Args:
        composer: The subprotocol. One with ``stamp`` numbers its messages, and says
            them uncompressed whatever was negotiated, which every client takes.
        window_bits: The server's deflate window; None without compression.
    """
    numbered = _numbering(composer)
    if numbered is not None:
        return numbered
    if window_bits is None:
        found = _plain.get(composer)
        if found is None:
            found = _plain[composer] = PlainCodec(composer)
        return found
    found = _deflated.get((composer, window_bits))
    if found is None:
        found = DeflateCodec(composer, window_bits)
        _deflated[composer, window_bits] = found
    return found


def _numbering(composer: Composer) -> StampingCodec | None:
    if not hasattr(composer, "stamp"):
        return None
    found = _stamping.get(composer)
    if found is None:
        found = _stamping[composer] = StampingCodec(cast("Stamper", composer))
    return found
